/* SPDX-License-Identifier: MIT
 *
 * The gate: only so many children of one loop are between clone and exec at a
 * time, the others queue.  Without it a burst of children takes the processors
 * away from the loop.
 */
#ifndef FP_BINDING_GATE_H
#define FP_BINDING_GATE_H

#include "binding/transport.h"

/* Starts queued children as far as the gate allows. */
void gate_open(HubObject *hub);

/* The queue has a reference to each. */
void gate_enqueue(HubObject *hub, TransportObject *transport);
/* Does nothing if it is not in the queue. */
void gate_dequeue(HubObject *hub, TransportObject *transport);

#endif
