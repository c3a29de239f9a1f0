/* SPDX-License-Identifier: MIT
 *
 * What we ask of an event loop besides a hub's add_reader: a call in its next
 * turn, and a call of its exception handler.
 */
#ifndef FP_BINDING_LOOP_H
#define FP_BINDING_LOOP_H

#include "binding/hub.h"

/* The loop that tasks and futures are of: the given one, or the one that it stands for, if it is an object
 * that passes everything on to a loop.  A new reference; raises nothing. */
PyObject *loop_behind(struct fp_state *state, PyObject *loop);

/* Has the loop call callback(*args) in its next turn, in `context`.  0 or -1. */
int loop_call_soon(HubObject *hub, PyObject *context, PyObject *callback, PyObject *const *args,
                   size_t nargs);

/* Has the loop call callback(argument), or callback() if that is NULL, after so many seconds.  What
 * cancels that by its cancel(), or NULL. */
PyObject *loop_call_later(HubObject *hub, double seconds, PyObject *callback, PyObject *argument);

/* Whether it is closed or gone, or closing, which a hub sees only at the end of that. */
bool loop_is_over(HubObject *hub);

/* Has the loop call protocol.name(*args) in its next turn, in a copy of `context`, or of the current
 * one if that is NULL.  What goes wrong is reported as the transport's.  Does nothing without a
 * protocol, or once the loop is closed.  Raises nothing. */
void loop_call_protocol(HubObject *hub, PyObject *context, PyObject *transport, PyObject *protocol,
                        PyObject *name, PyObject *const *args, size_t nargs);

/* Takes the raised exception, if there is one, to the loop's exception handler, as asyncio does
 * with those of a protocol (borrowed; NULL: no protocol's); KeyboardInterrupt and SystemExit leave
 * the loop's call of the hub.  Raises nothing. */
void loop_report(HubObject *hub, const char *message, PyObject *transport, PyObject *protocol);

#endif
