/* SPDX-License-Identifier: MIT
 *
 * See protocol.h.
 */
#include "binding/protocol.h"

#include "binding/loop.h"

/* Has the loop call protocol.name(*args).  Raises nothing. */
static void tell(TransportObject *child, PyObject *protocol, PyObject *name, PyObject *const *args,
                 size_t nargs)
{
    HubObject *hub = child->hub;
    if (protocol == NULL || !hub_is_alive(hub))
        return;
    Py_INCREF(protocol); /* whatever runs from here on may replace it */
    PyObject *raised = compat_take_exception();
    PyObject *method = PyObject_GetAttr(protocol, name);
    PyObject *context = NULL;
    if (method != NULL)
        context = child->context != NULL ? PyContext_Copy(child->context) : PyContext_CopyCurrent();
    if (context != NULL && loop_call_soon(hub, context, method, args, nargs) < 0 &&
        loop_is_over(hub))
        PyErr_Clear(); /* it is being closed, and calls nobody any more */
    loop_report(hub, "A protocol could not be called", (PyObject *)child, protocol);
    Py_XDECREF(method);
    Py_XDECREF(context);
    Py_DECREF(protocol);
    compat_raise(raised);
}

static bool has_own_protocol(const PipeObject *pipe)
{
    return pipe->protocol != NULL &&
           !Py_IS_TYPE(pipe->protocol, (PyTypeObject *)pipe->hub->state->pipe_protocol_type);
}

/* ---- a child's ---- */

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
    if (child == NULL || child->protocol == NULL)
        Py_RETURN_NONE;
    PyObject *protocol = Py_NewRef(child->protocol);
    PyObject *result = PyObject_CallMethodNoArgs(protocol, name);
    Py_DECREF(protocol);
    return result;
}

/* ---- a pipe's ---- */

bool protocol_has_pipe(const PipeObject *pipe)
{
    return (pipe->child != NULL && pipe->child->protocol != NULL) || has_own_protocol(pipe);
}

void protocol_data_received(PipeObject *pipe, PyObject *data)
{
    TransportObject *child = (TransportObject *)Py_XNewRef((PyObject *)pipe->child);
    if (child == NULL)
        return;
    if (has_own_protocol(pipe))
        tell(child, pipe->protocol, pipe->hub->state->names.data_received, &data, 1);
    else if (!pipe->disconnected) /* else somebody has told of its end already */
        protocol_tell_data(child, pipe->number, data);
    Py_DECREF(child);
}

bool protocol_takes_end(PipeObject *pipe, PyObject *exception, bool at_eof)
{
    struct fp_state *state = pipe->hub->state;
    if (!has_own_protocol(pipe))
        return false;
    TransportObject *child = (TransportObject *)Py_XNewRef((PyObject *)pipe->child);
    if (child == NULL)
        return true;
    PyObject *argument = exception != NULL ? exception : Py_None;
    if (pipe->disconnected) /* it has told of the end already: nothing refers to the child */
        Py_CLEAR(pipe->child);
    if (at_eof)
        tell(child, pipe->protocol, state->names.eof_received, NULL, 0);
    tell(child, pipe->protocol, state->names.connection_lost, &argument, 1);
    Py_DECREF(child);
    return true;
}

/* In the context of whoever calls.  0 or -1 (see protocol.h). */
static int tell_flow(PipeObject *pipe, PyObject *name, const char *failed)
{
    PyObject *protocol = Py_XNewRef(has_own_protocol(pipe) ? pipe->protocol : NULL);
    PyObject *done = protocol != NULL ? PyObject_CallMethodNoArgs(protocol, name)
                                      : protocol_tell_flow(pipe->child, name);
    bool serious = done == NULL && (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) ||
                                    PyErr_ExceptionMatches(PyExc_SystemExit));
    if (!serious)
        loop_report(pipe->hub, failed, (PyObject *)pipe, protocol);
    Py_XDECREF(done);
    Py_XDECREF(protocol);
    return serious ? -1 : 0;
}

int protocol_pause_writing(PipeObject *pipe)
{
    if (!protocol_has_pipe(pipe))
        return 0;
    return tell_flow(pipe, pipe->hub->state->names.pause_writing,
                     "protocol.pause_writing() failed");
}

int protocol_resume_writing(PipeObject *pipe)
{
    if (!protocol_has_pipe(pipe))
        return 0;
    TransportObject *child = pipe->child;
    PyObject *context = child != NULL && child->context != NULL ? PyContext_Copy(child->context)
                                                                : PyContext_CopyCurrent();
    if (context == NULL || PyContext_Enter(context) < 0) {
        Py_XDECREF(context);
        return -1;
    }
    int result =
        tell_flow(pipe, pipe->hub->state->names.resume_writing, "protocol.resume_writing() failed");
    PyObject *raised = compat_take_exception();
    if (PyContext_Exit(context) < 0)
        PyErr_Clear();
    compat_raise(raised);
    Py_DECREF(context);
    return result;
}
