/* SPDX-License-Identifier: MIT
 *
 * Finds out that a loop is closed: while a hub is awake, the loop's close() is
 * replaced by a function that calls the loop's own and then ends the hub.
 *
 * The references that a loop drops when it closes do not show that in time.  A
 * traceback holds the handle of the callback that has raised SystemExit, and a
 * loop of the user's may keep whatever it was given.
 */
#ifndef FP_LOOP_CLOSE_WATCH_H
#define FP_LOOP_CLOSE_WATCH_H

#include "loop/hub.h"

/* A loop on which no attribute can be set, or that has a close() set by somebody else, is left as
 * it is; its hub ends when the loop drops the token.  Raises nothing. */
void close_watch_begin(HubObject *hub, PyObject *loop);

/* Gives the loop back the close() that it had.  Raises nothing. */
void close_watch_end(HubObject *hub, PyObject *loop);

#endif
