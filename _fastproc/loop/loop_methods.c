/* SPDX-License-Identifier: MIT
 *
 * See loop_methods.h.
 */
#include "loop/loop_methods.h"

#include "loop/plain_loop.h"

/* Whether it is an instance of asyncio.AbstractEventLoop. */
static bool is_loop(struct fp_state *state, PyObject *object)
{
    PyObject *type = compat_dict_get(state->events, state->names.AbstractEventLoop);
    bool is = type != NULL && PyObject_IsInstance(object, type) == 1;
    Py_XDECREF(type);
    PyErr_Clear();
    return is;
}

PyObject *loop_behind(struct fp_state *state, PyObject *loop)
{
    if (plain_loop_by_class(state, loop))
        return Py_NewRef(loop);
    PyObject *future = PyObject_CallMethodNoArgs(loop, state->names.create_future);
    PyObject *behind =
        future != NULL ? PyObject_CallMethodNoArgs(future, state->names.get_loop) : NULL;
    PyErr_Clear(); /* if it is not a loop, a later call will say so */
    Py_XDECREF(future);
    if (behind != NULL && behind != loop && is_loop(state, behind))
        return behind;
    Py_XDECREF(behind);
    return Py_NewRef(loop);
}

int loop_call_soon(HubObject *hub, PyObject *context, PyObject *callback, PyObject *const *args,
                   size_t nargs)
{
    enum { MOST = 3 };
    struct fp_state *state = hub->state;
    PyObject *all[1 + 1 + MOST + 1];
    if (nargs > MOST) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyObject *loop = hub_loop(hub);
    if (loop == NULL)
        return -1;
    all[0] = loop;
    all[1] = callback;
    for (size_t i = 0; i < nargs; i++)
        all[2 + i] = args[i];
    all[2 + nargs] = context;
    PyObject *handle = PyObject_VectorcallMethod(state->names.call_soon, all,
                                                 (2 + nargs) | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                 state->context_keyword);
    Py_DECREF(loop);
    Py_XDECREF(handle);
    return handle != NULL ? 0 : -1;
}

PyObject *loop_create_future(struct fp_state *state, PyObject *loop)
{
    return PyObject_CallMethodNoArgs(loop, state->names.create_future);
}

int loop_add_reader(struct fp_state *state, PyObject *loop, PyObject *fd, PyObject *callback)
{
    PyObject *done = PyObject_CallMethodObjArgs(loop, state->names.add_reader, fd, callback, NULL);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

int loop_remove_reader(struct fp_state *state, PyObject *loop, PyObject *fd)
{
    PyObject *done = PyObject_CallMethodOneArg(loop, state->names.remove_reader, fd);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

PyObject *loop_context_to_keep(const HubObject *hub)
{
    return hub->on_plain_loop ? PyContext_New() : Py_NewRef(Py_None);
}

PyObject *loop_call_later(HubObject *hub, double seconds, PyObject *callback, PyObject *argument)
{
    PyObject *loop = hub_loop(hub);
    PyObject *delay = PyFloat_FromDouble(seconds);
    PyObject *timer = NULL;
    if (loop != NULL && delay != NULL)
        timer = PyObject_CallMethodObjArgs(loop, hub->state->names.call_later, delay, callback,
                                           argument, NULL);
    Py_XDECREF(loop);
    Py_XDECREF(delay);
    return timer;
}

int loop_is_closed(HubObject *hub)
{
    PyObject *loop = compat_weakref_target(hub->loop_ref);
    PyObject *answer =
        loop != NULL ? PyObject_CallMethodNoArgs(loop, hub->state->names.is_closed) : NULL;
    int closed = answer != NULL ? PyObject_IsTrue(answer) : -1;
    if (loop == NULL)
        closed = 1;
    Py_XDECREF(loop);
    Py_XDECREF(answer);
    return closed;
}

int loop_call_exception_handler(HubObject *hub, PyObject *context)
{
    PyObject *loop = hub_loop(hub);
    PyObject *done = NULL;
    if (loop != NULL)
        done = PyObject_CallMethodOneArg(loop, hub->state->names.call_exception_handler, context);
    Py_XDECREF(loop);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}
