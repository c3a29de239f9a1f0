/* SPDX-License-Identifier: MIT
 *
 * See woken.h.
 */
#include "loop/woken.h"

#include "loop/exceptions.h"
#include "loop/plain_loop.h"
#include "python/guard.h"

void wakeup_set(WakeupObject *self)
{
    HubObject *hub = self->hub;
    if (self->phase != WAKEUP_PENDING)
        return;
    self->phase = WAKEUP_DONE;
    if (self->callback == NULL && self->more == NULL)
        return;
    if (!hub->dispatching || self->in_order) {
        PyObject *raised = compat_take_exception();
        struct taken taken = wakeup_take_callbacks(self);
        int result = wakeup_call_back(self, &taken, false);
        hub_settle_exception(hub, (PyObject *)self);
        compat_raise(raised);
        if (result == 0)
            return;
    }
    Py_INCREF(self);
    if (hub->last_woken != NULL)
        hub->last_woken->next_woken = self;
    else
        hub->woken = self;
    hub->last_woken = self;
}

/* The first of the list, whose reference passes to the caller; NULL if there is none. */
static WakeupObject *take_woken(HubObject *hub)
{
    WakeupObject *self = hub->woken;
    if (self == NULL)
        return NULL;
    hub->woken = self->next_woken;
    if (hub->woken == NULL)
        hub->last_woken = NULL;
    self->next_woken = NULL;
    return self;
}

void wakeup_drop_woken(HubObject *hub)
{
    for (WakeupObject *self; (self = take_woken(hub)) != NULL;)
        Py_DECREF(self);
}

/* Whether tasks may be called from inside the loop's call of the hub, which saves them a turn of
 * the loop.  A task that runs the loop again would find the hub in the middle of that; so it is
 * only done on loops where that does not happen, and the loop is asked to call tasks that are woken
 * inside such a task. */
static bool may_call_now(HubObject *hub)
{
    PyObject *loop = hub->calling ? NULL : compat_weakref_target(hub->loop_ref);
    bool may = loop != NULL && plain_loop_may_be_skipped(hub, loop);
    Py_XDECREF(loop);
    return may;
}

static void call_woken(HubObject *hub, bool now)
{
    for (;;) {
        WakeupObject *self;
        struct taken taken = {0};
        GUARD_BEGIN(hub);
        self = take_woken(hub);
        if (self != NULL)
            taken = wakeup_take_callbacks(self);
        if (now &&
            hub->woken != NULL) /* the others are not to wait for a task that runs the loop */
            hub_ask_for_turn(hub);
        GUARD_END();
        if (self == NULL)
            return;
        if (wakeup_call_back(self, &taken, now) < 0) /* after an interrupt: nothing runs any more */
            hub_settle_exception(hub, (PyObject *)self);
        Py_DECREF(self);
    }
}

void wakeup_run_woken(HubObject *hub)
{
    bool any, now;
    GUARD_BEGIN(hub);
    any = hub->woken != NULL;
    now = any && may_call_now(hub);
    if (now)
        hub->calling = true;
    GUARD_END();
    if (!any)
        return;
    /* The loop cannot enter the context of its call of the hub twice. */
    PyObject *context = now ? compat_leave_context() : NULL;
    call_woken(hub, now);
    compat_enter_context_again(context);
    if (!now)
        return;
    GUARD_BEGIN(hub);
    hub->calling = false;
    GUARD_END();
}
