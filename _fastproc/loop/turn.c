/* SPDX-License-Identifier: MIT
 *
 * See turn.h.
 *
 * Callbacks may run any Python code, so the dispatcher holds a reference to each
 * owner while it is called, and looks every event's slot up anew.
 */
#include "loop/turn.h"

#include "loop/back_off.h"
#include "loop/exceptions.h"
#include "loop/start_queue.h"
#include "loop/watch.h"
#include "loop/woken.h"
#include "posix/clock.h"
#include "python/guard.h"

enum {
    EVENTS_PER_TURN = 64, /* then the loop's other work has its turn */
    PULLS_PER_TURN = 8,   /* reads out of turn, without waiting */
    PULLS_NS = 1000000,   /* none later than this in a turn, so that other tasks have theirs */
};

static void dispatch(HubObject *hub, const struct fp_event *event)
{
    struct hub_slot *slot = hub_find_slot(hub, event->cookie);
    if (slot == NULL)
        return; /* removed since, by an earlier event of this batch */
    PyObject *owner = Py_NewRef(slot->owner);
    bool progress = slot->ops->ready(owner, event->ready);
    hub_settle_exception(hub, owner);
    if (!progress) {
        back_off(hub, event->cookie);
        hub_settle_exception(hub, owner);
    }
    Py_DECREF(owner);
}

/* If a single descriptor is registered, the loop calls for that one; if that guess is wrong, the
 * owner may find it out.  True with its event. */
static bool guess_event(const HubObject *hub, struct fp_event *event)
{
    if (!hub->state->shortcuts || hub->slots_used != 1)
        return false;
    const struct hub_slot *slot = &hub->slots[hub->latest_slot];
    *event = (struct fp_event){hub_cookie(hub, hub->latest_slot), FP_READABLE};
    return slot->owner != NULL && slot->ops->finds_out;
}

static void dispatch_all(HubObject *hub)
{
    struct fp_event events[EVENTS_PER_TURN];
    if (!COMPAT_HAS_GIL)
        hub->thread = PyThread_get_thread_ident();
    int count =
        guess_event(hub, events) ? 1 : fp_poller_wait(&hub->poller, events, EVENTS_PER_TURN);
    hub->dispatching = true;
    hub->pulls = hub->state->shortcuts ? PULLS_PER_TURN : 0;
    hub->pulls_until = fp_clock_ns() + PULLS_NS;
    for (int i = 0; i < count && hub_is_alive(hub); i++)
        dispatch(hub, &events[i]);
    if (hub_is_alive(hub))
        start_queue_run(hub);
    hub->dispatching = false;
}

PyObject *hub_turn(HubObject *hub)
{
    if (!hub_is_alive(hub))
        Py_RETURN_NONE;
    PyObject *interrupt;
    bool nested = hub->in_turn;
    Py_INCREF(hub);
    GUARD_BEGIN(hub);
    hub->in_turn = true;
    hub->turn++;
    dispatch_all(hub);
    GUARD_END();
    wakeup_run_woken(hub); /* without the guard, which the tasks take themselves */
    GUARD_BEGIN(hub);
    hub_ask_for_rest(hub);
    hub->in_turn = nested;
    interrupt = hub_take_interrupt(hub);
    GUARD_END();
    Py_DECREF(hub);
    if (interrupt == NULL)
        Py_RETURN_NONE;
    compat_raise(interrupt);
    return NULL;
}

PyObject *hub_turn_asked_for(HubObject *hub)
{
    PyObject *interrupt;
    GUARD_BEGIN(hub);
    hub->turn_asked = false;
    GUARD_END();
    wakeup_run_woken(hub); /* the tasks left over by one that runs this turn of the loop */
    GUARD_BEGIN(hub);
    hub_rest(hub);
    interrupt = hub->in_turn ? NULL : hub_take_interrupt(hub);
    GUARD_END();
    if (interrupt != NULL) {
        PyErr_Clear();
        compat_raise(interrupt);
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}
