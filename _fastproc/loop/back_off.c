/* SPDX-License-Identifier: MIT
 *
 * See back_off.h.
 */
#include "loop/back_off.h"

#include "loop/loop_methods.h"
#include "loop/watch.h"
#include "python/errors.h"
#include "python/guard.h"

enum {
    STALLS_BORNE = 2,   /* in a row: a descriptor may no longer be ready when it is looked at */
    LONGEST_PAUSE = 64, /* ms */
};

/* Called by the loop when it is time to look at a descriptor again. */
static PyObject *look_again(PyObject *op, PyObject *number)
{
    HubObject *hub = (HubObject *)op;
    uint64_t cookie = PyLong_AsUnsignedLongLong(number);
    int err = 0;
    GUARD_BEGIN(hub);
    struct hub_slot *slot = hub_is_alive(hub) ? hub_find_slot(hub, cookie) : NULL;
    if (slot != NULL && slot->off) {
        slot->off = false;
        slot->stalled_in = hub->turn;
        err = fp_poller_add(&hub->poller, slot->fd, slot->interest, cookie);
    }
    GUARD_END();
    if (err < 0)
        raise_errno(err);
    return err < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef look_again_method = {"look_again", look_again, METH_O, NULL};

/* Makes the loop call look_again() later.  0 or -1. */
static int ask_for_look(HubObject *hub, uint64_t cookie, int milliseconds)
{
    PyObject *callback = PyCFunction_NewEx(&look_again_method, (PyObject *)hub, NULL);
    PyObject *number = PyLong_FromUnsignedLongLong(cookie);
    PyObject *timer = NULL;
    if (callback != NULL && number != NULL)
        timer = loop_call_later(hub, milliseconds / 1e3, callback, number);
    Py_XDECREF(callback);
    Py_XDECREF(number);
    Py_XDECREF(timer);
    return timer != NULL ? 0 : -1;
}

void back_off(HubObject *hub, uint64_t cookie)
{
    struct hub_slot *slot = hub_find_slot(hub, cookie);
    if (slot == NULL || slot->off || !hub_is_alive(hub))
        return;
    if (hub->turn - slot->stalled_in > 1)
        slot->stalls = 0;
    slot->stalled_in = hub->turn;
    if (slot->stalls < STALLS_BORNE) {
        slot->stalls++;
        return;
    }
    int pause = 1 << (slot->stalls - STALLS_BORNE);
    if (pause < LONGEST_PAUSE)
        slot->stalls++;
    if (ask_for_look(hub, cookie, pause) == 0 && (slot = hub_find_slot(hub, cookie)) != NULL) {
        slot->off = true;
        fp_poller_remove(&hub->poller, slot->fd);
    }
}
