/* SPDX-License-Identifier: MIT
 *
 * Events whose handler makes no progress, so that they do not take all of a processor.
 */
#ifndef FP_LOOP_BACK_OFF_H
#define FP_LOOP_BACK_OFF_H

#include "loop/hub.h"

/* A descriptor is ready, but there is nothing to be done: a child has ended, say, and a tracer keeps its
 * status.  So that this does not occupy the loop, it is looked at again after a while. */
void back_off(HubObject *hub, uint64_t cookie);

#endif
