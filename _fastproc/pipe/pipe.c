/* SPDX-License-Identifier: MIT
 *
 * What both kinds of pipes have in common: passing their events on.
 */
#include "pipe/pipe.h"

#include "loop/exceptions.h"
#include "loop/loop_methods.h"
#include "loop/protocol_calls.h"
#include "pipe/read_pipe.h"
#include "pipe/reader.h"
#include "pipe/write_pipe.h"

PyGetSetDef pipe_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyMemberDef pipe_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PipeObject, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PipeObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

int pipe_traverse(PipeObject *pipe, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)pipe));
    Py_VISIT(pipe->extra);
    Py_VISIT(pipe->hub);
    Py_VISIT(pipe->owner);
    Py_VISIT(pipe->protocol);
    Py_VISIT(pipe->dict);
    return 0;
}

void pipe_clear(PipeObject *pipe)
{
    Py_CLEAR(pipe->extra);
    Py_CLEAR(pipe->owner);
    Py_CLEAR(pipe->protocol);
    Py_CLEAR(pipe->dict);
}

static bool has_own_protocol(const PipeObject *pipe)
{
    return pipe->protocol != NULL &&
           !Py_IS_TYPE(pipe->protocol, (PyTypeObject *)pipe->hub->state->pipe_protocol_type);
}

/* Makes the loop call a method of the protocol that the pipe was given. */
static void tell(PipeObject *pipe, PyObject *owner, PyObject *name, PyObject *const *args,
                 size_t nargs)
{
    loop_call_protocol(pipe->hub, pipe->owner_ops->context(owner), owner, pipe->protocol, name,
                       args, nargs);
}

bool pipe_has_listener(const PipeObject *pipe)
{
    return (pipe->owner != NULL && pipe->owner_ops->listens(pipe->owner)) || has_own_protocol(pipe);
}

void pipe_data_received(PipeObject *pipe, PyObject *data)
{
    PyObject *owner = Py_XNewRef(pipe->owner);
    if (owner == NULL)
        return;
    if (has_own_protocol(pipe))
        tell(pipe, owner, pipe->hub->state->names.data_received, &data, 1);
    else if (!pipe->disconnected) /* else its end was reported already */
        pipe->owner_ops->data(owner, pipe->number, data);
    Py_DECREF(owner);
}

bool pipe_protocol_takes_end(PipeObject *pipe, PyObject *exception, bool at_eof)
{
    struct fp_state *state = pipe->hub->state;
    if (!has_own_protocol(pipe))
        return false;
    PyObject *owner = Py_XNewRef(pipe->owner);
    if (owner == NULL)
        return true;
    PyObject *argument = exception != NULL ? exception : Py_None;
    if (pipe->disconnected) /* its end was reported already: nothing refers to the owner */
        Py_CLEAR(pipe->owner);
    if (at_eof)
        tell(pipe, owner, state->names.eof_received, NULL, 0);
    tell(pipe, owner, state->names.connection_lost, &argument, 1);
    Py_DECREF(owner);
    return true;
}

PyObject *pipe_tell_owner_flow(PipeObject *pipe, bool pause)
{
    if (pipe->owner == NULL)
        Py_RETURN_NONE;
    PyObject *owner = Py_NewRef(pipe->owner);
    const struct pipe_owner_ops *ops = pipe->owner_ops;
    PyObject *result = (pause ? ops->pause_writing : ops->resume_writing)(owner);
    Py_DECREF(owner);
    return result;
}

/* In the context of the caller.  0 or -1 (see pipe.h). */
static int tell_flow(PipeObject *pipe, bool pause)
{
    struct fp_state *state = pipe->hub->state;
    PyObject *name = pause ? state->names.pause_writing : state->names.resume_writing;
    PyObject *protocol = Py_XNewRef(has_own_protocol(pipe) ? pipe->protocol : NULL);
    PyObject *done = protocol != NULL ? PyObject_CallMethodNoArgs(protocol, name)
                                      : pipe_tell_owner_flow(pipe, pause);
    bool serious = done == NULL && (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) ||
                                    PyErr_ExceptionMatches(PyExc_SystemExit));
    if (!serious)
        loop_report(pipe->hub,
                    pause ? "protocol.pause_writing() failed" : "protocol.resume_writing() failed",
                    (PyObject *)pipe, protocol);
    Py_XDECREF(done);
    Py_XDECREF(protocol);
    return serious ? -1 : 0;
}

int pipe_pause_writing(PipeObject *pipe)
{
    if (!pipe_has_listener(pipe))
        return 0;
    return tell_flow(pipe, true);
}

int pipe_resume_writing(PipeObject *pipe)
{
    if (!pipe_has_listener(pipe))
        return 0;
    PyObject *given = pipe->owner != NULL ? pipe->owner_ops->context(pipe->owner) : NULL;
    PyObject *context = given != NULL ? PyContext_Copy(given) : PyContext_CopyCurrent();
    if (context == NULL || PyContext_Enter(context) < 0) {
        Py_XDECREF(context);
        return -1;
    }
    int result = tell_flow(pipe, false);
    PyObject *raised = compat_take_exception();
    if (PyContext_Exit(context) < 0)
        PyErr_Clear();
    compat_raise(raised);
    Py_DECREF(context);
    return result;
}

/* ---- the end ---- */

static bool is_closed(const PipeObject *pipe)
{
    return pipe->number == 0 ? ((const WritePipeObject *)pipe)->lost
                             : ((const ReadPipeObject *)pipe)->closing;
}

/* May be called early, by code that wraps a pipe's protocol; the pipe keeps its owner until it is
 * closed. */
void pipe_end(PipeObject *pipe, PyObject *exception)
{
    PyObject *owner = Py_XNewRef(pipe->owner);
    if (is_closed(pipe))
        Py_CLEAR(pipe->owner);
    if (pipe->disconnected) {
        Py_XDECREF(owner);
        return;
    }
    pipe->disconnected = true;
    ReaderObject *reader = pipe->number > 0 ? ((ReadPipeObject *)pipe)->reader : NULL;
    if (reader != NULL)
        ((ReadPipeObject *)pipe)->reader = NULL;
    if (owner != NULL)
        pipe->owner_ops->end(owner, pipe->number, exception);
    if (reader != NULL && exception != NULL)
        reader_set_exception(reader, exception);
    else if (reader != NULL)
        reader_set_eof(reader);
    Py_XDECREF(reader);
    if (owner != NULL)
        pipe->owner_ops->done(owner);
    Py_XDECREF(owner);
}

bool pipe_call_soon(PipeObject *pipe, PyMethodDef *method)
{
    HubObject *hub = pipe->hub;
    if (!hub_is_alive(hub))
        return false;
    PyObject *raised = compat_take_exception();
    PyObject *context = PyContext_CopyCurrent();
    PyObject *callback = PyCFunction_NewEx(method, (PyObject *)pipe, NULL);
    bool asked =
        context != NULL && callback != NULL && loop_call_soon(hub, context, callback, NULL, 0) == 0;
    if (!asked && !loop_is_over(hub)) /* a signal's handler has raised in there */
        hub_settle_exception(hub, (PyObject *)pipe);
    PyErr_Clear();
    Py_XDECREF(context);
    Py_XDECREF(callback);
    compat_raise(raised);
    return asked;
}
