/* SPDX-License-Identifier: MIT
 *
 * Whether a debugger traces this process, and how many descriptors it may open.
 * Both may change at any time, but are looked at only now and then, because to ask
 * costs more than it is worth for each child.
 */
#ifndef FP_CHILD_TRACER_AND_LIMIT_H
#define FP_CHILD_TRACER_AND_LIMIT_H

#include "python/state.h"

/* Looks, if that is long ago: before a child is started. */
void tracer_and_limit_look(struct fp_state *state);

/* The descriptor from which on the table is nearly full, and to be left to the rest of the program. */
int limit_spare_from(const struct fp_state *state);

/* Looks at the limit of descriptors at once, for those who were about to be told that there are too few.
 * Whether it is another than before. */
bool limit_has_changed(struct fp_state *state);

#endif
