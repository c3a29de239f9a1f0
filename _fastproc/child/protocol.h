/* SPDX-License-Identifier: MIT
 *
 * The low level: reports what happens to a child to the SubprocessProtocol of
 * the caller of subprocess_exec().
 *
 * A protocol is called by the loop, never from inside one of our own calls, in
 * the order of the events and in a copy of the context of the create call. Only
 * pause_writing() and resume_writing() are called at once, because they are
 * about this moment.
 *
 * A Process made by create_subprocess_exec() has no protocol: its streams are
 * fed in C, and none of this is reached.
 */
#ifndef FP_CHILD_PROTOCOL_H
#define FP_CHILD_PROTOCOL_H

#include "child/transport.h"

/* The child has exec'd and its pipes are connected. */
void protocol_connection_made(TransportObject *self);
void protocol_process_exited(TransportObject *self);
/* Calls connection_lost() if the child is reaped and all its pipes have ended. */
void protocol_maybe_finish(TransportObject *self);

/* Report a pipe's events to its child's protocol.  `exception` is NULL if there is none. */
void protocol_tell_data(TransportObject *child, int number, PyObject *data);
void protocol_tell_lost(TransportObject *child, int number, PyObject *exception);
/* Calls the child's pause_writing() or resume_writing(): a new reference or NULL. */
PyObject *protocol_tell_flow(TransportObject *child, PyObject *name);

#endif
