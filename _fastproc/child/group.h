/* SPDX-License-Identifier: MIT
 *
 * The process group that a child leads: signals to it, also when the child has
 * exited and others of the group have not.
 *
 * After the exit the transport keeps the pidfd as long as the group has
 * members. Where the kernel cannot signal a group by a pidfd (before Linux
 * 6.9), a caller that is going to do so has to hold the group from before the
 * exit: then the exit is seen, with its returncode, but the child stays a
 * zombie until the group is let go, because a zombie keeps the group's id from
 * being used again.
 */
#ifndef FP_CHILD_GROUP_H
#define FP_CHILD_GROUP_H

#include "child/transport.h"

/* Called by transport_new(): reads from the plan whether the child leads a group. */
void group_begin(TransportObject *self);

/* 0, or -1 with ValueError, ProcessLookupError or another OSError. */
int group_signal(TransportObject *self, int signum);
/* Kills the whole group, if the child leads one.  Raises nothing. */
void group_kill(TransportObject *self);

/* To be called before the reap: whether there is a group that could not be signalled after it. */
bool group_needs_leader(TransportObject *self);
/* To be called instead of the reap; sets the status as fp_exit_peek() does. */
enum fp_reap group_peek(TransportObject *self, struct fp_exit_status *status);
/* To be called after either: closes the pidfd, unless the group needs it. */
void group_leader_has_exited(TransportObject *self);
/* Reaps a child that was left a zombie. */
void group_let_go(TransportObject *self);

/* Methods of Process. */
PyObject *process_signal_group(PyObject *process, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *names);
PyObject *process_hold_group(PyObject *process, PyObject *hold);

#endif
