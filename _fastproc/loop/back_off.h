/* SPDX-License-Identifier: MIT
 *
 * Delays events whose handler makes no progress, because they would take all of a
 * processor.
 */
#ifndef FP_LOOP_BACK_OFF_H
#define FP_LOOP_BACK_OFF_H

#include "loop/hub.h"

/* A descriptor is ready, but there is nothing to do: a child has exited, for example, and a tracer keeps
 * its status.  The descriptor is looked at again after a while, because it would keep the loop busy. */
void back_off(HubObject *hub, uint64_t cookie);

#endif
