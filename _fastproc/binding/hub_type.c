/* SPDX-License-Identifier: MIT
 *
 * How a hub begins and ends; what is between it and its loop is in hub_loop.c.
 *
 * A hub ends when its loop's close() has been called (hub_loop.c).  A loop that is
 * collected without that drops the token, the callback of the one add_reader, which
 * tells the same, unless the hub rests.  The hub itself refers to the loop weakly.
 */
#include "binding/errors.h"
#include "binding/gate.h"
#include "binding/guard.h"
#include "binding/handovers.h"
#include "binding/hub.h"
#include "binding/loop.h"
#include "binding/pipes.h"
#include "binding/transport.h"
#include "binding/wakeup.h"

/* For children that have closed their output and have not exited: of 2,000 such all but 7 were gone
 * after a millisecond, on a busy machine. */
enum { PATIENCE_MS = 100 };

/* The hub registered under this id: a new reference, or NULL.  The references in state->hubs are
 * weak, because strong ones would keep a loop alive through the tasks that wait in it; a hub takes
 * its own out in time. */
static HubObject *find_hub(struct fp_state *state, PyObject *loop_id)
{
    PyObject *ref = state->hubs != NULL ? compat_dict_get(state->hubs, loop_id) : NULL;
    PyObject *hub = ref != NULL ? compat_weakref_target(ref) : NULL;
    Py_XDECREF(ref);
    return (HubObject *)hub;
}

/* Takes it out, unless another is there by now.  May leave an exception. */
static void unlist(HubObject *hub)
{
    if (hub->state->hubs == NULL || hub->table_ref == NULL)
        return;
    PyObject *listed = compat_dict_get(hub->state->hubs, hub->loop_id);
    if (listed == hub->table_ref)
        PyDict_DelItem(hub->state->hubs, hub->loop_id);
    Py_XDECREF(listed);
}

static HubObject *make_hub(struct fp_state *state, PyObject *loop, PyObject *loop_id)
{
    HubObject *hub = PyObject_GC_New(HubObject, (PyTypeObject *)state->hub_type);
    if (hub == NULL)
        return NULL;
    memset((char *)hub + sizeof(PyObject), 0, sizeof *hub - sizeof(PyObject));
    hub->state = state;
    hub->poller.fd = -1;
    hub->first_free = -1;
    hub->fork_generation = state->fork_generation;
    hub->loop_id = Py_NewRef(loop_id);
    PyObject_GC_Track(hub);
    hub->patience_ms = PATIENCE_MS;
    hub->loop_ref = PyWeakref_NewRef(loop, NULL);
    if (hub->loop_ref == NULL)
        goto error;
    hub->table_ref = PyWeakref_NewRef((PyObject *)hub, NULL);
    if (hub->table_ref == NULL || PyDict_SetItem(state->hubs, loop_id, hub->table_ref) < 0)
        goto error;
    return hub;

error:
    hub->closed = true;
    Py_DECREF(hub);
    return NULL;
}

static bool belongs_to(HubObject *hub, PyObject *loop)
{
    PyObject *target = compat_weakref_target(hub->loop_ref);
    Py_XDECREF(target);
    return target == loop;
}

static HubObject *get_or_make_hub(struct fp_state *state, PyObject *loop)
{
    PyObject *loop_id = PyLong_FromVoidPtr(loop);
    if (loop_id == NULL)
        return NULL;
    HubObject *hub = find_hub(state, loop_id);
    if (hub == NULL || !hub_is_alive(hub) || !belongs_to(hub, loop)) {
        Py_XDECREF(hub);
        hub = PyErr_Occurred() ? NULL : make_hub(state, loop, loop_id);
    }
    Py_DECREF(loop_id);
    if (COMPAT_HAS_GIL)
        state->last_hub = hub;
    return hub;
}

HubObject *hub_of_loop(struct fp_state *state, PyObject *loop)
{
    HubObject *last = COMPAT_HAS_GIL ? state->last_hub : NULL;
    if (last != NULL && hub_is_alive(last) && belongs_to(last, loop))
        return (HubObject *)Py_NewRef((PyObject *)last);
    PyObject *behind = loop_behind(state, loop);
    HubObject *hub = get_or_make_hub(state, behind);
    Py_DECREF(behind);
    return hub;
}

/* ---- the end ---- */

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
    unlist(hub);
    PyErr_Clear();
    hub->closed = true;
    hub->token = NULL;
    if (COMPAT_HAS_GIL && hub->state->last_hub == hub)
        hub->state->last_hub = NULL;
    gate_close(hub, forked_off);
    tell_owners(hub, forked_off);
    if (!hub->dispatching)
        wakeup_drop_woken(hub);
    handovers_close(hub);
    fp_poller_close(&hub->poller);
    hub_free_scratch(hub);
    compat_raise(raised);
}

static int hub_traverse(PyObject *op, visitproc visit, void *arg)
{
    HubObject *hub = (HubObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(hub->loop_ref);
    Py_VISIT(hub->interrupt);
    for (int slot = 0; slot < hub->slot_count; slot++)
        Py_VISIT(hub->slots[slot].owner);
    for (struct start_entry *at = hub->queue; at != NULL; at = at->next)
        Py_VISIT(at->owner);
    for (WakeupObject *at = hub->woken; at != NULL; at = at->next_woken)
        Py_VISIT(at);
    return 0;
}

static int hub_clear(PyObject *op)
{
    GUARD_BEGIN(op);
    hub_end((HubObject *)op);
    GUARD_END();
    Py_CLEAR(((HubObject *)op)->interrupt);
    return 0;
}

static void hub_dealloc(PyObject *op)
{
    HubObject *hub = (HubObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    hub_end(hub);
    fp_poller_close(&hub->poller);
    PyMem_Free(hub->slots);
    hub_free_scratch(hub);
    Py_CLEAR(hub->interrupt);
    Py_CLEAR(hub->loop_ref);
    Py_CLEAR(hub->loop_id);
    Py_CLEAR(hub->table_ref);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static int token_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((TokenObject *)op)->hub);
    return 0;
}

/* The end of the hub, unless it rests or was never registered. */
static void token_finalize(PyObject *op)
{
    HubObject *hub = ((TokenObject *)op)->hub;
    GUARD_BEGIN(hub);
    if (hub->token == (TokenObject *)op)
        hub_end(hub);
    GUARD_END();
}

static int token_clear(PyObject *op)
{
    Py_CLEAR(((TokenObject *)op)->hub);
    return 0;
}

static void token_dealloc(PyObject *op)
{
    if (PyObject_CallFinalizerFromDealloc(op) < 0)
        return;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    token_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyObject *token_call(PyObject *op, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    HubObject *hub = ((TokenObject *)op)->hub;
    if (hub == NULL)
        Py_RETURN_NONE;
    return hub_turn(hub);
}

static PyObject *token_repr(PyObject *Py_UNUSED(op))
{
    return PyUnicode_FromString("<_fastproc hub>");
}

static PyMemberDef hub_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(HubObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot hub_slots[] = {
    {Py_tp_members, hub_members},
    {Py_tp_dealloc, hub_dealloc},
    {Py_tp_traverse, hub_traverse},
    {Py_tp_clear, hub_clear},
    {0, NULL},
};

static PyType_Spec hub_spec = {
    .name = "_fastproc.Hub",
    .basicsize = sizeof(HubObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hub_slots,
};

static PyType_Slot token_slots[] = {
    {Py_tp_dealloc, token_dealloc},
    {Py_tp_finalize, token_finalize},
    {Py_tp_traverse, token_traverse},
    {Py_tp_clear, token_clear},
    {Py_tp_call, token_call},
    {Py_tp_repr, token_repr},
    {0, NULL},
};

static PyType_Spec token_spec = {
    .name = "_fastproc.HubToken",
    .basicsize = sizeof(TokenObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = token_slots,
};

int hub_init(PyObject *module, struct fp_state *state)
{
    if (module_add_type(module, &hub_spec, NULL, 0, &state->hub_type, NULL) < 0)
        return -1;
    return module_add_type(module, &token_spec, NULL, 0, &state->token_type, NULL);
}
