/* SPDX-License-Identifier: MIT
 *
 * The type StreamReader: an asyncio.StreamReader with the buffer in C.  A child's
 * pipe fills it directly; one made by hand is fed by feed_data().
 */
#include "loop/future.h"
#include "pipe/reader.h"
#include "pipe/reader_memory.h"
#include "python/arguments.h"
#include "python/coroutine_function.h"
#include "python/guard.h"
#include "python/lists.h"

static PyObject *reader_type_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                                 PyObject *Py_UNUSED(kwargs))
{
    ReaderObject *self = (ReaderObject *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->limit = reader_default_limit;
        self->scan_byte = -1;
    }
    return (PyObject *)self;
}

static int reader_init_method(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", "loop", NULL};
    ReaderObject *self = (ReaderObject *)op;
    struct reader_limit limit = reader_default_limit;
    PyObject *given = NULL, *loop = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:StreamReader", names, &given, &loop))
        return -1;
    if (given != NULL && reader_limit_of(given, &limit) < 0)
        return -1;
    struct fp_state *state = state_of(self);
    loop = loop == Py_None ? state_call_in_events(state, state->names.get_event_loop)
                           : Py_NewRef(loop);
    if (loop == NULL) {
        Py_XDECREF(limit.given);
        return -1;
    }
    reader_take_limit(self, &limit);
    Py_XSETREF(self->loop, loop);
    return 0;
}

static PyObject *reader_feed_data(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                  PyObject *names)
{
    ReaderObject *self = (ReaderObject *)op;
    PyObject *data = arguments_one("feed_data", "data", true, args, nargs, names);
    if (data == NULL)
        return NULL;
    Py_buffer view;
    if (self->eof) {
        PyErr_SetString(PyExc_AssertionError, "feed_data after feed_eof");
        return NULL;
    }
    PyObject *bytes = PyObject_CheckBuffer(data) ? Py_NewRef(data) : PyBytes_FromObject(data);
    int result = bytes != NULL ? PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) : -1;
    Py_XDECREF(bytes); /* which the view keeps */
    if (result < 0)
        return NULL;
    bool fits = fp_buffer_append(&self->buffer, &reader_memory, view.buf, (size_t)view.len);
    bool any = view.len > 0;
    PyBuffer_Release(&view);
    if (!fits)
        return PyErr_NoMemory();
    if (any)
        reader_fed(self);
    Py_RETURN_NONE;
}

static PyObject *reader_feed_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    reader_set_eof((ReaderObject *)op);
    Py_RETURN_NONE;
}

static PyObject *reader_at_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ReaderObject *self = (ReaderObject *)op;
    return PyBool_FromLong(self->eof && reader_length(self) == 0);
}

static PyObject *reader_set_exception_method(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                             PyObject *names)
{
    PyObject *exception = arguments_one("set_exception", "exc", true, args, nargs, names);
    if (exception == NULL)
        return NULL;
    if (PyExceptionClass_Check(exception))
        exception = PyObject_CallNoArgs(exception);
    else
        Py_INCREF(exception);
    if (exception == NULL)
        return NULL;
    if (!PyExceptionInstance_Check(exception)) {
        PyErr_Format(PyExc_TypeError, "an exception is required, not %.200s",
                     Py_TYPE(exception)->tp_name);
        Py_DECREF(exception);
        return NULL;
    }
    reader_set_exception((ReaderObject *)op, exception);
    Py_DECREF(exception);
    Py_RETURN_NONE;
}

static PyObject *reader_get_exception(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *exception = ((ReaderObject *)op)->exception;
    return Py_NewRef(exception != NULL ? exception : Py_None);
}

static PyObject *reader_wakeup_waiter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    future_wake(state_of(op), &((ReaderObject *)op)->waiter);
    Py_RETURN_NONE;
}

static PyObject *reader_set_transport(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *names)
{
    ReaderObject *self = (ReaderObject *)op;
    PyObject *transport = arguments_one("set_transport", "transport", true, args, nargs, names);
    if (transport == NULL)
        return NULL;
    if (self->transport != NULL) {
        PyErr_SetString(PyExc_AssertionError, "Transport already set");
        return NULL;
    }
    self->transport = Py_NewRef(transport);
    Py_RETURN_NONE;
}

static PyObject *reader_aiter(PyObject *self)
{
    return Py_NewRef(self);
}

/* Adds the formatted object, unless it is NULL; it may be replaced while its repr is made. */
static int add_object(PyObject *parts, const char *format, PyObject *object)
{
    if (object == NULL)
        return 0;
    Py_INCREF(object);
    int result = list_append_stolen(parts, PyUnicode_FromFormat(format, object));
    Py_DECREF(object);
    return result;
}

static int add_limit(PyObject *parts, const struct reader_limit *limit)
{
    if (limit->given != NULL)
        return add_object(parts, "limit=%S", limit->given);
    if (limit->bytes == reader_default_limit.bytes)
        return 0;
    return list_append_stolen(parts, PyUnicode_FromFormat("limit=%zu", limit->bytes));
}

static PyObject *reader_repr(PyObject *op)
{
    ReaderObject *self = (ReaderObject *)op;
    size_t length = reader_length(self);
    PyObject *parts = PyList_New(0), *space = NULL, *joined = NULL, *repr = NULL;
    if (parts == NULL || list_append_stolen(parts, PyUnicode_FromString("StreamReader")) < 0)
        goto done;
    if (length > 0 && list_append_stolen(parts, PyUnicode_FromFormat("%zu bytes", length)) < 0)
        goto done;
    if (self->eof && list_append_stolen(parts, PyUnicode_FromString("eof")) < 0)
        goto done;
    if (add_limit(parts, &self->limit) < 0)
        goto done;
    if (add_object(parts, "waiter=%R", self->waiter) < 0 ||
        add_object(parts, "exception=%R", self->exception) < 0 ||
        add_object(parts, "transport=%R", self->transport) < 0)
        goto done;
    if (self->paused && list_append_stolen(parts, PyUnicode_FromString("paused")) < 0)
        goto done;
    space = PyUnicode_FromString(" ");
    joined = space != NULL ? PyUnicode_Join(space, parts) : NULL;
    repr = joined != NULL ? PyUnicode_FromFormat("<%U>", joined) : NULL;
done:
    Py_XDECREF(parts);
    Py_XDECREF(space);
    Py_XDECREF(joined);
    return repr;
}

GUARD_BY(((ReaderObject *)op)->hub != NULL ? (PyObject *)((ReaderObject *)op)->hub : op);
GUARD_METHOD(reader_wakeup_waiter);
GUARD_METHOD(reader_at_eof);
GUARD_FASTCALL(reader_feed_data);
GUARD_METHOD(reader_feed_eof);
GUARD_METHOD(reader_get_exception);
GUARD_FASTCALL(reader_set_exception_method);
GUARD_FASTCALL(reader_set_transport);
GUARD_UNARY(reader_repr);
GUARD_INIT(reader_init_method);

/* ---- the type ---- */

static int reader_traverse(PyObject *op, visitproc visit, void *arg)
{
    ReaderObject *self = (ReaderObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->hub);
    Py_VISIT(self->loop);
    Py_VISIT(self->transport);
    Py_VISIT(self->exception);
    Py_VISIT(self->waiter);
    Py_VISIT(self->living);
    Py_VISIT(self->limit.given);
    return compat_visit_dict(op, visit, arg);
}

static int reader_clear(PyObject *op)
{
    ReaderObject *self = (ReaderObject *)op;
    Py_CLEAR(self->loop);
    Py_CLEAR(self->transport);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->waiter);
    Py_CLEAR(self->living);
    Py_CLEAR(self->limit.given);
    compat_clear_dict(op);
    return 0;
}

static void reader_dealloc(PyObject *op)
{
    ReaderObject *self = (ReaderObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, reader_dealloc);
    PyObject_ClearWeakRefs(op);
    reader_clear(op);
    fp_buffer_free(&self->buffer, &reader_memory);
    if (self->arrivals != NULL) { /* which the other reader of the child may drop as well */
        GUARD_BEGIN(self->hub);
        fp_arrivals_drop(self->arrivals);
        GUARD_END();
    }
    Py_CLEAR(self->hub);
    type->tp_free(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef reader_methods[] = {
    {"read", FASTCALL(reader_read),
     "read($self, /, n=-1)\n--\n\n"
     "Read up to n bytes, as soon as there are any.\n\n"
     "n: int, in bytes; a negative number means everything until the end.\n"
     "Returns an awaitable of bytes; b'' at the end.\n"
     "Raises RuntimeError if another task is waiting for data.\n\n"
     "Like asyncio.StreamReader.read()."},
    {"readline", reader_readline, METH_NOARGS,
     "readline($self, /)\n--\n\n"
     "Read a line with its newline, or the rest if the end comes first.\n\n"
     "Returns an awaitable of bytes; b'' at the end.\n"
     "Raises ValueError for a line over the limit, RuntimeError if another\n"
     "    task is waiting for data.\n\n"
     "Like asyncio.StreamReader.readline()."},
    {"readexactly", FASTCALL(reader_readexactly),
     "readexactly($self, /, n)\n--\n\n"
     "Read exactly n bytes.\n\n"
     "n: int, in bytes.\n"
     "Returns an awaitable of bytes.\n"
     "Raises asyncio.IncompleteReadError if the end comes first (its\n"
     "    attributes are partial and expected), ValueError if n is\n"
     "    negative, RuntimeError if another task is waiting for data.\n\n"
     "Like asyncio.StreamReader.readexactly()."},
    {"readuntil", FASTCALL(reader_readuntil),
     "readuntil($self, /, separator=b'\\n')\n--\n\n"
     "Read up to a separator, and with it.\n\n"
     "separator: bytes-like, or a tuple of them: then the one that ends\n"
     "    first.\n"
     "Returns an awaitable of bytes.\n"
     "Raises asyncio.IncompleteReadError if the end comes first,\n"
     "    asyncio.LimitOverrunError if it is not found within the limit\n"
     "    (the data stays), ValueError for an empty separator,\n"
     "    RuntimeError if another task is waiting for data.\n\n"
     "Like asyncio.StreamReader.readuntil()."},
    {"at_eof", GUARDED(reader_at_eof), METH_NOARGS,
     "at_eof($self, /)\n--\n\n"
     "Say whether the end was reached and nothing is buffered.\n\n"
     "Returns bool.\n\n"
     "Like asyncio.StreamReader.at_eof()."},
    {"feed_data", FASTCALL(GUARDED(reader_feed_data)),
     "feed_data($self, /, data)\n--\n\n"
     "Append data to the buffer.\n\n"
     "data: bytes-like.\n\n"
     "Like asyncio.StreamReader.feed_data()."},
    {"feed_eof", GUARDED(reader_feed_eof), METH_NOARGS,
     "feed_eof($self, /)\n--\n\n"
     "Mark the end of the stream.\n\n"
     "Like asyncio.StreamReader.feed_eof()."},
    {"exception", GUARDED(reader_get_exception), METH_NOARGS,
     "exception($self, /)\n--\n\n"
     "Say what reading raises.\n\n"
     "Returns Exception | None; what set_exception() was called with.\n\n"
     "Like asyncio.StreamReader.exception()."},
    {"set_exception", FASTCALL(GUARDED(reader_set_exception_method)),
     "set_exception($self, /, exc)\n--\n\n"
     "Let reading raise an exception from now on.\n\n"
     "exc: Exception.\n\n"
     "Like asyncio.StreamReader.set_exception()."},
    {"set_transport", FASTCALL(GUARDED(reader_set_transport)),
     "set_transport($self, /, transport)\n--\n\n"
     "Set the transport that is paused and resumed.\n\n"
     "transport: asyncio.ReadTransport.\n"
     "Raises AssertionError if there is one already.\n\n"
     "Like asyncio.StreamReader.set_transport()."},
    {"_next_line", (PyCFunction)(void (*)(void))reader_next_line, METH_FASTCALL,
     "-> awaitable of bytes: a line of so many bytes at most, or of any length (None). For text "
     "(True) with universal newlines, and b'' at the end; else StopAsyncIteration then."},
    {"_wakeup_waiter", GUARDED(reader_wakeup_waiter), METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "StreamReader(limit=65536, loop=None)\n--\n\n"
                "Reads what a child writes: a subclass of asyncio.StreamReader.\n\n"
                "Reading from the child pauses above 2 * limit buffered bytes and\n"
                "resumes at limit."},
    {Py_tp_new, reader_type_new},
    {Py_tp_init, GUARDED(reader_init_method)},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_clear, reader_clear},
    {Py_tp_repr, GUARDED(reader_repr)},
    {Py_am_aiter, reader_aiter},
    {Py_am_anext, reader_anext},
    {Py_tp_methods, reader_methods},
    {Py_tp_getset, reader_getset},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "_fastproc.StreamReader",
    .basicsize = sizeof(ReaderObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = reader_slots,
};

int reader_init(PyObject *module, struct fp_state *state)
{
    PyObject *base = import_attribute("asyncio", "StreamReader");
    int result = -1;
    if (base != NULL)
        result = state_add_type(module, &reader_spec, base, offsetof(ReaderObject, buffer),
                                &state->reader_type, "StreamReader");
    if (result == 0)
        result = coroutine_functions_in_type(state, state->reader_type, base);
    Py_XDECREF(base);
    return result;
}
