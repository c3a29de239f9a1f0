/* SPDX-License-Identifier: MIT
 *
 * The write end of a child's stdin: asyncio's WriteTransport.
 *
 * It stays registered with no interest in anything while nothing is queued, for
 * then the poller still tells when the child closes its stdin.
 */
#include "binding/arguments.h"
#include "binding/pipes.h"
#include "binding/future.h"

#include "binding/errors.h"
#include "binding/transport.h"
#include "posix/fd.h"

static void release_owner(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

WritePipeObject *write_pipe_new(struct fp_state *state, HubObject *hub, TransportObject *child)
{
    PyTypeObject *type = (PyTypeObject *)state->write_pipe_type;
    WritePipeObject *self = (WritePipeObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->child = (TransportObject *)Py_NewRef((PyObject *)child);
    self->fd = -1;
    self->slot = -1;
    fp_outflow_init(&self->out, release_owner);
    return self;
}

int write_pipe_connect(WritePipeObject *self, int fd)
{
    if (self->lost) {
        fp_fd_close(&fd);
        return 0;
    }
    self->fd = fd;
    self->interest = self->out.pending > 0 ? FP_WANT_WRITE : FP_WANT_NOTHING;
    self->slot = hub_add(self->hub, fd, self->interest, HUB_WRITE, (PyObject *)self);
    return self->slot < 0 ? -1 : 0;
}

static void disconnect(WritePipeObject *self)
{
    self->closing = self->lost = true;
    hub_remove(self->hub, &self->slot, self->fd);
    fp_fd_close(&self->fd);
    fp_outflow_clear(&self->out);
    Py_CLEAR(self->child);
}

/* The end, expected (exception is NULL) or not.  The caller holds a reference. */
static void lose(WritePipeObject *self, PyObject *exception)
{
    if (self->lost)
        return;
    disconnect(self);
    self->lost_to = Py_XNewRef(exception);
    future_wake_all(self->hub->state, &self->drain_waiters);
    future_wake_all(self->hub->state, &self->close_waiters);
}

/* Ends with the OSError of -err. */
static void lose_to_errno(WritePipeObject *self, int err)
{
    PyObject *exception = exception_of_errno(err);
    lose(self, exception);
    Py_XDECREF(exception);
}

/* 0 or -1. */
static int set_interest(WritePipeObject *self, unsigned interest)
{
    if (self->interest == interest || self->slot < 0)
        return 0;
    if (hub_modify(self->hub, self->slot, self->fd, interest) < 0)
        return -1;
    self->interest = interest;
    return 0;
}

static void update_flow(WritePipeObject *self)
{
    if (!self->paused && self->out.pending > self->out.high_water) {
        self->paused = true;
    } else if (self->paused && self->out.pending <= self->out.low_water) {
        self->paused = false;
        future_wake_all(self->hub->state, &self->drain_waiters);
    }
}

/* Queues what is left of a write.  0 or -1. */
static int queue_rest(WritePipeObject *self, PyObject *data, const char *bytes, size_t count)
{
    int err;
    if (PyBytes_CheckExact(data) && count >= FP_WORTH_A_REFERENCE) {
        err = fp_outflow_refer(&self->out, bytes, count, Py_NewRef(data));
        if (err < 0)
            Py_DECREF(data);
    } else {
        err = fp_outflow_copy(&self->out, bytes, count);
    }
    if (err < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (set_interest(self, FP_WANT_WRITE) < 0)
        return -1;
    update_flow(self);
    return 0;
}

/* 0 or -1. */
static int write_bytes(WritePipeObject *self, PyObject *data, const char *bytes, size_t count)
{
    if (self->closing || count == 0)
        return 0;
    size_t written = 0;
    if (self->out.pending == 0 && self->fd >= 0) {
        ssize_t n = fp_fd_write(self->fd, bytes, count);
        if (n < 0 && n != -EAGAIN) {
            lose_to_errno(self, (int)n);
            return 0; /* drain() and wait_closed() tell */
        }
        written = n > 0 ? (size_t)n : 0;
        if (written == count)
            return 0;
    }
    return queue_rest(self, data, bytes + written, count - written);
}

int write_pipe_write(WritePipeObject *self, PyObject *data)
{
    if (PyBytes_CheckExact(data))
        return write_bytes(self, data, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_FULL_RO) < 0)
        return -1;
    int result = -1;
    if (PyBuffer_IsContiguous(&view, 'C')) {
        result = write_bytes(self, data, view.buf, (size_t)view.len);
    } else {
        PyObject *copy = PyBytes_FromStringAndSize(NULL, view.len);
        if (copy != NULL &&
            PyBuffer_ToContiguous(PyBytes_AS_STRING(copy), &view, view.len, 'C') == 0)
            result = write_bytes(self, copy, PyBytes_AS_STRING(copy), (size_t)view.len);
        Py_XDECREF(copy);
    }
    PyBuffer_Release(&view);
    return result;
}

int write_pipe_writelines(WritePipeObject *self, PyObject *lines)
{
    struct fp_state *state = self->hub->state;
    PyObject *joined = PyObject_CallMethodOneArg(state->empty_bytes, state->names.join, lines);
    int result = joined != NULL ? write_pipe_write(self, joined) : -1;
    Py_XDECREF(joined);
    return result;
}

void write_pipe_close(WritePipeObject *self)
{
    if (self->closing)
        return;
    self->closing = true;
    if (self->out.pending > 0)
        return;
    Py_INCREF(self);
    lose(self, NULL);
    Py_DECREF(self);
}

void write_pipe_ready(WritePipeObject *self, unsigned ready)
{
    if (ready & FP_BROKEN) { /* the child has closed its stdin */
        PyObject *exception = NULL;
        if (self->out.pending > 0)
            exception = PyObject_CallNoArgs(PyExc_BrokenPipeError);
        lose(self, exception);
        Py_XDECREF(exception);
        return;
    }
    if (!(ready & FP_WRITABLE))
        return;
    ssize_t written = fp_outflow_flush(&self->out, self->fd);
    if (written == -EAGAIN)
        return;
    if (written < 0) {
        lose_to_errno(self, (int)written);
        return;
    }
    if (self->out.pending == 0 && self->closing) {
        lose(self, NULL);
        return;
    }
    if (self->out.pending == 0 && set_interest(self, FP_WANT_NOTHING) < 0)
        return;
    update_flow(self);
}

void write_pipe_loop_closed(WritePipeObject *self)
{
    if (self->lost)
        return;
    Py_INCREF(self);
    disconnect(self);
    Py_DECREF(self);
}

/* ---- the type ---- */

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
    write_pipe_close((WritePipeObject *)op);
    Py_RETURN_NONE;
}

static PyObject *write_pipe_abort(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    lose((WritePipeObject *)op, NULL);
    Py_RETURN_NONE;
}

static PyObject *write_pipe_can_write_eof(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_TRUE;
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
    const struct fp_outflow *out = &((WritePipeObject *)op)->out;
    return Py_BuildValue("(nn)", (Py_ssize_t)out->low_water, (Py_ssize_t)out->high_water);
}

static PyObject *write_pipe_set_buffer_limits(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"high", "low", NULL};
    PyObject *high_given = Py_None, *low_given = Py_None;
    WritePipeObject *self = (WritePipeObject *)op;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", names,
                                     &high_given, &low_given))
        return NULL;
    Py_ssize_t high = FP_HIGH_WATER, low = 0;
    if (low_given != Py_None && (low = PyNumber_AsSsize_t(low_given, PyExc_OverflowError)) == -1 &&
        PyErr_Occurred())
        return NULL;
    if (high_given != Py_None)
        high = PyNumber_AsSsize_t(high_given, PyExc_OverflowError);
    else if (low_given != Py_None)
        high = low <= PY_SSIZE_T_MAX / 4 ? 4 * low : PY_SSIZE_T_MAX;
    if (high == -1 && PyErr_Occurred())
        return NULL;
    if (low_given == Py_None)
        low = high / 4;
    if (low < 0 || high < low) {
        PyErr_Format(PyExc_ValueError, "high (%zd) must be >= low (%zd) must be >= 0", high, low);
        return NULL;
    }
    self->out.high_water = (size_t)high;
    self->out.low_water = (size_t)low;
    update_flow(self);
    Py_RETURN_NONE;
}

static PyObject *write_pipe_repr(PyObject *op)
{
    WritePipeObject *self = (WritePipeObject *)op;
    const char *doing = self->lost ? "closed" : self->closing ? "closing" : "open";
    return PyUnicode_FromFormat("<WritePipeTransport fd=%d %s bufsize=%zu>", self->fd, doing,
                                self->out.pending);
}

static int write_pipe_traverse(PyObject *op, visitproc visit, void *arg)
{
    WritePipeObject *self = (WritePipeObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->extra);
    Py_VISIT(self->hub);
    Py_VISIT(self->child);
    Py_VISIT(self->drain_waiters);
    Py_VISIT(self->close_waiters);
    Py_VISIT(self->lost_to);
    return 0;
}

static int write_pipe_clear(PyObject *op)
{
    WritePipeObject *self = (WritePipeObject *)op;
    if (self->hub != NULL)
        disconnect(self);
    Py_CLEAR(self->extra);
    Py_CLEAR(self->drain_waiters);
    Py_CLEAR(self->close_waiters);
    Py_CLEAR(self->lost_to);
    return 0;
}

static void write_pipe_dealloc(PyObject *op)
{
    WritePipeObject *self = (WritePipeObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    write_pipe_clear(op);
    Py_CLEAR(self->hub);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef write_pipe_methods[] = {
    {"write", FASTCALL(write_pipe_write_method),
     "write($self, /, data)\n--\n\n"
     "-> None. Write a bytes-like object, queueing what does not go through at once. "
     "asyncio.WriteTransport.write."},
    {"writelines", FASTCALL(write_pipe_writelines_method),
     "writelines($self, /, list_of_data)\n--\n\n"
     "-> None. asyncio.WriteTransport.writelines."},
    {"write_eof", write_pipe_close_method, METH_NOARGS,
     "write_eof($self, /)\n--\n\n"
     "-> None. Close once all is written. asyncio.WriteTransport.write_eof."},
    {"can_write_eof", write_pipe_can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\n"
     "-> True. asyncio.WriteTransport.can_write_eof."},
    {"abort", write_pipe_abort, METH_NOARGS,
     "abort($self, /)\n--\n\n"
     "-> None. Close at once, dropping what is queued. asyncio.WriteTransport.abort."},
    {"close", write_pipe_close_method, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "-> None. Close once all is written. asyncio.BaseTransport.close."},
    {"is_closing", write_pipe_is_closing, METH_NOARGS,
     "is_closing($self, /)\n--\n\n"
     "-> bool. asyncio.BaseTransport.is_closing."},
    {"get_extra_info", (PyCFunction)(void (*)(void))write_pipe_get_extra_info,
     METH_VARARGS | METH_KEYWORDS,
     "get_extra_info($self, /, name, default=None)\n--\n\n"
     "-> object. 'pipe' gives an object with fileno(). asyncio.BaseTransport.get_extra_info."},
    {"fileno", write_pipe_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "-> int. -1 once closed."},
    {"get_write_buffer_size", write_pipe_get_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\n"
     "-> int. Bytes queued. asyncio.WriteTransport.get_write_buffer_size."},
    {"get_write_buffer_limits", write_pipe_get_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\n"
     "-> (low, high), in bytes. asyncio.WriteTransport.get_write_buffer_limits."},
    {"set_write_buffer_limits", (PyCFunction)(void (*)(void))write_pipe_set_buffer_limits,
     METH_VARARGS | METH_KEYWORDS,
     "set_write_buffer_limits($self, /, high=None, low=None)\n--\n\n"
     "-> None. The high- and low-water marks, in bytes. "
     "asyncio.WriteTransport.set_write_buffer_limits."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot write_pipe_slots[] = {
    {Py_tp_doc, "The write end of a child's pipe: an asyncio.WriteTransport."},
    {Py_tp_dealloc, write_pipe_dealloc},
    {Py_tp_traverse, write_pipe_traverse},
    {Py_tp_clear, write_pipe_clear},
    {Py_tp_repr, write_pipe_repr},
    {Py_tp_methods, write_pipe_methods},
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
    PyObject *base = module_import_attribute("asyncio", "WriteTransport");
    int result = -1;
    if (base != NULL)
        result = module_add_type(module, &write_pipe_spec, base, offsetof(WritePipeObject, hub),
                                 &state->write_pipe_type, NULL);
    Py_XDECREF(base);
    return result;
}
