/* SPDX-License-Identifier: MIT
 *
 * The handovers of a loop: what makes starting a child cost the same however many
 * descriptors are open (posix/handover.h).
 */
#ifndef FP_BINDING_HANDOVERS_H
#define FP_BINDING_HANDOVERS_H

#include "binding/hub.h"

/* One for the next child, until it is returned; NULL if the child had better copy the table. */
const struct fp_handover *handovers_borrow(HubObject *hub);
/* Leaves NULL behind; does nothing if that is there.  The child has received, or is no more. */
void handovers_return(HubObject *hub, const struct fp_handover **handover);
void handovers_close(HubObject *hub);
/* Those that no child uses.  Whether there were any. */
bool handovers_close_idle(HubObject *hub);

#endif
