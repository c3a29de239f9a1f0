/* SPDX-License-Identifier: MIT
 *
 * See resource_warning.h.
 */
#include "child/resource_warning.h"

void resource_warning_of_running(TransportObject *self)
{
    static const char message[] = "subprocess %d is still running";
    int pid = (int)self->child.pid;
    if (PyErr_ResourceWarning(Py_REFCNT(self) > 0 ? (PyObject *)self : NULL, 1, message, pid) == 0)
        return;
    PyErr_Clear(); /* no caller could catch it: log it instead */
    state_log_warning(message, pid);
    PyErr_Clear();
}
