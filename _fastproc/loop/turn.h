/* SPDX-License-Identifier: MIT
 *
 * A hub's part in a turn of its loop: events are dispatched, queued children are
 * started, and the tasks that were woken are called.
 */
#ifndef FP_LOOP_TURN_H
#define FP_LOOP_TURN_H

#include "loop/hub.h"

/* The loop's call: dispatches what is ready, starts queued children, calls woken tasks.  None, or
 * NULL with KeyboardInterrupt or SystemExit. */
PyObject *hub_turn(HubObject *hub);

/* The call that hub_ask_for_turn() asked for: rests, calls the woken tasks that are left, raises a
 * kept exception.  Returns the same as hub_turn(). */
PyObject *hub_turn_asked_for(HubObject *hub);

#endif
