/* SPDX-License-Identifier: MIT
 *
 * See start_queue.h.
 */
#include "loop/start_queue.h"

#include "posix/fd_room.h"
#include "posix/processors.h"
#include "python/errors.h"

/* With so many free descriptors, those of starting children do not matter: of 24 children with three
 * pipes each it is 200, for a moment. */
enum { PLENTY = 512 };

int start_queue_default_width(void)
{
    return fp_starts_at_a_time(fp_processors());
}

int start_queue_narrow_width(void)
{
    return fp_least_starts_at_a_time(fp_processors());
}

/* Not where each start suspends the loop until the exec. */
static bool may_widen(const struct fp_state *state)
{
    return state->narrow_width < state->start_width && state->spawn_method == FP_SPAWN_CLONE &&
           !state->is_traced;
}

bool start_queue_gate_is_shut(HubObject *hub)
{
    const struct fp_state *state = hub->state;
    bool may_be_short = state->most_fds - hub->latest_fd < PLENTY;
    if (hub->starting < state->narrow_width)
        hub->wide_gate = false;
    else if (hub->starting == state->narrow_width || (hub->wide_gate && may_be_short))
        hub->wide_gate = may_widen(state) && fp_fd_has_room(PLENTY);
    return hub->starting >= (hub->wide_gate ? state->start_width : state->narrow_width);
}

bool start_queue_add(HubObject *hub, struct start_entry *entry, PyObject *owner,
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

void start_queue_remove(HubObject *hub, struct start_entry *entry)
{
    PyObject *owner = unlink_entry(hub, entry);
    if (owner == NULL)
        return;
    entry->ops->release(owner);
    Py_DECREF(owner);
}

/* Starts the first in the queue, or calls its fail().  False if it is back in the queue because there
 * are too few descriptors; with `at_last` only if children that are starting will release some. */
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

/* Makes all that are queued hold their descriptors again; fails those that cannot. */
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

void start_queue_start_all(HubObject *hub)
{
    for (struct start_entry *at = hub->queue; at != NULL; at = at->next)
        at->ops->let_go(at->owner);
    bool started = true;
    while (started && hub->queue != NULL && hub_is_alive(hub))
        started = start_first(hub, true, true);
    hold_again(hub);
}

void start_queue_run(HubObject *hub)
{
    bool started = true;
    while (started && hub->queue != NULL && !start_queue_gate_is_shut(hub) && hub_is_alive(hub))
        started = start_first(hub, false, false);
    if (!started && hub->starting == 0)
        start_queue_start_all(hub);
}

void start_queue_close(HubObject *hub, bool forked_off)
{
    while (hub->queue != NULL) {
        const struct start_ops *ops = hub->queue->ops;
        PyObject *owner = Py_NewRef(hub->queue->owner);
        start_queue_remove(hub, hub->queue);
        ops->loop_closed(owner, forked_off);
        Py_DECREF(owner);
    }
}
