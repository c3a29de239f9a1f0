/* SPDX-License-Identifier: MIT
 *
 * See gate.h.
 */
#include "binding/gate.h"

void gate_enqueue(HubObject *hub, TransportObject *transport)
{
    Py_INCREF(transport);
    transport->next_queued = NULL;
    if (hub->queued != NULL)
        hub->queued->next_queued = transport;
    else
        hub->queue = transport;
    hub->queued = transport;
}

void gate_dequeue(HubObject *hub, TransportObject *transport)
{
    TransportObject *before = NULL;
    for (TransportObject *at = hub->queue; at != NULL; before = at, at = at->next_queued) {
        if (at != transport)
            continue;
        if (before != NULL)
            before->next_queued = at->next_queued;
        else
            hub->queue = at->next_queued;
        if (hub->queued == at)
            hub->queued = before;
        at->next_queued = NULL;
        Py_DECREF(at);
        return;
    }
}

void gate_open(HubObject *hub)
{
    while (hub->queue != NULL && hub->starting < hub->state->gate && hub_is_alive(hub)) {
        TransportObject *transport = (TransportObject *)Py_NewRef((PyObject *)hub->queue);
        gate_dequeue(hub, transport);
        transport_start_queued(transport);
        hub_report((PyObject *)transport);
        Py_DECREF(transport);
    }
}
