/* SPDX-License-Identifier: MIT
 *
 * See watch.h.
 */
#include "loop/watch.h"

#include "loop/exceptions.h"
#include "loop/loop_methods.h"
#include "loop/close_watch.h"
#include "loop/handover_pool.h"
#include "loop/plain_loop.h"
#include "python/errors.h"

/* ---- joining the loop ---- */

enum { SCRATCH_SIZE = 64 * 1024 }; /* a pipe's default capacity */

/* 0, or -1 with MemoryError. */
static int make_scratch(HubObject *hub)
{
    if (hub->scratch.bytes == NULL)
        hub->scratch =
            (struct fp_scratch){.bytes = PyMem_Malloc(SCRATCH_SIZE), .size = SCRATCH_SIZE};
    if (hub->scratch.bytes != NULL)
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* Makes the loop watch the poller.  Raises what add_reader() raises. */
static void add_reader(HubObject *hub, PyObject *loop, PyObject *fd, TokenObject *token)
{
    hub->on_plain_loop = plain_loop(hub, loop);
    PyObject *context = loop_context_to_keep(hub);
    bool entered = context != NULL && context != Py_None && PyContext_Enter(context) == 0;
    if (!PyErr_Occurred())
        loop_add_reader(hub->state, loop, fd, (PyObject *)token);
    PyObject *raised = compat_take_exception();
    if (entered && PyContext_Exit(context) < 0 && raised != NULL)
        PyErr_Clear();
    if (raised != NULL)
        compat_raise(raised);
    Py_XDECREF(context);
}

/* The token that the loop has now, a new reference; or NULL. */
static TokenObject *register_token(HubObject *hub, PyObject *loop, int poller_fd)
{
    struct fp_state *state = hub->state;
    TokenObject *token = PyObject_GC_New(TokenObject, (PyTypeObject *)state->token_type);
    if (token == NULL)
        return NULL;
    token->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    PyObject_GC_Track(token);
    PyObject *fd = PyLong_FromLong(poller_fd);
    if (fd != NULL)
        add_reader(hub, loop, fd, token);
    Py_XDECREF(fd);
    if (PyErr_Occurred())
        Py_CLEAR(token);
    return token;
}

/* Makes the loop forget the poller.  An exception stays raised.  If a signal handler has raised it
 * in the middle, the loop may have forgotten half, so it is asked twice. */
static void unregister_token(HubObject *hub, PyObject *loop, int poller_fd)
{
    struct fp_state *state = hub->state;
    PyObject *raised = compat_take_exception();
    PyObject *fd = PyLong_FromLong(poller_fd);
    if (fd == NULL || loop_remove_reader(state, loop, fd) < 0) {
        PyObject *first = compat_take_exception();
        if (fd != NULL && loop_remove_reader(state, loop, fd) < 0)
            PyErr_Clear();
        compat_raise(first);
    }
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

/* 0, or -1 with an exception and nothing left open.  The loop's add_reader may come here again. */
static int begin_watching(HubObject *hub, PyObject *loop)
{
    struct fp_poller poller;
    if (make_scratch(hub) < 0)
        return -1;
    int err = fp_poller_open(&poller);
    if (err < 0)
        return raise_errno(err);
    TokenObject *token = register_token(hub, loop, poller.fd);
    if (token != NULL && hub->token == NULL) {
        hub->token = token;
        hub->poller = poller;
        Py_DECREF(token);
        close_watch_begin(hub, loop);
        return 0;
    }
    if (token == NULL)
        explain_no_readers(loop);
    unregister_token(hub, loop, poller.fd); /* what was raised may have come after the fact */
    fp_poller_close(&poller);
    Py_XDECREF(token);
    return PyErr_Occurred() ? -1 : 0;
}

int hub_wake(HubObject *hub)
{
    if (hub->token != NULL)
        return 0;
    PyObject *loop = hub_loop(hub);
    int result = loop != NULL ? begin_watching(hub, loop) : -1;
    Py_XDECREF(loop);
    return result;
}

/* ---- leaving it ---- */

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
        hub->token = NULL; /* so that the end of the token does not end the hub */
        close_watch_end(hub, loop);
        struct fp_poller poller = hub->poller; /* the calls below may wake it again */
        hub->poller.fd = -1;
        hub_free_scratch(hub);
        handover_pool_close(hub);
        unregister_token(hub, loop, poller.fd);
        fp_poller_close(&poller);
    }
    if (loop_is_over(hub))
        PyErr_Clear(); /* the exception says just that */
    if (raised != NULL)
        compat_raise(raised);
    Py_XDECREF(loop);
}

void hub_ask_for_rest(HubObject *hub)
{
    if (has_nothing_to_watch(hub))
        hub_ask_for_turn(hub);
}

/* ---- slots ---- */

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

struct hub_slot *hub_find_slot(HubObject *hub, uint64_t cookie)
{
    uint32_t slot = (uint32_t)cookie;
    if (slot >= (uint32_t)hub->slot_count || hub_cookie(hub, (int)slot) != cookie ||
        hub->slots[slot].owner == NULL)
        return NULL;
    return &hub->slots[slot];
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
    int err = fp_poller_add(&hub->poller, fd, interest, hub_cookie(hub, slot));
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
    int err = fp_poller_modify(&hub->poller, fd, interest, hub_cookie(hub, slot));
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
