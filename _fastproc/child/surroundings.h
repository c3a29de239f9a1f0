/* SPDX-License-Identifier: MIT
 *
 * What is around this process and may change at any time, but is looked at only
 * now and then, as it costs more than it is worth for each child.
 */
#ifndef FP_CHILD_SURROUNDINGS_H
#define FP_CHILD_SURROUNDINGS_H

#include "python/state.h"

/* Looks, if that is long ago: before a child is started. */
void surroundings_look(struct fp_state *state);

/* The descriptor from which on the table is nearly full, and to be left to the rest of the program. */
int surroundings_spare_from(const struct fp_state *state);

/* Looks at the limit of descriptors at once, for those who were about to be told that there are too few.
 * Whether it is another than before. */
bool surroundings_limit_has_changed(struct fp_state *state);

#endif
