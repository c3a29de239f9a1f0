/* SPDX-License-Identifier: MIT
 *
 * See linger.h.
 */
#include "child/linger.h"

#include <math.h>
#include <poll.h>

#include "loop/loop_methods.h"
#include "pipe/read_pipe.h"
#include "python/guard.h"

/* 1 << fd of each output that another process has open: only those may last.  The others end when
 * what is in them has been read, which their reader may take its time for. */
static unsigned held_outputs(const TransportObject *self)
{
    struct pollfd outputs[2];
    unsigned held = 0;
    nfds_t count = 0;
    for (int fd = 1; fd < 3; fd++) {
        const ReadPipeObject *pipe = (const ReadPipeObject *)self->pipes[fd];
        if (pipe == NULL || pipe->closing)
            continue;
        outputs[count++] = (struct pollfd){.fd = pipe->flow.fd};
        held |= 1U << fd;
    }
    if (count == 0 || poll(outputs, count, 0) < 0) /* not known: none is given up too early */
        return held;
    for (int fd = 1, i = 0; fd < 3; fd++)
        if ((held & 1U << fd) && (outputs[i++].revents & POLLHUP))
            held &= ~(1U << fd);
    return held;
}

/* Called by the loop's timer. */
static PyObject *end_outputs(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    TransportObject *self = (TransportObject *)op;
    Py_CLEAR(self->linger_timer);
    if (!hub_is_alive(self->hub))
        Py_RETURN_NONE;
    unsigned held = held_outputs(self);
    for (int fd = 1; fd < 3; fd++) {
        ReadPipeObject *pipe = (ReadPipeObject *)self->pipes[fd];
        if (!(held & 1U << fd) || pipe == NULL || pipe->closing)
            continue;
        self->lingered = true;
        read_pipe_finish(pipe);
    }
    Py_RETURN_NONE;
}

GUARD_BY(((TransportObject *)op)->hub);
GUARD_METHOD(end_outputs);

void linger_begin(TransportObject *self)
{
    static PyMethodDef method = {"end_outputs", GUARDED(end_outputs), METH_NOARGS, NULL};
    if (self->linger < 0 || self->phase != TRANSPORT_EXITED || self->linger_timer != NULL ||
        !hub_is_alive(self->hub) || held_outputs(self) == 0)
        return;
    PyObject *raised = compat_take_exception();
    PyObject *callback = PyCFunction_New(&method, (PyObject *)self);
    if (callback != NULL)
        self->linger_timer = loop_call_later(self->hub, self->linger, callback, NULL);
    Py_XDECREF(callback);
    hub_settle_exception(self->hub, (PyObject *)self);
    if (self->linger_timer == NULL) /* no memory for it: rather too early than never */
        Py_XDECREF(end_outputs((PyObject *)self, NULL));
    compat_raise(raised);
}

static void cancel_timer(TransportObject *self)
{
    PyObject *timer = self->linger_timer;
    self->linger_timer = NULL;
    if (timer == NULL)
        return;
    PyObject *raised = compat_take_exception();
    Py_XDECREF(PyObject_CallMethodNoArgs(timer, self->hub->state->names.cancel));
    hub_settle_exception(self->hub, (PyObject *)self);
    compat_raise(raised);
    Py_DECREF(timer);
}

void linger_set(TransportObject *self, double seconds)
{
    cancel_timer(self);
    self->linger = seconds;
    linger_begin(self);
}

int linger_read(PyObject *given, double *seconds)
{
    *seconds = -1;
    if (given == NULL || given == Py_None)
        return 0;
    *seconds = PyFloat_AsDouble(given);
    if (*seconds == -1 && PyErr_Occurred())
        return -1;
    if (*seconds >= 0) {
        if (isinf(*seconds))
            *seconds = -1;
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "linger must not be negative");
    return -1;
}
