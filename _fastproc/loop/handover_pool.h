/* SPDX-License-Identifier: MIT
 *
 * The handovers of a loop (posix/handover.h), with which starting a child costs
 * the same however many descriptors are open.
 */
#ifndef FP_LOOP_HANDOVER_POOL_H
#define FP_LOOP_HANDOVER_POOL_H

#include "loop/hub.h"

/* From this descriptor on, handing over the descriptors of a child costs less than copying the
 * table: tests/bench/NOTES.rst. */
enum { HANDOVER_POOL_SHARE_FROM = 1024 };

/* A handover for the next child, until it is returned; NULL if the child had better copy the table. */
const struct fp_handover *handover_pool_borrow(HubObject *hub);
/* Leaves NULL in *handover; does nothing if it is NULL.  Call when the child has received its
 * descriptors or is gone. */
void handover_pool_return(HubObject *hub, const struct fp_handover **handover);
void handover_pool_close(HubObject *hub);
/* Closes the handovers that no child uses.  Returns whether there were any. */
bool handover_pool_close_idle(HubObject *hub);

#endif
