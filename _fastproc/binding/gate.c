/* SPDX-License-Identifier: MIT
 *
 * See gate.h.
 */
#include "binding/gate.h"

#include "binding/errors.h"

bool gate_enqueue(HubObject *hub, struct start_entry *entry, PyObject *owner,
                  const struct start_ops *ops)
{
    if (!ops->hold(owner, false))
        return false;
    *entry = (struct start_entry){.owner = Py_NewRef(owner), .ops = ops};
    if (hub->queued != NULL)
        hub->queued->next = entry;
    else
        hub->queue = entry;
    hub->queued = entry;
    return true;
}

/* The reference that the queue had, or NULL if it is not in there. */
static PyObject *unlink_entry(HubObject *hub, struct start_entry *entry)
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
        PyObject *owner = at->owner;
        at->next = NULL;
        at->owner = NULL;
        return owner;
    }
    return NULL;
}

void gate_dequeue(HubObject *hub, struct start_entry *entry)
{
    PyObject *owner = unlink_entry(hub, entry);
    if (owner == NULL)
        return;
    entry->ops->release(owner);
    Py_DECREF(owner);
}

/* Starts the first in the queue, or has it fail.  False if it is back in the queue because there are
 * too few descriptors; `at_last` only if others that start are going to give some back. */
static bool start_first(HubObject *hub, bool sparingly, bool at_last)
{
    struct start_entry *entry = hub->queue;
    const struct start_ops *ops = entry->ops;
    PyObject *owner = unlink_entry(hub, entry);
    bool too_few = !ops->start(owner, sparingly);
    if (too_few && hub_is_alive(hub) && (hub->starting > 0 || !at_last)) {
        PyErr_Clear();
        *entry = (struct start_entry){.owner = owner, .ops = ops, .next = hub->queue};
        hub->queue = entry;
        if (hub->queued == NULL)
            hub->queued = entry;
        return false;
    }
    if (too_few)
        ops->fail(owner);
    ops->release(owner);
    hub_report(owner);
    Py_DECREF(owner);
    return true;
}

/* Those who cannot hold what they are to be started with any more fail. */
static void hold_again(HubObject *hub)
{
    struct start_entry *at = hub->queue;
    while (at != NULL && hub_is_alive(hub)) {
        const struct start_ops *ops = at->ops;
        if (ops->hold(at->owner, true)) {
            at = at->next;
            continue;
        }
        PyObject *owner = unlink_entry(hub, at);
        raise_errno(-EMFILE);
        ops->fail(owner);
        hub_report(owner);
        Py_DECREF(owner);
        at = hub->queue; /* anything may have happened */
    }
}

void gate_lift(HubObject *hub)
{
    for (struct start_entry *at = hub->queue; at != NULL; at = at->next)
        at->ops->let_go(at->owner);
    bool started = true;
    while (started && hub->queue != NULL && hub_is_alive(hub))
        started = start_first(hub, true, true);
    hold_again(hub);
}

void gate_open(HubObject *hub)
{
    bool started = true;
    while (started && hub->queue != NULL && hub->starting < hub->state->gate && hub_is_alive(hub))
        started = start_first(hub, false, false);
    if (!started && hub->starting == 0)
        gate_lift(hub);
}

void gate_close(HubObject *hub, bool forked_off)
{
    while (hub->queue != NULL) {
        const struct start_ops *ops = hub->queue->ops;
        PyObject *owner = Py_NewRef(hub->queue->owner);
        gate_dequeue(hub, hub->queue);
        ops->loop_closed(owner, forked_off);
        Py_DECREF(owner);
    }
}
