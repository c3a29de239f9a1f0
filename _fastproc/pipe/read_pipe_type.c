/* SPDX-License-Identifier: MIT
 *
 * The Python type of a read pipe.
 */
#include "pipe/pipe_protocol.h"
#include "pipe/read_pipe.h"
#include "python/arguments.h"
#include "python/guard.h"

static PyObject *read_pipe_pause_reading(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    read_pipe_pause((ReadPipeObject *)op);
    Py_RETURN_NONE;
}

static PyObject *read_pipe_resume_reading(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (read_pipe_resume((ReadPipeObject *)op) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *read_pipe_is_reading(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    return PyBool_FromLong(!self->paused && !self->closing);
}

static PyObject *read_pipe_is_closing(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((ReadPipeObject *)op)->closing);
}

static PyObject *read_pipe_close_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    read_pipe_close_soon((ReadPipeObject *)op);
    Py_RETURN_NONE;
}

static PyObject *read_pipe_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(((ReadPipeObject *)op)->flow.fd);
}

/* 'pipe' is a file object in asyncio; the transport has the one method of it that is used. */
static PyObject *read_pipe_get_extra_info(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *otherwise;
    int known = arguments_extra_info(args, kwargs, "pipe", &otherwise);
    return known < 0 ? NULL : Py_NewRef(known ? op : otherwise);
}

static PyObject *read_pipe_repr(PyObject *op)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    const char *doing = self->closing ? "closed" : self->paused ? "paused" : "reading";
    return PyUnicode_FromFormat("<ReadPipeTransport fd=%d %s>", self->flow.fd, doing);
}

GUARD_BY(((PipeObject *)op)->hub);
GUARD_METHOD(read_pipe_pause_reading);
GUARD_METHOD(read_pipe_resume_reading);
GUARD_METHOD(read_pipe_is_reading);
GUARD_METHOD(read_pipe_is_closing);
GUARD_METHOD(read_pipe_close_method);
GUARD_METHOD(read_pipe_fileno);
GUARD_UNARY(read_pipe_repr);
GUARD_METHOD(pipe_get_protocol);
GUARD_FASTCALL(pipe_set_protocol);

static int read_pipe_traverse(PyObject *op, visitproc visit, void *arg)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    Py_VISIT(self->reader);
    return pipe_traverse(&self->base, visit, arg);
}

static int read_pipe_clear(PyObject *op)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    if (self->base.hub != NULL) {
        GUARD_BEGIN(self->base.hub);
        read_pipe_disconnect(self);
        GUARD_END();
    }
    pipe_clear(&self->base);
    Py_CLEAR(self->reader);
    return 0;
}

static void read_pipe_dealloc(PyObject *op)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, read_pipe_dealloc);
    if (self->base.weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    read_pipe_clear(op);
    Py_CLEAR(self->base.hub);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef read_pipe_methods[] = {
    {"pause_reading", GUARDED(read_pipe_pause_reading), METH_NOARGS,
     "pause_reading($self, /)\n--\n\n"
     "Stop reading from the pipe.\n\n"
     "Like asyncio.ReadTransport.pause_reading()."},
    {"resume_reading", GUARDED(read_pipe_resume_reading), METH_NOARGS,
     "resume_reading($self, /)\n--\n\n"
     "Read from the pipe again.\n\n"
     "Like asyncio.ReadTransport.resume_reading()."},
    {"is_reading", GUARDED(read_pipe_is_reading), METH_NOARGS,
     "is_reading($self, /)\n--\n\n"
     "Say whether the pipe is being read.\n\n"
     "Returns bool.\n\n"
     "Like asyncio.ReadTransport.is_reading()."},
    {"is_closing", GUARDED(read_pipe_is_closing), METH_NOARGS,
     "is_closing($self, /)\n--\n\n"
     "Say whether the transport is closed, or will be.\n\n"
     "Returns bool.\n\n"
     "Like asyncio.BaseTransport.is_closing()."},
    {"close", GUARDED(read_pipe_close_method), METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the pipe; its reader sees the end of the stream.\n\n"
     "Like asyncio.BaseTransport.close()."},
    {"get_protocol", GUARDED(pipe_get_protocol), METH_NOARGS,
     "get_protocol($self, /)\n--\n\n"
     "Give the protocol of the pipe.\n\n"
     "Returns asyncio.BaseProtocol; the one that was set, or one that\n"
     "    passes on to the protocol or the streams of the child.\n\n"
     "Like asyncio.BaseTransport.get_protocol()."},
    {"set_protocol", FASTCALL(GUARDED(pipe_set_protocol)),
     "set_protocol($self, /, protocol)\n--\n\n"
     "Set the protocol that gets the data from now on.\n\n"
     "protocol: asyncio.BaseProtocol.\n\n"
     "Like asyncio.BaseTransport.set_protocol()."},
    {"get_extra_info", (PyCFunction)(void (*)(void))read_pipe_get_extra_info,
     METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\n"
     "Give optional information about the pipe.\n\n"
     "name: str; 'pipe' gives an object with fileno().\n"
     "default: what to return for another name.\n"
     "Returns Any.\n\n"
     "Like asyncio.BaseTransport.get_extra_info()."},
    {"fileno", GUARDED(read_pipe_fileno), METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "Give the descriptor of the pipe.\n\n"
     "Returns int; -1 if the pipe is closed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot read_pipe_slots[] = {
    {Py_tp_doc, "The read end of a child's pipe: an asyncio.ReadTransport."},
    {Py_tp_dealloc, read_pipe_dealloc},
    {Py_tp_traverse, read_pipe_traverse},
    {Py_tp_clear, read_pipe_clear},
    {Py_tp_repr, GUARDED(read_pipe_repr)},
    {Py_tp_methods, read_pipe_methods},
    {Py_tp_members, pipe_members},
    {Py_tp_getset, pipe_getset},
    {0, NULL},
};

static PyType_Spec read_pipe_spec = {
    .name = "_fastproc.ReadPipeTransport",
    .basicsize = sizeof(ReadPipeObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = read_pipe_slots,
};

int read_pipe_init(PyObject *module, struct fp_state *state)
{
    PyObject *base = import_attribute("asyncio", "ReadTransport");
    int result = -1;
    if (base != NULL)
        result = state_add_type(module, &read_pipe_spec, base, offsetof(PipeObject, hub),
                                &state->read_pipe_type, NULL);
    Py_XDECREF(base);
    return result;
}
