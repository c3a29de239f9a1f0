/* SPDX-License-Identifier: MIT
 *
 * The kernel's readiness queue (epoll; kqueue can stand behind the same calls).
 * A poller is itself a descriptor that is readable while events are pending,
 * which is how a whole hub of children hangs on one registration in a loop.
 *
 * Remove a descriptor before closing it: an epoll registration belongs to the
 * open file description, and a child between clone and exec holds a copy.
 */
#ifndef FP_POSIX_POLLER_H
#define FP_POSIX_POLLER_H

#include <stdint.h>

enum fp_interest {
    FP_WANT_NOTHING = 0, /* errors and hang-up only */
    FP_WANT_READ = 1,
    FP_WANT_WRITE = 2,
};

enum fp_readiness {
    FP_READABLE = 1,
    FP_WRITABLE = 2,
    FP_HANGUP = 4, /* the other side has no writer any more */
    FP_BROKEN = 8, /* the other side has no reader any more, or an error */
};

struct fp_poller {
    int fd;
};

struct fp_event {
    uint64_t cookie; /* as given to add() */
    unsigned ready;  /* of enum fp_readiness */
};

/* All return 0 or -errno; fp_poller_wait() returns the number of events instead of 0. */
int fp_poller_open(struct fp_poller *poller);
int fp_poller_add(struct fp_poller *poller, int fd, unsigned interest, uint64_t cookie);
int fp_poller_modify(struct fp_poller *poller, int fd, unsigned interest, uint64_t cookie);
int fp_poller_remove(struct fp_poller *poller, int fd);
/* Never waits: fills in at most `room` events that are pending now. */
int fp_poller_wait(struct fp_poller *poller, struct fp_event *events, int room);
void fp_poller_close(struct fp_poller *poller);

#endif
