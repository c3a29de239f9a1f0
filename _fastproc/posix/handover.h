/* SPDX-License-Identifier: MIT
 *
 * Descriptors for a child that gets no copy of the parent's table of them.
 *
 * The kernel copies the table for every child, which takes the longer the more is
 * open.  A child that is cloned with CLONE_FILES begins in the parent's own, and
 * leaves it at once for a new one that ends behind a socket; from that it receives
 * what it is to have (child.c).  The message was sent before the clone, and refers
 * to open files: so the parent may close and replace its descriptors from then on,
 * as if they had been copied, and the child's are the lowest that are free.
 *
 * One child at a time uses a handover, or it might receive what is another's.
 */
#ifndef FP_POSIX_HANDOVER_H
#define FP_POSIX_HANDOVER_H

struct fp_handover {
    int ours, childs; /* the two ends of a socket pair */
};

/* 0 or -errno. */
int fp_handover_open(struct fp_handover *handover);
void fp_handover_close(struct fp_handover *handover);

enum { FP_HANDOVER_MOST = 5 };

/* Sends at most so many; the parent keeps its own.  0 or -errno, -EBADF if one of them is closed. */
int fp_handover_send(const struct fp_handover *handover, const int *fds, int count);
/* Closes what was sent and never received, if there is anything.  0; or -errno, and then it is not
 * to be used again. */
int fp_handover_take_back(const struct fp_handover *handover);

#endif
