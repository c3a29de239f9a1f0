/* SPDX-License-Identifier: MIT
 *
 * See hub.h.
 *
 * The loop holds a token, the callback of the one add_reader, and nobody else
 * does: when the token goes, the loop has closed or is being collected, and the
 * hub shuts down.  The hub itself refers to the loop weakly.
 *
 * Callbacks may run any Python code, so the dispatcher holds a reference to each
 * owner while it is called, and looks every event's slot up anew.
 */
#include "binding/hub.h"

#include "binding/gate.h"
#include "binding/pipes.h"
#include "binding/transport.h"
#include "binding/wakeup.h"
#include "binding/errors.h"

enum {
    EVENTS_PER_TURN = 64,     /* then the loop's other work has its turn */
    SCRATCH_SIZE = 64 * 1024, /* a pipe's default capacity */
};

typedef struct {
    PyObject_HEAD
    HubObject *hub;
} TokenObject;

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
    return slot;
}

/* Returns the owner, whose reference passes to the caller. */
static PyObject *free_slot(HubObject *hub, int slot)
{
    struct hub_slot *freed = &hub->slots[slot];
    PyObject *owner = freed->owner;
    freed->owner = NULL;
    freed->role = HUB_FREE;
    freed->generation++;
    freed->next_free = hub->first_free;
    hub->first_free = slot;
    return owner;
}

static bool is_forked_off(const HubObject *hub)
{
    return hub->fork_generation != hub->state->fork_generation;
}

bool hub_is_alive(const HubObject *hub)
{
    return !hub->closed && !is_forked_off(hub);
}

int hub_add(HubObject *hub, int fd, unsigned interest, enum hub_role role, PyObject *owner)
{
    if (!hub_is_alive(hub)) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return -1;
    }
    int slot = take_slot(hub);
    if (slot < 0)
        return -1;
    hub->slots[slot].owner = Py_NewRef(owner);
    hub->slots[slot].role = role;
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

static void dispatch(HubObject *hub, const struct fp_event *event)
{
    uint32_t slot = (uint32_t)event->cookie;
    if (slot >= (uint32_t)hub->slot_count || cookie_of(hub, (int)slot) != event->cookie ||
        hub->slots[slot].owner == NULL)
        return; /* removed since, by an earlier event of this batch */
    PyObject *owner = Py_NewRef(hub->slots[slot].owner);
    switch (hub->slots[slot].role) {
    case HUB_OUTCOME:
        transport_outcome_ready((TransportObject *)owner);
        break;
    case HUB_EXIT:
        transport_exit_ready((TransportObject *)owner);
        break;
    case HUB_READ:
        read_pipe_ready((ReadPipeObject *)owner, event->ready);
        break;
    case HUB_WRITE:
        write_pipe_ready((WritePipeObject *)owner, event->ready);
        break;
    case HUB_FREE:
        break;
    }
    hub_report(owner);
    Py_DECREF(owner);
}

static PyObject *token_call(PyObject *op, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    HubObject *hub = ((TokenObject *)op)->hub;
    if (hub == NULL || !hub_is_alive(hub))
        Py_RETURN_NONE;
    Py_INCREF(hub);
    struct fp_event events[EVENTS_PER_TURN];
    int count = fp_poller_wait(&hub->poller, events, EVENTS_PER_TURN);
    hub->dispatching = true;
    for (int i = 0; i < count && hub_is_alive(hub); i++)
        dispatch(hub, &events[i]);
    if (hub_is_alive(hub))
        gate_open(hub);
    hub->dispatching = false;
    int result = wakeup_run_woken(hub);
    Py_DECREF(hub);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the loop ---- */

PyObject *hub_loop(HubObject *hub)
{
    PyObject *loop = compat_weakref_target(hub->loop_ref);
    if (loop == NULL)
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
    return loop;
}

/* ---- life and death ---- */

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
    Py_DECREF(token); /* on failure the last reference, which shuts the hub down */
    return PyErr_Occurred() ? -1 : 0;
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
    int err = fp_poller_open(&hub->poller);
    if (err < 0) {
        raise_errno(err);
        goto error;
    }
    if (register_token(hub, loop) < 0) {
        explain_no_readers(loop);
        goto error;
    }
    if (PyDict_SetItem(state->hubs, loop_id, (PyObject *)hub) < 0)
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
    PyObject *loop_id = PyLong_FromVoidPtr(loop);
    if (loop_id == NULL)
        return NULL;
    HubObject *hub = (HubObject *)PyDict_GetItemWithError(state->hubs, loop_id);
    if (hub != NULL && hub_is_alive(hub) && belongs_to(hub, loop))
        Py_INCREF(hub);
    else
        hub = PyErr_Occurred() ? NULL : make_hub(state, loop, loop_id);
    Py_DECREF(loop_id);
    return hub;
}

/* The loop is closed or gone.  Children that still live are killed, everything is closed. */
static void shut_down(HubObject *hub)
{
    if (hub->closed)
        return;
    bool forked_off = is_forked_off(hub);
    PyObject *raised = compat_take_exception();
    PyObject *registered = NULL;
    if (hub->state->hubs != NULL)
        registered = PyDict_GetItemWithError(hub->state->hubs, hub->loop_id);
    if (registered == (PyObject *)hub)
        PyDict_DelItem(hub->state->hubs, hub->loop_id);
    PyErr_Clear();
    hub->closed = true;
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
    fp_poller_close(&hub->poller);
    compat_raise(raised);
}

static int hub_traverse(PyObject *op, visitproc visit, void *arg)
{
    HubObject *hub = (HubObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(hub->loop_ref);
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
    shut_down((HubObject *)op);
    return 0;
}

static void hub_dealloc(PyObject *op)
{
    HubObject *hub = (HubObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    shut_down(hub);
    fp_poller_close(&hub->poller);
    PyMem_Free(hub->slots);
    PyMem_Free(hub->scratch.bytes);
    Py_CLEAR(hub->loop_ref);
    Py_CLEAR(hub->loop_id);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static int token_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((TokenObject *)op)->hub);
    return 0;
}

static void token_finalize(PyObject *op)
{
    if (((TokenObject *)op)->hub != NULL)
        shut_down(((TokenObject *)op)->hub);
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

static PyObject *token_repr(PyObject *Py_UNUSED(op))
{
    return PyUnicode_FromString("<_fastproc hub>");
}

static PyType_Slot hub_slots[] = {
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
