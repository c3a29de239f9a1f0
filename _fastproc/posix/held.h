/* SPDX-License-Identifier: MIT
 *
 * Descriptors, and the working directory, as they are now, for a child that is
 * started later: copies, which all children that wait share as long as the number
 * stands for the same open file.  So waiting costs next to no descriptors, which
 * are scarcer than processes where the limit is 1,024.
 */
#ifndef FP_POSIX_HELD_H
#define FP_POSIX_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fp_held {
    struct fp_held *next;
    int fd;     /* the copy */
    int number; /* of what; FP_HELD_DIRECTORY */
    unsigned users;
    dev_t device; /* of the directory; of descriptors the copy itself tells */
    ino_t inode;
    uint64_t mount;
};

enum { FP_HELD_DIRECTORY = -1 };

/* All that is held for the children that wait: a list, empty if NULL. */
struct fp_held_set {
    struct fp_held *latest;
};

/* Holds the descriptor `number`, or FP_HELD_DIRECTORY.  -errno; -EBADF if it is closed.  Else 0 if a copy
 * could be shared, or the number of a new one. */
int fp_held_take(struct fp_held_set *set, int number, struct fp_held **held);

/* Whether the number still stands for what is held. */
bool fp_held_is_current(const struct fp_held *held);

/* Leaves NULL in *held; does nothing if it is NULL already. */
void fp_held_release(struct fp_held_set *set, struct fp_held **held);

/* Whether two descriptors stand for the same open file.  False also where that cannot be told. */
bool fp_held_is_same(int a, int b);

#endif
