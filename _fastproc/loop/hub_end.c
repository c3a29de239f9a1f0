/* SPDX-License-Identifier: MIT
 *
 * See hub_end.h.  A hub ends when its loop's close() has been called (close_watch.h);
 * a loop that is collected without that drops the token (hub_type.c).
 */
#include "loop/hub_end.h"

#include "loop/handover_pool.h"
#include "loop/start_queue.h"
#include "loop/woken.h"

/* Tells the owners that there is no loop any more. */
static void tell_owners(HubObject *hub, bool forked_off)
{
    for (int slot = 0; slot < hub->slot_count; slot++) {
        if (hub->slots[slot].owner == NULL)
            continue;
        PyObject *owner = Py_NewRef(hub->slots[slot].owner);
        hub->slots[slot].ops->loop_closed(owner, forked_off);
        hub_report(owner);
        Py_DECREF(owner);
    }
}

void hub_end(HubObject *hub)
{
    if (hub->closed)
        return;
    bool forked_off = hub_is_forked_off(hub);
    PyObject *raised = compat_take_exception();
    hub_unlist(hub);
    PyErr_Clear();
    hub->closed = true;
    hub->token = NULL;
    if (COMPAT_HAS_GIL && hub->state->last_hub == hub)
        hub->state->last_hub = NULL;
    start_queue_close(hub, forked_off);
    tell_owners(hub, forked_off);
    if (!hub->dispatching)
        wakeup_drop_woken(hub);
    handover_pool_close(hub);
    fp_poller_close(&hub->poller);
    hub_free_scratch(hub);
    compat_raise(raised);
}
