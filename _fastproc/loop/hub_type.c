/* SPDX-License-Identifier: MIT
 *
 * The types of the hub and of its token: the calls from the loop and from the
 * collector.
 *
 * A loop that is collected without having been closed drops the token, the callback
 * of the one add_reader: then the hub ends, unless it rests.  The hub itself refers to
 * the loop weakly.
 */
#include "loop/hub_end.h"
#include "loop/turn.h"
#include "loop/wakeup.h"
#include "python/guard.h"

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

/* Ends the hub, unless it rests or the token was never registered. */
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

/* Called by the loop when it was asked for a turn. */
static PyObject *hub_call(PyObject *op, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return hub_turn_asked_for((HubObject *)op);
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
    {Py_tp_members, hub_members}, {Py_tp_dealloc, hub_dealloc}, {Py_tp_traverse, hub_traverse},
    {Py_tp_clear, hub_clear},     {Py_tp_call, hub_call},       {0, NULL},
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
    if (state_add_type(module, &hub_spec, NULL, 0, &state->hub_type, NULL) < 0)
        return -1;
    return state_add_type(module, &token_spec, NULL, 0, &state->token_type, NULL);
}
