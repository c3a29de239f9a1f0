/* SPDX-License-Identifier: MIT
 *
 * See linger.h.
 */
#include "child/linger.h"

#include <math.h>
#include <poll.h>

#include "loop/exceptions.h"
#include "loop/loop_methods.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "python/guard.h"

/* The descriptor of a pipe that may linger, or -1.  An input does while some is to be written. */
static int open_fd(const TransportObject *self, int fd)
{
    const PyObject *pipe = self->pipes[fd];
    if (pipe == NULL)
        return -1;
    if (fd > 0)
        return ((const ReadPipeObject *)pipe)->closing ? -1
                                                       : ((const ReadPipeObject *)pipe)->flow.fd;
    const WritePipeObject *input = (const WritePipeObject *)pipe;
    return input->lost || input->out.pending == 0 ? -1 : input->fd;
}

/* 1 << fd of each pipe that another process has open: only those may linger.  The other outputs end
 * when the data in them has been read, however long their reader takes. */
static unsigned held_pipes(const TransportObject *self)
{
    struct pollfd pipes[3]; /* poll() ignores those of -1 */
    unsigned held = 0;
    for (int fd = 0; fd < 3; fd++) {
        pipes[fd] = (struct pollfd){.fd = open_fd(self, fd)};
        held |= pipes[fd].fd >= 0 ? 1U << fd : 0;
    }
    if (held == 0 || poll(pipes, 3, 0) < 0) /* not known: none is given up too early */
        return held;
    for (int fd = 0; fd < 3; fd++)
        if (pipes[fd].revents & (fd == 0 ? POLLERR | POLLHUP : POLLHUP))
            held &= ~(1U << fd);
    return held;
}

/* Called by the loop's timer. */
static PyObject *end_pipes(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    TransportObject *self = (TransportObject *)op;
    Py_CLEAR(self->linger_timer);
    if (!hub_is_alive(self->hub))
        Py_RETURN_NONE;
    unsigned held = held_pipes(self);
    for (int fd = 0; fd < 3; fd++) {
        if (!(held & 1U << fd) || open_fd(self, fd) < 0)
            continue;
        self->lingered = true;
        if (fd == 0)
            write_pipe_abort((WritePipeObject *)self->pipes[fd]);
        else
            read_pipe_finish((ReadPipeObject *)self->pipes[fd]);
    }
    Py_RETURN_NONE;
}

GUARD_BY(((TransportObject *)op)->hub);
GUARD_METHOD(end_pipes);

void linger_begin(TransportObject *self)
{
    static PyMethodDef method = {"end_pipes", GUARDED(end_pipes), METH_NOARGS, NULL};
    if (self->linger < 0 || self->phase != TRANSPORT_EXITED || self->linger_timer != NULL ||
        !hub_is_alive(self->hub) || held_pipes(self) == 0)
        return;
    PyObject *raised = compat_take_exception();
    PyObject *callback = PyCFunction_New(&method, (PyObject *)self);
    if (callback != NULL)
        self->linger_timer = loop_call_later(self->hub, self->linger, callback, NULL);
    Py_XDECREF(callback);
    hub_settle_exception(self->hub, (PyObject *)self);
    if (self->linger_timer == NULL) /* no memory for it: rather too early than never */
        Py_XDECREF(end_pipes((PyObject *)self, NULL));
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
