/* SPDX-License-Identifier: MIT
 *
 * Signals to the process group that a child leads, never to a later group with
 * the same id.
 *
 * A group may outlive its leader, and its id is free once it is empty.  Linux
 * 6.9 signals the group of a pidfd (PIDFD_SIGNAL_PROCESS_GROUP), which always
 * means that group.  Elsewhere kill() has to take the number, which is right
 * only as long as the leader is not reaped; so a caller that wants to signal
 * the group after the leader's exit leaves the leader unreaped until then.
 */
#ifndef FP_POSIX_GROUP_H
#define FP_POSIX_GROUP_H

#include "posix/exit.h"

/* Signals all processes of the group, zombies included.  0 or -errno; -ESRCH if the group is empty,
 * or if the leader was reaped and only kill() is available here. */
int fp_group_signal(const struct fp_exit *leader, int signum);

/* Whether the group can be signalled as long as leader->fd is open, also after the reap.  Also
 * false if the group is empty; it then stays empty. */
bool fp_group_outlives(const struct fp_exit *leader);

/* Whether the child, which must not be reaped, leads the group it is in. */
bool fp_group_is_led_by(const struct fp_exit *child);

#endif
