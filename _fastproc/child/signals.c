/* SPDX-License-Identifier: MIT
 *
 * See signals.h.
 */
#include "child/signals.h"

#include <signal.h>

#include "python/arguments.h"
#include "python/errors.h"

int transport_send_signal(TransportObject *self, int signum)
{
    if (self->phase != TRANSPORT_RUNNING) {
        PyErr_SetNone(PyExc_ProcessLookupError);
        return -1;
    }
    int err = fp_exit_signal(&self->child, signum);
    return err < 0 ? raise_errno(err) : 0;
}

static PyObject *send(TransportObject *self, int signum)
{
    if (transport_send_signal(self, signum) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *transport_send_signal_method(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *names)
{
    PyObject *number = arguments_one("send_signal", "signal", true, args, nargs, names);
    if (number == NULL)
        return NULL;
    TransportObject *self = (TransportObject *)op;
    if (self->phase != TRANSPORT_RUNNING) /* whatever the signal would be */
        return send(self, 0);
    Py_ssize_t signum = PyNumber_AsSsize_t(number, PyExc_OverflowError);
    if (signum == -1 && PyErr_Occurred())
        return NULL;
    return send(self, signum >= 0 && signum <= INT_MAX ? (int)signum : -1);
}

PyObject *transport_terminate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return send((TransportObject *)op, SIGTERM);
}

PyObject *transport_kill(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return send((TransportObject *)op, SIGKILL);
}
