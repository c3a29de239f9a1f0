/* SPDX-License-Identifier: MIT
 *
 * The calls of an event loop's methods: all of them but get_debug(), which
 * plain_loop.c calls.
 */
#ifndef FP_LOOP_LOOP_METHODS_H
#define FP_LOOP_LOOP_METHODS_H

#include "loop/hub.h"

/* The loop that tasks and futures belong to: the given one, or, if that is an object that passes
 * everything on to a loop, the loop behind it.  A new reference; raises nothing. */
PyObject *loop_behind(struct fp_state *state, PyObject *loop);

/* Makes the loop call callback(*args) in its next turn, in `context`.  0 or -1. */
int loop_call_soon(HubObject *hub, PyObject *context, PyObject *callback, PyObject *const *args,
                   size_t nargs);

/* Makes the loop call callback(argument), or callback() if `argument` is NULL, after so many
 * seconds.  Returns the handle, whose cancel() cancels that, or NULL. */
PyObject *loop_call_later(HubObject *hub, double seconds, PyObject *callback, PyObject *argument);

/* A future of the loop's: a new reference or NULL. */
PyObject *loop_create_future(struct fp_state *state, PyObject *loop);

/* Makes the loop call `callback` when the descriptor is readable; makes it forget that.  0 or -1. */
int loop_add_reader(struct fp_state *state, PyObject *loop, PyObject *fd, PyObject *callback);
int loop_remove_reader(struct fp_state *state, PyObject *loop, PyObject *fd);

/* The context that the loop is to call the hub in.  A plain loop gets an empty one, because it
 * would keep the context of the task that happened to start the first child.  Another loop may be
 * looked up by the context, so it gets None, which stands for a copy of the current one, as with
 * asyncio's transports.  A new reference, or NULL. */
PyObject *loop_context_to_keep(const HubObject *hub);

/* Whether the loop is closed or gone: 0 or 1, or -1 with what its method raised. */
int loop_is_closed(HubObject *hub);

/* Calls the loop's exception handler.  0 or -1. */
int loop_call_exception_handler(HubObject *hub, PyObject *context);

#endif
