/* SPDX-License-Identifier: MIT
 *
 * What we ask of an event loop: the only file that calls its methods, except for
 * the question in plain_loop.c.  Also what becomes of exceptions that nobody awaits:
 * those that end a loop have to leave a call that the loop makes, so the loop is
 * asked for one.
 */
#ifndef FP_LOOP_LOOP_METHODS_H
#define FP_LOOP_LOOP_METHODS_H

#include "loop/hub.h"

/* The loop that tasks and futures are of: the given one, or the one that it stands for, if it is an object
 * that passes everything on to a loop.  A new reference; raises nothing. */
PyObject *loop_behind(struct fp_state *state, PyObject *loop);

/* Has the loop call callback(*args) in its next turn, in `context`.  0 or -1. */
int loop_call_soon(HubObject *hub, PyObject *context, PyObject *callback, PyObject *const *args,
                   size_t nargs);

/* Has the loop call callback(argument), or callback() if that is NULL, after so many seconds.  What
 * cancels that by its cancel(), or NULL. */
PyObject *loop_call_later(HubObject *hub, double seconds, PyObject *callback, PyObject *argument);

/* A future of the loop's: a new reference or NULL. */
PyObject *loop_create_future(struct fp_state *state, PyObject *loop);

/* Has the loop call `callback` when the descriptor is readable, and forget it.  0 or -1. */
int loop_add_reader(struct fp_state *state, PyObject *loop, PyObject *fd, PyObject *callback);
int loop_remove_reader(struct fp_state *state, PyObject *loop, PyObject *fd);

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

/* The context that the loop is to call the hub in.  A plain loop gets an empty one, because it would
 * keep the context of the task that happened to start the first child.  Another loop may be found by
 * its context, so it gets None, which stands for a copy of the present one, as with asyncio's
 * transports.  A new reference, or NULL. */
PyObject *loop_context_to_keep(const HubObject *hub);

/* Has the loop call in its next turn, to rest or for what is left to be called or raised. */
void hub_ask_for_turn(HubObject *hub);

/* Puts the raised exception, if there is one, where it belongs: KeyboardInterrupt and SystemExit
 * leave the loop's call of the hub, the one under way or another that it is asked for; anything else
 * is reported as nobody's. */
void hub_settle_exception(HubObject *hub, PyObject *about);

/* Keeps the raised exception for that call, and takes it: a reference, or NULL. */
void hub_keep_interrupt(HubObject *hub);
PyObject *hub_take_interrupt(HubObject *hub);

/* Raises an exception that is kept, for others to raise as well; the hub may be NULL. */
void hub_raise_kept(const HubObject *hub, PyObject *kept);

#endif
