/* SPDX-License-Identifier: MIT
 *
 * How the hub of a loop is found or made.
 */
#ifndef FP_LOOP_HUB_OF_LOOP_H
#define FP_LOOP_HUB_OF_LOOP_H

#include "loop/hub.h"

/* The hub of a loop, made if need be.  A new reference or NULL. */
HubObject *hub_of_loop(struct fp_state *state, PyObject *loop);

#endif
