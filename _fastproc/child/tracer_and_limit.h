/* SPDX-License-Identifier: MIT
 *
 * Whether a debugger traces this process, and how many descriptors it may open.
 * Both may change at any time, but are looked at only now and then, because
 * looking before each child would cost more than it is worth.
 */
#ifndef FP_CHILD_TRACER_AND_LIMIT_H
#define FP_CHILD_TRACER_AND_LIMIT_H

#include "python/state.h"

/* To be called before a child is started: looks, if the last look is long ago. */
void tracer_and_limit_look(struct fp_state *state);

/* The table counts as nearly full from this descriptor on; the rest is left to the program. */
int limit_spare_from(const struct fp_state *state);

/* Looks at the limit of descriptors now, before an error says that there are too few.  Whether it
 * has changed. */
bool limit_has_changed(struct fp_state *state);

#endif
