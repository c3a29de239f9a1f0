/* SPDX-License-Identifier: MIT
 *
 * Descriptors for a child that gets no copy of the parent's table of them.
 *
 * The kernel copies the table for every child, which takes longer the more
 * descriptors are open.  A child that is cloned with CLONE_FILES begins in the
 * parent's table, and leaves it at once for a new one that ends with a socket,
 * from which it receives its descriptors (child.c).  The message is sent before
 * the clone and refers to open files, so the parent may close and replace its
 * descriptors from then on, as if they had been copied; the child's get the
 * lowest free numbers.
 *
 * One child at a time uses a handover, or it might receive another's descriptors.
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

/* Sends at most FP_HANDOVER_MOST descriptors, and keeps them open.  0 or -errno, -EBADF if one of
 * them is closed. */
int fp_handover_send(const struct fp_handover *handover, const int *fds, int count);
/* Closes the descriptors that were sent and never received, if any.  0 or -errno; after -errno the
 * handover must not be used again. */
int fp_handover_take_back(const struct fp_handover *handover);

#endif
