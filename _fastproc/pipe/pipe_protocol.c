/* SPDX-License-Identifier: MIT
 *
 * The object that a pipe's transport gives as its protocol unless another was
 * set: through it the pipe's events reach the child's protocol or streams, as in
 * asyncio.  The pipe itself does not call it; it is for code that wraps a pipe's
 * protocol in its own.
 */
#include "pipe/pipe_protocol.h"

#include "pipe/pipe.h"
#include "pipe/read_pipe.h"
#include "python/arguments.h"
#include "python/guard.h"

typedef struct {
    PyObject_HEAD
    PipeObject *pipe;
} PipeProtocolObject;

static PipeObject *pipe_of(PyObject *op)
{
    return ((PipeProtocolObject *)op)->pipe;
}

static PyObject *pipe_protocol_new(PipeObject *pipe)
{
    PyTypeObject *type = (PyTypeObject *)pipe->hub->state->pipe_protocol_type;
    PipeProtocolObject *self = PyObject_GC_New(PipeProtocolObject, type);
    if (self == NULL)
        return NULL;
    self->pipe = (PipeObject *)Py_NewRef((PyObject *)pipe);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* ---- of the pipe ---- */

PyObject *pipe_get_protocol(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PipeObject *pipe = (PipeObject *)op;
    if (pipe->protocol == NULL)
        pipe->protocol = pipe_protocol_new(pipe);
    return Py_XNewRef(pipe->protocol);
}

PyObject *pipe_set_protocol(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *protocol = arguments_one("set_protocol", "protocol", true, args, nargs, names);
    if (protocol == NULL)
        return NULL;
    Py_XSETREF(((PipeObject *)op)->protocol, Py_NewRef(protocol));
    Py_RETURN_NONE;
}

/* ---- its callbacks ---- */

static PyObject *pipe_protocol_connection_made(PyObject *Py_UNUSED(op),
                                               PyObject *Py_UNUSED(transport))
{
    Py_RETURN_NONE;
}

static PyObject *pipe_protocol_data_received(PyObject *op, PyObject *data)
{
    PipeObject *pipe = pipe_of(op);
    PyObject *owner = Py_XNewRef(pipe->owner);
    PyObject *reader = pipe->number > 0 ? (PyObject *)((ReadPipeObject *)pipe)->reader : NULL;
    PyObject *result;
    Py_XINCREF(reader);
    bool to_owner = owner != NULL && pipe->owner_ops->listens(owner);
    if (to_owner)
        pipe->owner_ops->data(owner, pipe->number, data);
    if (!to_owner && reader != NULL)
        result = PyObject_CallMethodOneArg(reader, pipe->hub->state->names.feed_data, data);
    else
        result = Py_NewRef(Py_None);
    Py_XDECREF(reader);
    Py_XDECREF(owner);
    return result;
}

static PyObject *pipe_protocol_eof_received(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

static PyObject *pipe_protocol_connection_lost(PyObject *op, PyObject *exception)
{
    pipe_end(pipe_of(op), exception != Py_None ? exception : NULL);
    Py_RETURN_NONE;
}

static PyObject *pipe_protocol_pause_writing(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return pipe_tell_owner_flow(pipe_of(op), true);
}

static PyObject *pipe_protocol_resume_writing(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return pipe_tell_owner_flow(pipe_of(op), false);
}

/* ---- the type ---- */

static PyObject *pipe_protocol_get_pipe(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)pipe_of(op));
}

static PyObject *pipe_protocol_get_proc(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *owner = pipe_of(op)->owner;
    return Py_NewRef(owner != NULL ? owner : Py_None);
}

static PyObject *pipe_protocol_get_fd(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(pipe_of(op)->number);
}

static PyObject *pipe_protocol_get_disconnected(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(pipe_of(op)->disconnected);
}

static PyObject *pipe_protocol_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<PipeProtocol fd=%d pipe=%R>", pipe_of(op)->number, pipe_of(op));
}

GUARD_BY(pipe_of(op)->hub);
GUARD_METHOD(pipe_protocol_data_received);
GUARD_METHOD(pipe_protocol_connection_lost);
GUARD_METHOD(pipe_protocol_pause_writing);
GUARD_METHOD(pipe_protocol_resume_writing);
GUARD_GETTER(pipe_protocol_get_proc);
GUARD_GETTER(pipe_protocol_get_disconnected);

static int pipe_protocol_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(pipe_of(op));
    return 0;
}

static void pipe_protocol_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, pipe_protocol_dealloc);
    Py_CLEAR(((PipeProtocolObject *)op)->pipe);
    PyObject_GC_Del(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef pipe_protocol_methods[] = {
    {"connection_made", pipe_protocol_connection_made, METH_O,
     "Like asyncio.BaseProtocol.connection_made()."},
    {"data_received", GUARDED(pipe_protocol_data_received), METH_O,
     "Like asyncio.Protocol.data_received()."},
    {"eof_received", pipe_protocol_eof_received, METH_NOARGS,
     "Like asyncio.Protocol.eof_received()."},
    {"connection_lost", GUARDED(pipe_protocol_connection_lost), METH_O,
     "Like asyncio.BaseProtocol.connection_lost()."},
    {"pause_writing", GUARDED(pipe_protocol_pause_writing), METH_NOARGS,
     "Like asyncio.BaseProtocol.pause_writing()."},
    {"resume_writing", GUARDED(pipe_protocol_resume_writing), METH_NOARGS,
     "Like asyncio.BaseProtocol.resume_writing()."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pipe_protocol_getset[] = {
    {"pipe", pipe_protocol_get_pipe, NULL, "The pipe's transport.", NULL},
    {"proc", GUARDED(pipe_protocol_get_proc), NULL, "The child's transport; None at the end.",
     NULL},
    {"fd", pipe_protocol_get_fd, NULL, "0, 1 or 2.", NULL},
    {"disconnected", GUARDED(pipe_protocol_get_disconnected), NULL, "Whether the end was told.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* No tp_clear: a cycle through this one goes through its pipe, which has one. */
static PyType_Slot pipe_protocol_slots[] = {
    {Py_tp_doc, "The protocol of a child's pipe: passes on to the child's."},
    {Py_tp_dealloc, pipe_protocol_dealloc},
    {Py_tp_traverse, pipe_protocol_traverse},
    {Py_tp_repr, pipe_protocol_repr},
    {Py_tp_methods, pipe_protocol_methods},
    {Py_tp_getset, pipe_protocol_getset},
    {0, NULL},
};

static PyType_Spec pipe_protocol_spec = {
    .name = "_fastproc.PipeProtocol",
    .basicsize = sizeof(PipeProtocolObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pipe_protocol_slots,
};

int pipe_protocol_init(PyObject *module, struct fp_state *state)
{
    return state_add_type(module, &pipe_protocol_spec, NULL, 0, &state->pipe_protocol_type, NULL);
}
