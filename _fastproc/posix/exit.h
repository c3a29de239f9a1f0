/* SPDX-License-Identifier: MIT
 *
 * The exit of a child: noticing it, taking its status, and sending signals
 * before it, to that child and never to a later process with the same pid.
 *
 * There are three rungs, the best first.  (1) A pidfd is readable once the
 * child has exited, and both waitid() and pidfd_send_signal() go through it.
 * (2) When the status was taken by somebody else, or SIGCHLD is ignored,
 * PIDFD_GET_INFO still knows it from Linux 6.15 on.  (3) Without pidfds a
 * thread per child waits, without reaping, and makes a pipe readable, so the
 * poller sees a descriptor in every case.
 */
#ifndef FP_POSIX_EXIT_H
#define FP_POSIX_EXIT_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

enum fp_exit_mode {
    FP_EXIT_AUTO,       /* the best rung that this kernel has */
    FP_EXIT_PIDFD_ONLY, /* rung 1 without 2 */
    FP_EXIT_THREAD,     /* rung 3 */
};

struct fp_exit {
    pid_t pid;
    int fd;        /* readable once the child has exited; -1 after the reap */
    bool is_pidfd; /* fd is a pidfd, not a pipe */
    bool may_ask;  /* rung 2 is allowed */
    bool reaped;   /* the pid is not ours any more */
    bool has_waiter;
    pthread_t waiter; /* rung 3 */
};

struct fp_exit_status {
    int returncode; /* the exit code, or -N for signal N */
    struct rusage usage;
};

enum fp_reap {
    FP_REAP_RUNNING, /* not exited */
    FP_REAP_DONE,    /* status and usage are filled in */
    FP_REAP_INFO,    /* somebody else reaped; status from rung 2, usage zero */
    FP_REAP_LOST,    /* somebody else reaped, and the status is gone */
};

/* Watches the child `pid`; `pidfd` is a pidfd of it or -1, and is owned by this from now on, also
 * on failure.  0 or -errno; on failure fp_exit_destroy() still works. */
int fp_exit_watch(struct fp_exit *child, pid_t pid, int pidfd, enum fp_exit_mode mode);

/* 0 or -errno; -ESRCH after the reap, 0 for a child that has exited but was not reaped. */
int fp_exit_signal(const struct fp_exit *child, int signum);

/* Takes the status if there is one; never waits.  Does not close fd. */
enum fp_reap fp_exit_reap(struct fp_exit *child, struct fp_exit_status *status);

/* The same, but waits up to *milliseconds for the exit, and subtracts the time that it has waited. */
enum fp_reap fp_exit_reap_within(struct fp_exit *child, struct fp_exit_status *status,
                                 int *milliseconds);

/* Returns what fp_exit_reap() would, without taking the status; no usage. */
enum fp_reap fp_exit_peek(const struct fp_exit *child, int *returncode);

/* Kills the child and waits for its end; for a child that must not outlive this call.
 * Gives up after some seconds on a child that cannot be killed (-ETIMEDOUT, -EPERM).
 * -ESRCH if it was reaped before.  Else fills in status and returns 0.  Closes fd. */
int fp_exit_destroy(struct fp_exit *child, struct fp_exit_status *status);

/* Whether this kernel can report a status that other code took (found out by trying). */
bool fp_exit_has_info(void);
bool fp_exit_has_pidfd(void);

#endif
