/* SPDX-License-Identifier: MIT
 *
 * How a hub joins its loop and leaves it, and asks it for a turn.
 */
#include "binding/close_watch.h"
#include "binding/errors.h"
#include "binding/guard.h"
#include "binding/handovers.h"
#include "binding/hub.h"
#include "binding/loop.h"
#include "binding/plain_loop.h"
#include "binding/wakeup.h"

enum { SCRATCH_SIZE = 64 * 1024 }; /* a pipe's default capacity */

/* ---- joining ---- */

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

/* The context that the loop is to call the hub in: an empty one, or it keeps that of whoever happened
 * to start the first child.  But what is in that may be how to find a loop that is not plain, so such a
 * loop gets None, for a copy of the context of now, as it would by asyncio's transports.  A new
 * reference, or NULL. */
static PyObject *context_to_keep(const HubObject *hub)
{
    return hub->on_plain_loop ? PyContext_New() : Py_NewRef(Py_None);
}

/* Has the loop watch the poller.  Raises what that does. */
static void add_reader(HubObject *hub, PyObject *loop, PyObject *fd, TokenObject *token)
{
    hub->on_plain_loop = plain_loop(hub, loop);
    PyObject *context = context_to_keep(hub);
    bool entered = context != NULL && context != Py_None && PyContext_Enter(context) == 0;
    if (!PyErr_Occurred())
        Py_XDECREF(PyObject_CallMethodObjArgs(loop, hub->state->names.add_reader, fd, token, NULL));
    PyObject *raised = compat_take_exception();
    if (entered && PyContext_Exit(context) < 0 && raised != NULL)
        PyErr_Clear();
    if (raised != NULL)
        compat_raise(raised);
    Py_XDECREF(context);
}

/* What the loop has now, or NULL. */
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

/* ---- leaving ---- */

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
        hub->token = NULL; /* so that its end is not the hub's */
        close_watch_end(hub, loop);
        struct fp_poller poller = hub->poller; /* the calls below may wake it again */
        hub->poller.fd = -1;
        hub_free_scratch(hub);
        handovers_close(hub);
        unregister_token(hub, loop, poller.fd);
        fp_poller_close(&poller);
    }
    if (loop_is_over(hub))
        PyErr_Clear(); /* it says so by an exception */
    if (raised != NULL)
        compat_raise(raised);
    Py_XDECREF(loop);
}

/* In a turn of the loop that was asked for. */
static PyObject *rest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    HubObject *hub = (HubObject *)op;
    PyObject *interrupt;
    GUARD_BEGIN(hub);
    hub->turn_asked = false;
    GUARD_END();
    wakeup_run_woken(hub); /* those that wait because the first of them runs this turn */
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

static PyMethodDef rest_method = {"rest", rest, METH_NOARGS, NULL};

/* Has the loop call rest().  False if that cannot be, with the exception that was raised, if any. */
static bool ask_for_turn(HubObject *hub)
{
    if (hub->turn_asked)
        return true;
    PyObject *context = context_to_keep(hub);
    PyObject *callback = PyCFunction_NewEx(&rest_method, (PyObject *)hub, NULL);
    if (context != NULL && callback != NULL)
        hub->turn_asked = loop_call_soon(hub, context, callback, NULL, 0) == 0;
    Py_XDECREF(context);
    Py_XDECREF(callback);
    return hub->turn_asked;
}

void hub_ask_for_turn(HubObject *hub)
{
    PyObject *raised = compat_take_exception();
    if (!ask_for_turn(hub) && !loop_is_over(hub)) /* a signal's handler has raised in there */
        hub_settle_exception(hub, (PyObject *)hub);
    PyErr_Clear(); /* then it goes on as it is */
    compat_raise(raised);
}

void hub_ask_for_rest(HubObject *hub)
{
    if (has_nothing_to_watch(hub))
        hub_ask_for_turn(hub);
}

PyObject *hub_take_interrupt(HubObject *hub)
{
    PyObject *interrupt = hub->interrupt;
    hub->interrupt = NULL;
    return interrupt;
}

void hub_keep_interrupt(HubObject *hub)
{
    Py_XSETREF(hub->interrupt, compat_take_exception());
    for (int tries = 0; tries < 2 && !hub->in_turn && hub_is_alive(hub) && !ask_for_turn(hub);
         tries++)
        PyErr_Clear(); /* more of the same: one is enough */
}
