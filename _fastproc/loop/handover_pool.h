/* SPDX-License-Identifier: MIT
 *
 * The handovers of a loop: what makes starting a child cost the same however many
 * descriptors are open (posix/handover.h).
 */
#ifndef FP_LOOP_HANDOVER_POOL_H
#define FP_LOOP_HANDOVER_POOL_H

#include "loop/hub.h"

/* The descriptor from which on it costs less to hand over what a child is to have than to copy
 * the table: tests/bench/NOTES.rst. */
enum { HANDOVER_POOL_SHARE_FROM = 1024 };

/* One for the next child, until it is returned; NULL if the child had better copy the table. */
const struct fp_handover *handover_pool_borrow(HubObject *hub);
/* Leaves NULL behind; does nothing if that is there.  The child has received, or is no more. */
void handover_pool_return(HubObject *hub, const struct fp_handover **handover);
void handover_pool_close(HubObject *hub);
/* Those that no child uses.  Whether there were any. */
bool handover_pool_close_idle(HubObject *hub);

#endif
