/* SPDX-License-Identifier: MIT
 *
 * See close_watch.h.
 */
#include "loop/close_watch.h"

#include "loop/exceptions.h"
#include "loop/hub_end.h"
#include "python/guard.h"

/* The tuple that close_loop() is bound to.  It has the loop itself, because a collected loop calls
 * its close() when the hub's weak reference is dead already; until then such a loop refers to
 * itself anyway, by the callback of its own socket. */
enum { WATCHED_HUB, WATCHED_LOOP };

static PyObject *close_loop(PyObject *watched, PyObject *args, PyObject *kwargs);

static PyMethodDef close_method = {
    "close", (PyCFunction)(void (*)(void))close_loop, METH_VARARGS | METH_KEYWORDS,
    "close($self, /)\n--\n\nThe loop's own close(), then the end of what _fastproc has there."};

static bool is_of_hub(PyObject *close, const HubObject *hub)
{
    if (!PyCFunction_CheckExact(close) || ((PyCFunctionObject *)close)->m_ml != &close_method)
        return false;
    PyObject *watched = ((PyCFunctionObject *)close)->m_self;
    return PyTuple_GET_ITEM(watched, WATCHED_HUB) == (PyObject *)hub;
}

/* Whether somebody has set a close() of this one loop. */
static bool has_own_close(HubObject *hub, PyObject *loop)
{
    PyObject *attributes = PyObject_GenericGetDict(loop, NULL);
    int has = attributes != NULL ? PyDict_Contains(attributes, hub->state->names.close) : 0;
    PyErr_Clear();
    Py_XDECREF(attributes);
    return has > 0;
}

void close_watch_begin(HubObject *hub, PyObject *loop)
{
    PyObject *raised = compat_take_exception();
    PyObject *watched = has_own_close(hub, loop) ? NULL : PyTuple_Pack(2, (PyObject *)hub, loop);
    PyObject *close = watched != NULL ? PyCFunction_NewEx(&close_method, watched, NULL) : NULL;
    if (close != NULL)
        PyObject_SetAttr(loop, hub->state->names.close, close);
    PyErr_Clear();
    Py_XDECREF(close);
    Py_XDECREF(watched);
    compat_raise(raised);
}

void close_watch_end(HubObject *hub, PyObject *loop)
{
    PyObject *raised = compat_take_exception();
    PyObject *name = hub->state->names.close;
    PyObject *close = PyObject_GetAttr(loop, name);
    if (close != NULL && is_of_hub(close, hub))
        PyObject_SetAttr(loop, name, NULL);
    PyErr_Clear();
    Py_XDECREF(close);
    compat_raise(raised);
}

/* The loop's own close(), a new reference; NULL with an exception. */
static PyObject *own_close(HubObject *hub, PyObject *loop)
{
    close_watch_end(hub, loop);
    PyObject *close = PyObject_GetAttr(loop, hub->state->names.close);
    if (close == NULL || !is_of_hub(close, hub))
        return close;
    Py_DECREF(close);
    PyErr_NoMemory(); /* nothing else can have kept it there */
    return NULL;
}

static PyObject *close_loop(PyObject *watched, PyObject *args, PyObject *kwargs)
{
    /* New references, because the loop's attribute may have the last ones. */
    HubObject *hub = (HubObject *)Py_NewRef(PyTuple_GET_ITEM(watched, WATCHED_HUB));
    PyObject *loop = Py_NewRef(PyTuple_GET_ITEM(watched, WATCHED_LOOP));
    PyObject *close = own_close(hub, loop);
    PyObject *result = close != NULL ? PyObject_Call(close, args, kwargs) : NULL;
    bool over = loop_is_over(hub);
    GUARD_BEGIN(hub);
    if (over)
        hub_end(hub);
    else if (hub->token != NULL) /* it was running, say */
        close_watch_begin(hub, loop);
    GUARD_END();
    Py_XDECREF(close);
    Py_DECREF(loop);
    Py_DECREF(hub);
    return result;
}
