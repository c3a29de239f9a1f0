/* SPDX-License-Identifier: MIT
 *
 * See gate.h.
 */
#include "binding/gate.h"

void gate_enqueue(HubObject *hub, struct start_entry *entry, PyObject *owner,
                  const struct start_ops *ops)
{
    *entry = (struct start_entry){.owner = Py_NewRef(owner), .ops = ops};
    if (hub->queued != NULL)
        hub->queued->next = entry;
    else
        hub->queue = entry;
    hub->queued = entry;
}

void gate_dequeue(HubObject *hub, struct start_entry *entry)
{
    struct start_entry *before = NULL;
    for (struct start_entry *at = hub->queue; at != NULL; before = at, at = at->next) {
        if (at != entry)
            continue;
        if (before != NULL)
            before->next = at->next;
        else
            hub->queue = at->next;
        if (hub->queued == at)
            hub->queued = before;
        at->next = NULL;
        Py_CLEAR(at->owner);
        return;
    }
}

/* Takes the first out: a new reference to its owner. */
static PyObject *take_first(HubObject *hub, const struct start_ops **ops)
{
    PyObject *owner = Py_NewRef(hub->queue->owner);
    *ops = hub->queue->ops;
    gate_dequeue(hub, hub->queue);
    return owner;
}

void gate_open(HubObject *hub)
{
    const struct start_ops *ops;
    while (hub->queue != NULL && hub->starting < hub->state->gate && hub_is_alive(hub)) {
        PyObject *owner = take_first(hub, &ops);
        ops->start(owner);
        hub_report(owner);
        Py_DECREF(owner);
    }
}

void gate_close(HubObject *hub, bool forked_off)
{
    const struct start_ops *ops;
    while (hub->queue != NULL) {
        PyObject *owner = take_first(hub, &ops);
        ops->loop_closed(owner, forked_off);
        Py_DECREF(owner);
    }
}
