/* SPDX-License-Identifier: MIT
 *
 * See exceptions.h.
 */
#include "loop/exceptions.h"

#include "loop/loop_methods.h"

/* Asks the loop to call the hub in its next turn.  False if that fails, with the exception that was
 * raised, if any. */
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

/* CPython 3.13 changes a raised exception, above all its traceback, without a lock.  So only the
 * loop's thread gets the exception itself, and others get a copy, if it can be copied. */
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

bool loop_is_over(HubObject *hub)
{
    PyObject *raised = compat_take_exception();
    bool over = loop_is_closed(hub) == 1;
    hub_settle_exception(hub, (PyObject *)hub); /* of a signal's handler, say */
    compat_raise(raised);
    return over;
}

void hub_ask_for_turn(HubObject *hub)
{
    PyObject *raised = compat_take_exception();
    if (!ask_for_turn(hub) && !loop_is_over(hub)) /* a signal's handler has raised in there */
        hub_settle_exception(hub, (PyObject *)hub);
    PyErr_Clear(); /* of a loop that is over: the hub stays as it is */
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
    if (context != NULL)
        loop_call_exception_handler(hub, context);
    hub_report(transport);
    Py_XDECREF(context);
    Py_DECREF(exception);
}
