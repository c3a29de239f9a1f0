/* SPDX-License-Identifier: MIT
 *
 * Descriptors, and the working directory, as they are now, for a child that is
 * started later: copies, which all children that wait share as long as the number
 * stands for the same open file.  So waiting costs next to no descriptors, which
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
    int number; /* of what; FP_KEPT_DIRECTORY */
    unsigned users;
    dev_t device; /* of the directory; of descriptors the copy itself tells */
    ino_t inode;
    uint64_t mount;
};

enum { FP_KEPT_DIRECTORY = -1 };

/* All that is kept for the children that wait: a list, empty if NULL. */
struct fp_kept_fds {
    struct fp_kept_fd *latest;
};

/* Holds the descriptor `number`, or FP_KEPT_DIRECTORY.  -errno; -EBADF if it is closed.  Else 0 if a copy
 * could be shared, or the number of a new one. */
int fp_kept_fd_take(struct fp_kept_fds *set, int number, struct fp_kept_fd **kept);

/* Whether the number still stands for what is kept. */
bool fp_kept_fd_is_current(const struct fp_kept_fd *kept);

/* Leaves NULL in *kept; does nothing if it is NULL already. */
void fp_kept_fd_release(struct fp_kept_fds *set, struct fp_kept_fd **kept);

/* Whether two descriptors stand for the same open file.  False also where that cannot be told. */
bool fp_kept_fd_is_same(int a, int b);

#endif
