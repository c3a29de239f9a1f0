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
    PyErr_Clear(); /* if it is no loop, there will be others to say so */
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

/* ---- exceptions that nobody awaits ---- */

PyObject *loop_context_to_keep(const HubObject *hub)
{
    return hub->on_plain_loop ? PyContext_New() : Py_NewRef(Py_None);
}

/* Has the loop call the hub, which is how it asks for a turn.  False if that cannot be, with the
 * exception that was raised, if any. */
static bool ask_for_turn(HubObject *hub)
{
    if (hub->turn_asked)
        return true;
    PyObject *context = loop_context_to_keep(hub);
    if (context != NULL)
        hub->turn_asked = loop_call_soon(hub, context, (PyObject *)hub, NULL, 0) == 0;
    Py_XDECREF(context);
    return hub->turn_asked;
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

/* What CPython 3.13 puts into an exception that is raised, its traceback above all, has no guard.
 * So only the loop's thread gets the very one, and others a copy, if it can be copied. */
static PyObject *own_exception(PyObject *kept)
{
    PyObject *copy_function = import_attribute("copy", "copy");
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

/* ---- questions and reports ---- */

bool loop_is_over(HubObject *hub)
{
    PyObject *raised = compat_take_exception();
    PyObject *loop = compat_weakref_target(hub->loop_ref);
    PyObject *answer =
        loop != NULL ? PyObject_CallMethodNoArgs(loop, hub->state->names.is_closed) : NULL;
    bool over = loop == NULL || (answer != NULL && PyObject_IsTrue(answer) == 1);
    hub_settle_exception(hub, (PyObject *)hub); /* of a signal's handler, say */
    Py_XDECREF(loop);
    Py_XDECREF(answer);
    compat_raise(raised);
    return over;
}

void hub_ask_for_turn(HubObject *hub)
{
    PyObject *raised = compat_take_exception();
    if (!ask_for_turn(hub) && !loop_is_over(hub)) /* a signal's handler has raised in there */
        hub_settle_exception(hub, (PyObject *)hub);
    PyErr_Clear(); /* then it goes on as it is */
    compat_raise(raised);
}

void loop_report(HubObject *hub, const char *message, PyObject *transport, PyObject *protocol)
{
    if (!PyErr_Occurred())
        return;
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) ||
        PyErr_ExceptionMatches(PyExc_SystemExit)) {
        hub_settle_exception(hub, transport);
        return;
    }
    PyObject *exception = compat_take_exception();
    PyObject *context =
        Py_BuildValue("{s:s,s:O,s:O,s:O}", "message", message, "exception", exception, "transport",
                      transport, "protocol", protocol != NULL ? protocol : Py_None);
    PyObject *loop = context != NULL ? hub_loop(hub) : NULL;
    if (loop != NULL)
        Py_XDECREF(
            PyObject_CallMethodOneArg(loop, hub->state->names.call_exception_handler, context));
    hub_report(transport);
    Py_XDECREF(loop);
    Py_XDECREF(context);
    Py_DECREF(exception);
}

void loop_call_protocol(HubObject *hub, PyObject *context, PyObject *transport, PyObject *protocol,
                        PyObject *name, PyObject *const *args, size_t nargs)
{
    if (protocol == NULL || !hub_is_alive(hub))
        return;
    Py_INCREF(protocol); /* whatever runs from here on may replace it */
    PyObject *raised = compat_take_exception();
    PyObject *method = PyObject_GetAttr(protocol, name);
    PyObject *copy = NULL;
    if (method != NULL)
        copy = context != NULL ? PyContext_Copy(context) : PyContext_CopyCurrent();
    if (copy != NULL && loop_call_soon(hub, copy, method, args, nargs) < 0 && loop_is_over(hub))
        PyErr_Clear(); /* it is being closed, and calls nobody any more */
    loop_report(hub, "A protocol could not be called", transport, protocol);
    Py_XDECREF(method);
    Py_XDECREF(copy);
    Py_DECREF(protocol);
    compat_raise(raised);
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
