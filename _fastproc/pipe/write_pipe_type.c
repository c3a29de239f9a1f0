/* SPDX-License-Identifier: MIT
 *
 * The Python type of a write pipe.
 */
#include "pipe/end_of_input.h"
#include "pipe/pipe_protocol.h"
#include "pipe/write_pipe.h"
#include "python/arguments.h"
#include "python/guard.h"
#include "python/numbers.h"

static PyObject *write_pipe_write_method(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                         PyObject *names)
{
    PyObject *data = arguments_one("write", "data", true, args, nargs, names);
    if (data == NULL)
        return NULL;
    if (write_pipe_write((WritePipeObject *)op, data) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *write_pipe_writelines_method(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                              PyObject *names)
{
    PyObject *lines = arguments_one("writelines", "list_of_data", true, args, nargs, names);
    if (lines == NULL || write_pipe_writelines((WritePipeObject *)op, lines) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *write_pipe_close_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    end_of_input_and_close((WritePipeObject *)op);
    Py_RETURN_NONE;
}

static PyObject *write_pipe_write_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (end_of_input_write((WritePipeObject *)op) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *write_pipe_abort_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    write_pipe_abort_soon((WritePipeObject *)op);
    Py_RETURN_NONE;
}

static PyObject *write_pipe_can_write_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(end_of_input_is_there((WritePipeObject *)op));
}

static PyObject *write_pipe_is_closing(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((WritePipeObject *)op)->closing);
}

static PyObject *write_pipe_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(((WritePipeObject *)op)->fd);
}

/* 'pipe' is a file object in asyncio; the transport has the one method of it that is used. */
static PyObject *write_pipe_get_extra_info(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *otherwise;
    int known = arguments_extra_info(args, kwargs, "pipe", &otherwise);
    return known < 0 ? NULL : Py_NewRef(known ? op : otherwise);
}

static PyObject *write_pipe_get_buffer_size(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(((WritePipeObject *)op)->out.pending);
}

static PyObject *write_pipe_get_buffer_limits(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const WritePipeObject *self = (WritePipeObject *)op;
    if (self->marks != NULL)
        return Py_NewRef(self->marks);
    return Py_BuildValue("(nn)", (Py_ssize_t)self->out.low_water, (Py_ssize_t)self->out.high_water);
}

/* (low, high) as asyncio computes them from the arguments, in any type of numbers; or NULL. */
static PyObject *choose_marks(PyObject *high, PyObject *low)
{
    PyObject *four = PyLong_FromLong(4), *marks = NULL;
    if (high != Py_None)
        high = Py_NewRef(high);
    else if (low == Py_None)
        high = PyLong_FromLong(FP_HIGH_WATER);
    else
        high = four != NULL ? PyNumber_Multiply(four, low) : NULL;
    if (low != Py_None)
        low = Py_NewRef(low);
    else
        low = high != NULL && four != NULL ? PyNumber_FloorDivide(high, four) : NULL;
    if (high != NULL && low != NULL)
        marks = PyTuple_Pack(2, low, high);
    Py_XDECREF(high);
    Py_XDECREF(low);
    Py_XDECREF(four);
    return marks;
}

/* 0, or -1 with ValueError or what comparing raises. */
static int check_marks(PyObject *marks)
{
    PyObject *low = PyTuple_GET_ITEM(marks, 0), *high = PyTuple_GET_ITEM(marks, 1);
    int in_order = PyObject_RichCompareBool(high, low, Py_GE);
    if (in_order > 0)
        in_order = number_compare(low, 0, Py_GE);
    if (in_order == 0)
        PyErr_Format(PyExc_ValueError, "high (%R) must be >= low (%R) must be >= 0", high, low);
    return in_order > 0 ? 0 : -1;
}

static PyObject *write_pipe_set_buffer_limits(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"high", "low", NULL};
    PyObject *high = Py_None, *low = Py_None;
    WritePipeObject *self = (WritePipeObject *)op;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", names, &high,
                                     &low))
        return NULL;
    size_t high_water, low_water;
    PyObject *marks = choose_marks(high, low);
    if (marks == NULL || check_marks(marks) < 0 ||
        number_floor(PyTuple_GET_ITEM(marks, 0), &low_water) < 0 ||
        number_floor(PyTuple_GET_ITEM(marks, 1), &high_water) < 0) {
        Py_XDECREF(marks);
        return NULL;
    }
    self->out.high_water = high_water;
    self->out.low_water = low_water;
    Py_XSETREF(self->marks, marks);
    if (write_pipe_update_flow(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *write_pipe_repr(PyObject *op)
{
    WritePipeObject *self = (WritePipeObject *)op;
    const char *doing = self->lost ? "closed" : self->closing ? "closing" : "open";
    return PyUnicode_FromFormat("<WritePipeTransport fd=%d %s bufsize=%zu>", self->fd, doing,
                                self->out.pending);
}

GUARD_BY(((PipeObject *)op)->hub);
GUARD_FASTCALL(write_pipe_write_method);
GUARD_FASTCALL(write_pipe_writelines_method);
GUARD_METHOD(write_pipe_close_method);
GUARD_METHOD(write_pipe_write_eof);
GUARD_METHOD(write_pipe_can_write_eof);
GUARD_METHOD(write_pipe_abort_method);
GUARD_METHOD(write_pipe_is_closing);
GUARD_METHOD(write_pipe_fileno);
GUARD_METHOD(write_pipe_get_buffer_size);
GUARD_METHOD(write_pipe_get_buffer_limits);
GUARD_KEYWORDS(write_pipe_set_buffer_limits);
GUARD_UNARY(write_pipe_repr);
GUARD_METHOD(pipe_get_protocol);
GUARD_FASTCALL(pipe_set_protocol);

static int write_pipe_traverse(PyObject *op, visitproc visit, void *arg)
{
    WritePipeObject *self = (WritePipeObject *)op;
    Py_VISIT(self->drain_waiters);
    Py_VISIT(self->close_waiters);
    Py_VISIT(self->lost_to);
    Py_VISIT(self->marks);
    return pipe_traverse(&self->base, visit, arg);
}

static int write_pipe_clear(PyObject *op)
{
    WritePipeObject *self = (WritePipeObject *)op;
    if (self->base.hub != NULL) {
        GUARD_BEGIN(self->base.hub);
        write_pipe_disconnect(self);
        GUARD_END();
    }
    pipe_clear(&self->base);
    Py_CLEAR(self->drain_waiters);
    Py_CLEAR(self->close_waiters);
    Py_CLEAR(self->lost_to);
    Py_CLEAR(self->marks);
    return 0;
}

static void write_pipe_dealloc(PyObject *op)
{
    WritePipeObject *self = (WritePipeObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, write_pipe_dealloc);
    if (self->base.weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    write_pipe_clear(op);
    Py_CLEAR(self->base.hub);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef write_pipe_methods[] = {
    {"write", FASTCALL(GUARDED(write_pipe_write_method)),
     "write($self, /, data)\n--\n\n"
     "Write data to the child, and queue what the pipe does not take.\n\n"
     "data: bytes-like; the child gets what it holds now.\n"
     "Raises TypeError for anything else.\n\n"
     "Like asyncio.WriteTransport.write()."},
    {"writelines", FASTCALL(GUARDED(write_pipe_writelines_method)),
     "writelines($self, /, list_of_data)\n--\n\n"
     "Write each item of an iterable.\n\n"
     "list_of_data: iterable of bytes-like objects.\n\n"
     "Like asyncio.WriteTransport.writelines()."},
    {"write_eof", GUARDED(write_pipe_write_eof), METH_NOARGS,
     "write_eof($self, /)\n--\n\n"
     "Close the pipe as soon as everything is written.\n\n"
     "On a terminal the key for the end of file is typed instead, as its\n"
     "settings have it, and more can be written.\n\n"
     "Raises NotImplementedError if a terminal has none, as a raw one.\n\n"
     "Like asyncio.WriteTransport.write_eof()."},
    {"can_write_eof", GUARDED(write_pipe_can_write_eof), METH_NOARGS,
     "can_write_eof($self, /)\n--\n\n"
     "Say whether write_eof() may be called.\n\n"
     "Returns bool; False only for a terminal without an end of file.\n\n"
     "Like asyncio.WriteTransport.can_write_eof()."},
    {"abort", GUARDED(write_pipe_abort_method), METH_NOARGS,
     "abort($self, /)\n--\n\n"
     "Close the pipe at once, and drop what is queued.\n\n"
     "Like asyncio.WriteTransport.abort()."},
    {"close", GUARDED(write_pipe_close_method), METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the pipe as soon as everything is written.\n\n"
     "Like asyncio.BaseTransport.close()."},
    {"is_closing", GUARDED(write_pipe_is_closing), METH_NOARGS,
     "is_closing($self, /)\n--\n\n"
     "Say whether the transport is closed, or will be.\n\n"
     "Returns bool.\n\n"
     "Like asyncio.BaseTransport.is_closing()."},
    {"get_protocol", GUARDED(pipe_get_protocol), METH_NOARGS,
     "get_protocol($self, /)\n--\n\n"
     "Give the protocol of the pipe.\n\n"
     "Returns asyncio.BaseProtocol; the one that was set, or one that\n"
     "    passes on to the protocol or the streams of the child.\n\n"
     "Like asyncio.BaseTransport.get_protocol()."},
    {"set_protocol", FASTCALL(GUARDED(pipe_set_protocol)),
     "set_protocol($self, /, protocol)\n--\n\n"
     "Set the protocol that is called from now on.\n\n"
     "protocol: asyncio.BaseProtocol.\n\n"
     "Like asyncio.BaseTransport.set_protocol()."},
    {"get_extra_info", (PyCFunction)(void (*)(void))write_pipe_get_extra_info,
     METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\n"
     "Give optional information about the pipe.\n\n"
     "name: str; 'pipe' gives an object with fileno().\n"
     "default: what to return for another name.\n"
     "Returns Any.\n\n"
     "Like asyncio.BaseTransport.get_extra_info()."},
    {"fileno", GUARDED(write_pipe_fileno), METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "Give the descriptor of the pipe.\n\n"
     "Returns int; -1 if the pipe is closed."},
    {"get_write_buffer_size", GUARDED(write_pipe_get_buffer_size), METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\n"
     "Say how much is queued.\n\n"
     "Returns int; in bytes.\n\n"
     "Like asyncio.WriteTransport.get_write_buffer_size()."},
    {"get_write_buffer_limits", GUARDED(write_pipe_get_buffer_limits), METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\n"
     "Give the water marks of the queue.\n\n"
     "Returns tuple[int, int]; low and high, in bytes.\n\n"
     "Like asyncio.WriteTransport.get_write_buffer_limits()."},
    {"set_write_buffer_limits", (PyCFunction)(void (*)(void))GUARDED(write_pipe_set_buffer_limits),
     METH_VARARGS | METH_KEYWORDS,
     "set_write_buffer_limits($self, /, high=None, low=None)\n--\n\n"
     "Set the water marks of the queue.\n\n"
     "high: int, in bytes, or None for 64 KiB, or four times low if that\n"
     "    is set.\n"
     "low: int, in bytes, or None for a quarter of high.\n"
     "Raises ValueError unless 0 <= low <= high.\n\n"
     "Like asyncio.WriteTransport.set_write_buffer_limits()."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot write_pipe_slots[] = {
    {Py_tp_doc, "The write end of a child's pipe: an asyncio.Transport that only writes."},
    {Py_tp_dealloc, write_pipe_dealloc},
    {Py_tp_traverse, write_pipe_traverse},
    {Py_tp_clear, write_pipe_clear},
    {Py_tp_repr, GUARDED(write_pipe_repr)},
    {Py_tp_methods, write_pipe_methods},
    {Py_tp_members, pipe_members},
    {Py_tp_getset, pipe_getset},
    {0, NULL},
};

static PyType_Spec write_pipe_spec = {
    .name = "_fastproc.WritePipeTransport",
    .basicsize = sizeof(WritePipeObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = write_pipe_slots,
};

int write_pipe_init(PyObject *module, struct fp_state *state)
{
    PyObject *base = import_attribute("asyncio", "Transport");
    int result = -1;
    if (base != NULL)
        result = state_add_type(module, &write_pipe_spec, base, offsetof(PipeObject, hub),
                                &state->write_pipe_type, NULL);
    Py_XDECREF(base);
    return result;
}
