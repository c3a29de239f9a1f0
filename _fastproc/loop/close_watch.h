/* SPDX-License-Identifier: MIT
 *
 * Learns of the end of a loop from the loop itself: while a hub is awake, the
 * loop's close() is one that calls the loop's own and then ends the hub.
 *
 * What a loop drops when it closes does not tell of it in time.  A traceback holds the
 * handle of the callback that has raised SystemExit, and a loop of the user's may
 * keep whatever it was given.
 */
#ifndef FP_LOOP_CLOSE_WATCH_H
#define FP_LOOP_CLOSE_WATCH_H

#include "loop/hub.h"

/* A loop on which no attribute can be set, or that has a close() set by somebody else, is left as it
 * is; its hub ends when it drops the token.  Raises nothing. */
void close_watch_begin(HubObject *hub, PyObject *loop);

/* Gives the loop back the close() that it had.  Raises nothing. */
void close_watch_end(HubObject *hub, PyObject *loop);

#endif
