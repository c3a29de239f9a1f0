/* SPDX-License-Identifier: MIT
 *
 * The read end of a child's stdout or stderr: asyncio's ReadTransport.
 *
 * While it is being read the hub refers to it; while it is paused only its
 * child and its reader do, so one that nobody will read again can be collected.
 */
#include "binding/arguments.h"
#include "binding/pipes.h"

#include "binding/errors.h"
#include "binding/reader.h"
#include "binding/transport.h"
#include "posix/fd.h"

/* How many gulps of what an ended child has left are taken in one turn of the loop. */
enum { GULPS_AT_HANGUP = 8 };

ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub, TransportObject *child)
{
    PyTypeObject *type = (PyTypeObject *)state->read_pipe_type;
    ReadPipeObject *self = (ReadPipeObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->child = (TransportObject *)Py_NewRef((PyObject *)child);
    self->flow.fd = -1;
    self->slot = -1;
    return self;
}

static int start_reading(ReadPipeObject *self)
{
    self->slot = hub_add(self->hub, self->flow.fd, FP_WANT_READ, HUB_READ, (PyObject *)self);
    return self->slot < 0 ? -1 : 0;
}

int read_pipe_connect(ReadPipeObject *self, int fd)
{
    if (self->closing) {
        fp_fd_close(&fd);
        return 0;
    }
    self->flow.fd = fd;
    return self->paused ? 0 : start_reading(self);
}

/* Closes the descriptor and lets go of the child, not of the reader. */
static void disconnect(ReadPipeObject *self)
{
    self->closing = true;
    hub_remove(self->hub, &self->slot, self->flow.fd);
    fp_fd_close(&self->flow.fd);
    Py_CLEAR(self->child);
}

/* The end, expected (exception is NULL) or not.  The caller holds a reference. */
static void lose(ReadPipeObject *self, PyObject *exception)
{
    TransportObject *child = (TransportObject *)Py_XNewRef((PyObject *)self->child);
    disconnect(self);
    ReaderObject *reader = self->reader;
    self->reader = NULL;
    if (reader != NULL && exception != NULL)
        reader_set_exception(reader, exception);
    else if (reader != NULL)
        reader_set_eof(reader);
    Py_XDECREF(reader);
    if (child != NULL)
        transport_maybe_finish(child);
    Py_XDECREF(child);
}

void read_pipe_close(ReadPipeObject *self)
{
    if (self->closing)
        return;
    Py_INCREF(self);
    lose(self, NULL);
    Py_DECREF(self);
}

void read_pipe_pause(ReadPipeObject *self)
{
    if (self->closing || self->paused)
        return;
    self->paused = true;
    hub_remove(self->hub, &self->slot, self->flow.fd);
}

int read_pipe_resume(ReadPipeObject *self)
{
    if (self->closing || !self->paused)
        return 0;
    self->paused = false;
    return self->flow.fd >= 0 ? start_reading(self) : 0;
}

void read_pipe_ready(ReadPipeObject *self, unsigned ready)
{
    int gulps = ready & (FP_HANGUP | FP_BROKEN) ? GULPS_AT_HANGUP : 1;
    while (gulps-- > 0 && self->slot >= 0 && self->reader != NULL) {
        ReaderObject *reader = self->reader;
        switch (fp_inflow_read(&self->flow, &reader->buffer, &reader_memory, &self->hub->scratch)) {
        case FP_FLOW_DATA:
            Py_INCREF(reader); /* a transport of its user's may do anything when it is paused */
            reader_fed(reader);
            Py_DECREF(reader);
            break;
        case FP_FLOW_EOF:
            lose(self, NULL);
            return;
        case FP_FLOW_AGAIN:
            return;
        case FP_FLOW_ERROR: {
            PyObject *exception = exception_of_errno(-self->flow.err);
            lose(self, exception);
            Py_XDECREF(exception);
            return;
        }
        }
    }
}

void read_pipe_loop_closed(ReadPipeObject *self)
{
    if (self->closing)
        return;
    Py_INCREF(self);
    disconnect(self);
    ReaderObject *reader = self->reader;
    self->reader = NULL;
    if (reader != NULL && !reader->eof) { /* truncated: not an end of file; nobody can be woken */
        if (reader->exception == NULL)
            reader->exception =
                PyObject_CallFunction(PyExc_RuntimeError, "s", "Event loop is closed");
        PyErr_Clear();
    }
    Py_XDECREF(reader);
    Py_DECREF(self);
}

/* ---- the type ---- */

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
    read_pipe_close((ReadPipeObject *)op);
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

static int read_pipe_traverse(PyObject *op, visitproc visit, void *arg)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->extra);
    Py_VISIT(self->hub);
    Py_VISIT(self->child);
    Py_VISIT(self->reader);
    return 0;
}

static int read_pipe_clear(PyObject *op)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    if (self->hub != NULL)
        disconnect(self);
    Py_CLEAR(self->extra);
    Py_CLEAR(self->reader);
    return 0;
}

static void read_pipe_dealloc(PyObject *op)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    read_pipe_clear(op);
    Py_CLEAR(self->hub);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef read_pipe_methods[] = {
    {"pause_reading", read_pipe_pause_reading, METH_NOARGS,
     "pause_reading($self, /)\n--\n\n"
     "-> None. Stop reading; asyncio.ReadTransport.pause_reading."},
    {"resume_reading", read_pipe_resume_reading, METH_NOARGS,
     "resume_reading($self, /)\n--\n\n"
     "-> None. Read again; asyncio.ReadTransport.resume_reading."},
    {"is_reading", read_pipe_is_reading, METH_NOARGS,
     "is_reading($self, /)\n--\n\n"
     "-> bool. asyncio.ReadTransport.is_reading."},
    {"is_closing", read_pipe_is_closing, METH_NOARGS,
     "is_closing($self, /)\n--\n\n"
     "-> bool. asyncio.BaseTransport.is_closing."},
    {"close", read_pipe_close_method, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "-> None. Close the pipe; its reader sees the end of the stream. "
     "asyncio.BaseTransport.close."},
    {"get_extra_info", (PyCFunction)(void (*)(void))read_pipe_get_extra_info,
     METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\n"
     "-> object. 'pipe' gives an object with fileno(). asyncio.BaseTransport.get_extra_info."},
    {"fileno", read_pipe_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "-> int. -1 once closed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot read_pipe_slots[] = {
    {Py_tp_doc, "The read end of a child's pipe: an asyncio.ReadTransport."},
    {Py_tp_dealloc, read_pipe_dealloc},
    {Py_tp_traverse, read_pipe_traverse},
    {Py_tp_clear, read_pipe_clear},
    {Py_tp_repr, read_pipe_repr},
    {Py_tp_methods, read_pipe_methods},
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
    PyObject *base = module_import_attribute("asyncio", "ReadTransport");
    int result = -1;
    if (base != NULL)
        result = module_add_type(module, &read_pipe_spec, base, offsetof(ReadPipeObject, hub),
                                 &state->read_pipe_type, NULL);
    Py_XDECREF(base);
    return result;
}
