/* SPDX-License-Identifier: MIT
 *
 * How a hub begins and ends.
 *
 * The loop holds a token, the callback of the one add_reader, and nobody else
 * does: when the token goes, the loop has closed or is being collected, and the
 * hub shuts down, unless it rests.  The hub itself refers to the loop weakly.
 */
#include "binding/errors.h"
#include "binding/gate.h"
#include "binding/guard.h"
#include "binding/hub.h"
#include "binding/loop.h"
#include "binding/pipes.h"
#include "binding/transport.h"
#include "binding/wakeup.h"

enum { SCRATCH_SIZE = 64 * 1024 }; /* a pipe's default capacity */

typedef struct TokenObject {
    PyObject_HEAD
    HubObject *hub;
} TokenObject;

/* 0 or -1.  Runs add_reader in an empty context, for the loop keeps the context of whoever
 * happened to start the first child. */
static int register_token(HubObject *hub, PyObject *loop)
{
    struct fp_state *state = hub->state;
    TokenObject *token = PyObject_GC_New(TokenObject, (PyTypeObject *)state->token_type);
    if (token == NULL)
        return -1;
    token->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    PyObject_GC_Track(token);
    PyObject *context = PyContext_New();
    PyObject *fd = PyLong_FromLong(hub->poller.fd);
    if (context != NULL && fd != NULL && PyContext_Enter(context) == 0) {
        Py_XDECREF(PyObject_CallMethodObjArgs(loop, state->names.add_reader, fd, token, NULL));
        PyObject *raised = compat_take_exception();
        if (PyContext_Exit(context) < 0 && raised != NULL)
            PyErr_Clear();
        if (raised != NULL)
            compat_raise(raised);
    }
    Py_XDECREF(context);
    Py_XDECREF(fd);
    bool failed = PyErr_Occurred() != NULL;
    if (!failed)
        hub->token = token;
    Py_DECREF(token);
    return failed ? -1 : 0;
}

/* Has the loop forget the poller.  Whatever is raised stays raised: if that is by a signal's handler
 * in the midst of it, the loop may have forgotten half, so it is asked twice. */
static void unregister_token(HubObject *hub, PyObject *loop, int poller_fd)
{
    PyObject *name = hub->state->names.remove_reader;
    PyObject *raised = compat_take_exception();
    PyObject *fd = PyLong_FromLong(poller_fd);
    PyObject *done = fd != NULL ? PyObject_CallMethodOneArg(loop, name, fd) : NULL;
    if (done == NULL) {
        PyObject *first = compat_take_exception();
        done = fd != NULL ? PyObject_CallMethodOneArg(loop, name, fd) : NULL;
        PyErr_Clear();
        compat_raise(first);
    }
    Py_XDECREF(done);
    Py_XDECREF(fd);
    if (raised != NULL)
        compat_raise(raised);
}

/* Turns whatever says "this loop has no readers" into one clear sentence. */
static void explain_no_readers(PyObject *loop)
{
    if (PyErr_ExceptionMatches(PyExc_NotImplementedError) ||
        PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        PyErr_Format(PyExc_NotImplementedError,
                     "_fastproc needs an event loop with add_reader(), which %.200s does not have",
                     Py_TYPE(loop)->tp_name);
    }
}

/* 0, or -1 with an exception and nothing left open. */
static int begin_watching(HubObject *hub, PyObject *loop)
{
    int err = fp_poller_open(&hub->poller);
    if (err < 0)
        return raise_errno(err);
    if (register_token(hub, loop) == 0)
        return 0;
    explain_no_readers(loop);
    unregister_token(hub, loop, hub->poller.fd); /* what was raised may have come after the fact */
    fp_poller_close(&hub->poller);
    return -1;
}

/* The hub registered under this id: a new reference, or NULL.  The references in state->hubs are weak,
 * for others would keep a loop alive through whoever waits in it; a hub takes its own out in time. */
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
    hub->scratch.bytes = PyMem_Malloc(SCRATCH_SIZE);
    hub->scratch.size = SCRATCH_SIZE;
    hub->loop_ref = PyWeakref_NewRef(loop, NULL);
    if (hub->loop_ref == NULL)
        goto error;
    if (hub->scratch.bytes == NULL) {
        PyErr_NoMemory();
        goto error;
    }
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

HubObject *hub_of_loop(struct fp_state *state, PyObject *loop)
{
    HubObject *last = COMPAT_HAS_GIL ? state->last_hub : NULL;
    if (last != NULL && hub_is_alive(last) && belongs_to(last, loop))
        return (HubObject *)Py_NewRef((PyObject *)last);
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

/* ---- rest ---- */

int hub_wake(HubObject *hub)
{
    if (hub->token != NULL)
        return 0;
    PyObject *loop = hub_loop(hub);
    int result = loop != NULL ? begin_watching(hub, loop) : -1;
    Py_XDECREF(loop);
    return result;
}

static bool has_nothing_to_watch(const HubObject *hub)
{
    return hub->slots_used == 0 && hub->queue == NULL && !hub->dispatching && hub->token != NULL &&
           hub_is_alive(hub);
}

void hub_rest(HubObject *hub)
{
    if (!has_nothing_to_watch(hub))
        return;
    PyObject *raised = compat_take_exception();
    PyObject *loop = hub_loop(hub);
    if (loop != NULL) {
        hub->token = NULL;                     /* so that its end is not the hub's */
        struct fp_poller poller = hub->poller; /* whoever is called may wake the hub again */
        hub->poller.fd = -1;
        unregister_token(hub, loop, poller.fd);
        fp_poller_close(&poller);
    }
    if (loop_is_over(hub))
        PyErr_Clear(); /* it says so by an exception */
    if (raised != NULL)
        compat_raise(raised);
    Py_XDECREF(loop);
}

static PyObject *rest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ((HubObject *)op)->rest_asked = false;
    hub_rest((HubObject *)op);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

GUARD_BY(op);
GUARD_METHOD(rest);

static PyMethodDef rest_method = {"rest", GUARDED(rest), METH_NOARGS, NULL};

void hub_ask_for_rest(HubObject *hub)
{
    if (hub->rest_asked || !has_nothing_to_watch(hub))
        return;
    PyObject *raised = compat_take_exception();
    PyObject *context = PyContext_New();
    PyObject *callback = PyCFunction_NewEx(&rest_method, (PyObject *)hub, NULL);
    if (context != NULL && callback != NULL) {
        hub->rest_asked = loop_call_soon(hub, context, callback, NULL, 0) == 0;
        if (!hub->rest_asked && !loop_is_over(hub)) /* a signal's handler has raised in there */
            hub_settle_exception(hub, (PyObject *)hub);
    }
    PyErr_Clear(); /* then it goes on as it is */
    Py_XDECREF(context);
    Py_XDECREF(callback);
    compat_raise(raised);
}

/* ---- the end ---- */

/* The loop is closed or gone.  Children that still live are killed, everything is closed. */
static void shut_down(HubObject *hub)
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
    while (hub->queue != NULL) {
        TransportObject *transport = (TransportObject *)Py_NewRef((PyObject *)hub->queue);
        gate_dequeue(hub, transport);
        transport_loop_closed(transport, forked_off);
        Py_DECREF(transport);
    }
    for (int slot = 0; slot < hub->slot_count; slot++) {
        if (hub->slots[slot].owner == NULL)
            continue;
        PyObject *owner = Py_NewRef(hub->slots[slot].owner);
        switch (hub->slots[slot].role) {
        case HUB_OUTCOME:
        case HUB_EXIT:
            transport_loop_closed((TransportObject *)owner, forked_off);
            break;
        case HUB_READ:
            read_pipe_loop_closed((ReadPipeObject *)owner);
            break;
        case HUB_WRITE:
            write_pipe_loop_closed((WritePipeObject *)owner);
            break;
        case HUB_FREE:
            break;
        }
        hub_report(owner);
        Py_DECREF(owner);
    }
    if (!hub->dispatching)
        wakeup_drop_woken(hub);
    fp_poller_close(&hub->poller);
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
    for (TransportObject *at = hub->queue; at != NULL; at = at->next_queued)
        Py_VISIT(at);
    for (WakeupObject *at = hub->woken; at != NULL; at = at->next_woken)
        Py_VISIT(at);
    return 0;
}

static int hub_clear(PyObject *op)
{
    GUARD_BEGIN(op);
    shut_down((HubObject *)op);
    GUARD_END();
    return 0;
}

static void hub_dealloc(PyObject *op)
{
    HubObject *hub = (HubObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    shut_down(hub);
    fp_poller_close(&hub->poller);
    PyMem_Free(hub->slots);
    PyMem_Free(hub->scratch.bytes);
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
        shut_down(hub);
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
