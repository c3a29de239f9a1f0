/* SPDX-License-Identifier: MIT
 *
 * See protocol.h.
 */
#include "child/protocol.h"

#include "child/terminal.h"
#include "loop/protocol_calls.h"
#include "pipe/pipe.h"

static void tell(TransportObject *child, PyObject *protocol, PyObject *name, PyObject *const *args,
                 size_t nargs)
{
    loop_call_protocol(child->hub, child->context, (PyObject *)child, protocol, name, args, nargs);
}

void protocol_connection_made(TransportObject *self)
{
    PyObject *transport = (PyObject *)self;
    self->connected = true;
    tell(self, self->protocol, self->hub->state->names.connection_made, &transport, 1);
}

void protocol_process_exited(TransportObject *self)
{
    if (self->connected)
        tell(self, self->protocol, self->hub->state->names.process_exited, NULL, 0);
}

void protocol_maybe_finish(TransportObject *self)
{
    if (!self->connected || self->finished || self->phase != TRANSPORT_EXITED)
        return;
    for (int fd = 0; fd < 3; fd++)
        if (self->pipes[fd] != NULL && !((PipeObject *)self->pipes[fd])->disconnected)
            return;
    self->finished = true;
    if (self->has_terminal)
        terminal_hang_up(self);
    PyObject *no_exception = Py_None;
    tell(self, (PyObject *)self, self->hub->state->names._call_connection_lost, &no_exception, 1);
}

void protocol_tell_data(TransportObject *child, int number, PyObject *data)
{
    PyObject *fd = PyLong_FromLong(number); /* a small one: cannot fail */
    PyObject *const args[] = {fd, data};
    if (child->connected)
        tell(child, child->protocol, child->hub->state->names.pipe_data_received, args, 2);
    Py_DECREF(fd);
}

void protocol_tell_lost(TransportObject *child, int number, PyObject *exception)
{
    PyObject *fd = PyLong_FromLong(number);
    PyObject *const args[] = {fd, exception != NULL ? exception : Py_None};
    if (child->connected)
        tell(child, child->protocol, child->hub->state->names.pipe_connection_lost, args, 2);
    Py_DECREF(fd);
}

PyObject *protocol_tell_flow(TransportObject *child, PyObject *name)
{
    if (child->protocol == NULL)
        Py_RETURN_NONE;
    PyObject *protocol = Py_NewRef(child->protocol);
    PyObject *result = PyObject_CallMethodNoArgs(protocol, name);
    Py_DECREF(protocol);
    return result;
}
