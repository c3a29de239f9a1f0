/* SPDX-License-Identifier: MIT
 *
 * The exception of a child that could not be started: its type, errno and filename.
 */
#ifndef FP_CHILD_SPAWN_ERROR_H
#define FP_CHILD_SPAWN_ERROR_H

#include "child/spawn_plan.h"

/* Raises what subprocess raises for plan->error. */
void spawn_error_raise(struct fp_state *state, const struct spawn_plan *plan);

#endif
