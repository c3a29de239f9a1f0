/* SPDX-License-Identifier: MIT
 *
 * The process group that a child leads: signals to it, also when the child has
 * exited and others of the group have not.
 *
 * After the exit the transport keeps the pidfd as long as the group has
 * members. Where the kernel cannot signal a group by a pidfd (before Linux
 * 6.9), a caller that is going to do so has to hold the group from before the
 * exit: the child is then seen to have exited, with its returncode, but stays a
 * zombie, so that the group's id stays its own, until the group is let go.
 */
#ifndef FP_CHILD_GROUP_H
#define FP_CHILD_GROUP_H

#include "child/transport.h"

/* In transport_new(): what the plan says of it. */
void group_begin(TransportObject *self);

/* 0, or -1 with ValueError, ProcessLookupError or another OSError. */
int group_signal(TransportObject *self, int signum);
/* Kills all of it, if the child leads one.  Raises nothing. */
void group_kill(TransportObject *self);

/* Before the reap: whether there is a group that could not be reached after it. */
bool group_needs_leader(TransportObject *self);
/* Instead of the reap; the status as by fp_exit_peek(). */
enum fp_reap group_peek(TransportObject *self, struct fp_exit_status *status);
/* After either: closes the pidfd, unless it is needed. */
void group_leader_has_exited(TransportObject *self);
/* Reaps a child that was left a zombie. */
void group_let_go(TransportObject *self);

/* Methods of Process. */
PyObject *process_signal_group(PyObject *process, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *names);
PyObject *process_hold_group(PyObject *process, PyObject *hold);

#endif
