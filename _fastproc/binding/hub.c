/* SPDX-License-Identifier: MIT
 *
 * See hub.h.
 *
 * Here: registrations and dispatch.  How a hub begins and ends is in hub_type.c.
 *
 * Callbacks may run any Python code, so the dispatcher holds a reference to each
 * owner while it is called, and looks every event's slot up anew.
 */
#include "binding/hub.h"

#include "binding/gate.h"
#include "binding/guard.h"
#include "binding/loop.h"
#include "binding/pipes.h"
#include "binding/transport.h"
#include "binding/wakeup.h"
#include "binding/errors.h"

enum {
    EVENTS_PER_TURN = 64, /* then the loop's other work has its turn */
    PULLS_PER_TURN = 8,   /* of 64 KiB: what a reader may take meanwhile without waiting */
    STALLS_BORNE = 2,     /* in a row: what was ready may be gone when it is looked at */
    LONGEST_PAUSE = 64,   /* ms */
};

/* ---- slots ---- */

static uint64_t cookie_of(const HubObject *hub, int slot)
{
    return (uint64_t)hub->slots[slot].generation << 32 | (uint32_t)slot;
}

/* A free slot or -1 with MemoryError. */
static int take_slot(HubObject *hub)
{
    if (hub->first_free < 0) {
        int count = hub->slot_count > 0 ? hub->slot_count + hub->slot_count / 2 : 8;
        struct hub_slot *slots = PyMem_Realloc(hub->slots, (size_t)count * sizeof *slots);
        if (slots == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (int i = hub->slot_count; i < count; i++)
            slots[i] = (struct hub_slot){.next_free = i + 1 < count ? i + 1 : -1};
        hub->first_free = hub->slot_count;
        hub->slots = slots;
        hub->slot_count = count;
    }
    int slot = hub->first_free;
    hub->first_free = hub->slots[slot].next_free;
    hub->slots_used++;
    hub->latest_slot = slot;
    return slot;
}

/* Returns the owner, whose reference passes to the caller. */
static PyObject *free_slot(HubObject *hub, int slot)
{
    struct hub_slot *freed = &hub->slots[slot];
    PyObject *owner = freed->owner;
    freed->owner = NULL;
    freed->off = freed->stalls = 0;
    freed->generation++;
    freed->next_free = hub->first_free;
    hub->first_free = slot;
    hub->slots_used--;
    return owner;
}

bool hub_is_forked_off(const HubObject *hub)
{
    return hub->fork_generation != hub->state->fork_generation;
}

bool hub_is_alive(const HubObject *hub)
{
    return !hub->closed && !hub_is_forked_off(hub);
}

int hub_add(HubObject *hub, int fd, unsigned interest, const struct hub_owner_ops *ops,
            PyObject *owner)
{
    if (!hub_is_alive(hub)) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return -1;
    }
    if (hub_wake(hub) < 0)
        return -1;
    int slot = take_slot(hub);
    if (slot < 0)
        return -1;
    hub->slots[slot].owner = Py_NewRef(owner);
    hub->slots[slot].ops = ops;
    hub->slots[slot].fd = hub->latest_fd = fd;
    hub->slots[slot].interest = (unsigned char)interest;
    int err = fp_poller_add(&hub->poller, fd, interest, cookie_of(hub, slot));
    if (err < 0) {
        Py_DECREF(free_slot(hub, slot)); /* not the last: the caller has one */
        return raise_errno(err);
    }
    return slot;
}

int hub_modify(HubObject *hub, int slot, int fd, unsigned interest)
{
    if (!hub_is_alive(hub) || slot < 0)
        return 0;
    hub->slots[slot].interest = (unsigned char)interest;
    if (hub->slots[slot].off)
        return 0;
    int err = fp_poller_modify(&hub->poller, fd, interest, cookie_of(hub, slot));
    return err < 0 ? raise_errno(err) : 0;
}

void hub_remove(HubObject *hub, int *slot, int fd)
{
    int removed = *slot;
    if (removed < 0)
        return;
    *slot = -1;
    if (hub_is_alive(hub)) /* after a fork the poller is the parent's as well */
        fp_poller_remove(&hub->poller, fd);
    PyObject *owner = free_slot(hub, removed);
    Py_DECREF(owner);
}

/* ---- dispatch ---- */

void hub_report(PyObject *about)
{
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(about);
}

/* What CPython 3.13 puts into an exception that is raised, its traceback above all, has no guard.
 * So only the loop's thread gets the very one, and others a copy, if it can be copied. */
static PyObject *own_exception(PyObject *kept)
{
    PyObject *copy_function = module_import_attribute("copy", "copy");
    PyObject *copy = copy_function != NULL ? PyObject_CallOneArg(copy_function, kept) : NULL;
    Py_XDECREF(copy_function);
    if (copy != NULL && Py_IS_TYPE(copy, Py_TYPE(kept)))
        return copy;
    PyErr_Clear();
    Py_XDECREF(copy);
    return Py_NewRef(kept);
}

void hub_raise_kept(const HubObject *hub, PyObject *kept)
{
    PyObject *exception = Py_NewRef(kept); /* it may be replaced meanwhile */
    if (!COMPAT_HAS_GIL && hub != NULL && hub->thread != PyThread_get_thread_ident())
        Py_SETREF(exception, own_exception(exception));
    compat_raise(exception);
}

void hub_settle_exception(HubObject *hub, PyObject *about)
{
    if (!PyErr_Occurred())
        return;
    bool ends_the_loop =
        PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit);
    if (ends_the_loop && hub->interrupt == NULL)
        hub_keep_interrupt(hub);
    hub_report(about);
}

/* The slot that the cookie was made for, or NULL if it is not used for that any more. */
static struct hub_slot *find_slot(HubObject *hub, uint64_t cookie)
{
    uint32_t slot = (uint32_t)cookie;
    if (slot >= (uint32_t)hub->slot_count || cookie_of(hub, (int)slot) != cookie ||
        hub->slots[slot].owner == NULL)
        return NULL;
    return &hub->slots[slot];
}

/* The time has come to look at a descriptor again.  What the loop calls. */
static PyObject *look_again(PyObject *op, PyObject *number)
{
    HubObject *hub = (HubObject *)op;
    uint64_t cookie = PyLong_AsUnsignedLongLong(number);
    int err = 0;
    GUARD_BEGIN(hub);
    struct hub_slot *slot = hub_is_alive(hub) ? find_slot(hub, cookie) : NULL;
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

/* Has the loop call look_again() later.  0 or -1. */
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

/* A descriptor is ready, but there is nothing to be done: a child has ended, say, and a tracer keeps its
 * status.  So that this does not occupy the loop, it is looked at again after a while. */
static void back_off(HubObject *hub, uint64_t cookie)
{
    struct hub_slot *slot = find_slot(hub, cookie);
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
    if (ask_for_look(hub, cookie, pause) == 0 && (slot = find_slot(hub, cookie)) != NULL) {
        slot->off = true;
        fp_poller_remove(&hub->poller, slot->fd);
    }
}

static void dispatch(HubObject *hub, const struct fp_event *event)
{
    struct hub_slot *slot = find_slot(hub, event->cookie);
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

/* With a single descriptor registered, it is the one that the loop calls for, and if not, its owner
 * may find that out.  True with its event. */
static bool guess_event(const HubObject *hub, struct fp_event *event)
{
    if (!hub->state->shortcuts || hub->slots_used != 1)
        return false;
    const struct hub_slot *slot = &hub->slots[hub->latest_slot];
    *event = (struct fp_event){cookie_of(hub, hub->latest_slot), FP_READABLE};
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
    for (int i = 0; i < count && hub_is_alive(hub); i++)
        dispatch(hub, &events[i]);
    if (hub_is_alive(hub))
        gate_open(hub);
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
    wakeup_run_woken(hub); /* the tasks, which have the guard to themselves */
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

/* ---- the loop ---- */

PyObject *hub_loop(HubObject *hub)
{
    PyObject *loop = compat_weakref_target(hub->loop_ref);
    if (loop == NULL)
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return loop;
}
