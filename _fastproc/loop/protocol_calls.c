/* SPDX-License-Identifier: MIT
 *
 * See protocol_calls.h.
 */
#include "loop/protocol_calls.h"

#include "loop/exceptions.h"
#include "loop/loop_methods.h"

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
        PyErr_Clear(); /* the loop is being closed, and calls nothing any more */
    loop_report(hub, "A protocol could not be called", transport, protocol);
    Py_XDECREF(method);
    Py_XDECREF(copy);
    Py_DECREF(protocol);
    compat_raise(raised);
}
