/* SPDX-License-Identifier: MIT
 *
 * See group.h.
 */
#include "posix/group.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

/* Kernel facts that the C library of an old distribution does not name. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef NSIG
#define NSIG 65
#endif
enum { TO_GROUP = 1 << 2 }; /* PIDFD_SIGNAL_PROCESS_GROUP */

/* 0 or -errno; -EINVAL before Linux 6.9, -ENOSYS where there is no pidfd. */
static int signal_by_pidfd(const struct fp_exit *leader, int signum)
{
#ifdef __linux__
    if (leader->is_pidfd && leader->may_ask && leader->fd >= 0) {
        long result = syscall(SYS_pidfd_send_signal, leader->fd, signum, NULL, TO_GROUP);
        return result < 0 ? -errno : 0;
    }
#endif
    (void)leader;
    (void)signum;
    return -ENOSYS;
}

/* Whether the pid, and so the group's id, is still the child's. */
static bool is_unreaped(const struct fp_exit *child)
{
    int unused;
    if (child->reaped || child->pid <= 0)
        return false;
    enum fp_reap reap = fp_exit_peek(child, &unused);
    return reap == FP_REAP_RUNNING || reap == FP_REAP_DONE;
}

static bool is_signal(int signum)
{
    return signum >= 0 && signum < NSIG;
}

int fp_group_signal(const struct fp_exit *leader, int signum)
{
    int err = signal_by_pidfd(leader, signum);
    /* EINVAL may be about the signal, EPERM not a sandbox's: then kill() gives the same error. */
    if (err != -ENOSYS && err != -EINVAL && err != -EPERM)
        return err;
    if (!is_unreaped(leader)) /* EINVAL is about the flag if there is such a signal */
        return err == -ENOSYS || (err == -EINVAL && is_signal(signum)) ? -ESRCH : err;
    return kill(-leader->pid, signum) < 0 ? -errno : 0;
}

bool fp_group_outlives(const struct fp_exit *leader)
{
    return signal_by_pidfd(leader, 0) == 0;
}

bool fp_group_is_led_by(const struct fp_exit *child)
{
    return is_unreaped(child) && getpgid(child->pid) == child->pid;
}
