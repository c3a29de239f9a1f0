/* SPDX-License-Identifier: MIT
 *
 * Copies of descriptors and of the working directory, made now for a child that
 * is started later.  All waiting children share a copy as long as the number
 * refers to the same open file.  So waiting costs next to no descriptors, which
 * are scarcer than processes where the limit is 1,024.
 */
#ifndef FP_POSIX_KEPT_FDS_H
#define FP_POSIX_KEPT_FDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fp_kept_fd {
    struct fp_kept_fd *next;
    int fd;     /* the copy */
    int number; /* the descriptor copied, or FP_KEPT_DIRECTORY */
    unsigned users;
    dev_t device; /* this and the next two: only of a directory */
    ino_t inode;
    uint64_t mount;
};

enum { FP_KEPT_DIRECTORY = -1 };

/* All that is kept for the children that wait: a list, empty if NULL. */
struct fp_kept_fds {
    struct fp_kept_fd *latest;
};

/* Keeps a copy of the descriptor `number`, or of the working directory for FP_KEPT_DIRECTORY.
 * Returns 0 if an existing copy is shared, the descriptor of a new copy, or -errno: -EBADF if
 * `number` is closed. */
int fp_kept_fd_take(struct fp_kept_fds *set, int number, struct fp_kept_fd **kept);

/* Whether the number still refers to the open file, or the directory, that was copied. */
bool fp_kept_fd_is_current(const struct fp_kept_fd *kept);

/* Leaves NULL in *kept; does nothing if it is NULL already. */
void fp_kept_fd_release(struct fp_kept_fds *set, struct fp_kept_fd **kept);

/* Whether two descriptors refer to the same open file.  Also false where that cannot be determined. */
bool fp_kept_fd_is_same(int a, int b);

#endif
