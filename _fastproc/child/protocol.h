/* SPDX-License-Identifier: MIT
 *
 * The low level: what happens to a child, told to the SubprocessProtocol of who
 * called subprocess_exec().
 *
 * A protocol is called by the loop, never from inside one of our own calls, in
 * the order of the events and in a copy of the context of the create call.
 * Only pause_writing() and resume_writing() come at once, because they are
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
/* Tells connection_lost if the child is reaped and all its pipes are. */
void protocol_maybe_finish(TransportObject *self);

/* A pipe's events for its child's protocol. No exception: NULL. */
void protocol_tell_data(TransportObject *child, int number, PyObject *data);
void protocol_tell_lost(TransportObject *child, int number, PyObject *exception);
/* Calls the child's pause_writing() or resume_writing(): a new reference or NULL. */
PyObject *protocol_tell_flow(TransportObject *child, PyObject *name);

#endif
