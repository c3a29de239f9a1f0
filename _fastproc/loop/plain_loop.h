/* SPDX-License-Identifier: MIT
 *
 * Which loops are plain: exactly asyncio's selector loop or uvloop's, if none of
 * the methods that run it has been replaced.
 *
 * A hub takes shortcuts on plain loops alone, because others may do what it does
 * not expect: run themselves again inside a task (nest_asyncio), or be found by
 * the context of the caller (trio-asyncio).
 */
#ifndef FP_LOOP_PLAIN_LOOP_H
#define FP_LOOP_PLAIN_LOOP_H

#include "loop/hub.h"

/* Whether a loop's class is one of these two, unchanged.  Raises nothing. */
bool plain_loop_by_class(struct fp_state *state, PyObject *loop);

/* Whether the hub's loop is plain.  Raises nothing. */
bool plain_loop(HubObject *hub, PyObject *loop);

/* Whether the hub may call tasks itself, from inside the loop's call: on a plain loop that is not in
 * debug mode, in which a loop times its callbacks and names them.  Cheap, because it is asked whenever
 * tasks are woken: the answer is remembered until a class changes or the loop has more attributes. */
bool plain_loop_may_be_skipped(HubObject *hub, PyObject *loop);

#endif
