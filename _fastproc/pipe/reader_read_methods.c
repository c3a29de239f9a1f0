/* SPDX-License-Identifier: MIT
 *
 * read(), readline(), readexactly(), readuntil() and the iteration of a reader,
 * as awaitables: each step looks at the buffer, and waits if that is not enough.
 */
#include "loop/exceptions.h"
#include "pipe/reader.h"
#include "python/arguments.h"
#include "python/numbers.h"

enum step reader_wait_for_bytes(AwaitableObject *self, PyObject **result, const char *function,
                                size_t wake_at)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    if (reader_pull(reader))
        return self->ops->step(self, result);
    self->future = reader_create_future(reader);
    if (self->future == NULL || reader_wait(reader, function, self->future, wake_at) < 0)
        return STEP_FAILED;
    return STEP_WAIT;
}

void reader_forget_awaitable(AwaitableObject *self)
{
    if (self->owner != NULL)
        reader_forget((ReaderObject *)self->owner, self->future, self->phase == AWAITABLE_FINISHED);
}

PyObject *reader_guard_of_awaitable(AwaitableObject *self)
{
    HubObject *hub = ((ReaderObject *)self->owner)->hub;
    return hub != NULL ? (PyObject *)hub : self->owner;
}

bool reader_is_hindered(ReaderObject *reader)
{
    if (reader->exception != NULL) {
        hub_raise_kept(reader->hub, reader->exception);
        return true;
    }
    return reader->living != NULL && living_absorb(reader) < 0;
}

static enum step take(ReaderObject *reader, size_t count, PyObject **result)
{
    *result = reader_take(reader, count);
    return *result != NULL ? STEP_DONE : STEP_FAILED;
}

/* ---- read ---- */

/* AwaitableObject.count if the number given is not an int that fits: `argument` is the number, and
 * is compared as asyncio does it. */
static const Py_ssize_t AS_GIVEN = PY_SSIZE_T_MIN;

/* Awaitable with the number of bytes that was given. */
static PyObject *new_counted(PyObject *reader, const struct awaitable_ops *ops, PyObject *given)
{
    Py_ssize_t count;
    if (number_is_plain(given, &count))
        return awaitable_new(state_of(reader), ops, reader, NULL, count);
    return awaitable_new(state_of(reader), ops, reader, given, AS_GIVEN);
}

/* Before it waits, read() only looks at the sign of such a number.  0 or -1. */
static int count_as_given(PyObject *given, Py_ssize_t *count)
{
    int zero = number_compare(given, 0, Py_EQ);
    int negative = zero == 0 ? number_compare(given, 0, Py_LT) : zero;
    *count = zero > 0 ? 0 : negative > 0 ? -1 : PY_SSIZE_T_MAX;
    return zero < 0 || negative < 0 ? -1 : 0;
}

/* Makes *length the number that was given if that is less; only then it has to be an int.  0 or -1. */
static int least(PyObject *given, size_t *length)
{
    int fewer = number_compare(given, *length, Py_LT);
    if (fewer <= 0)
        return fewer;
    Py_ssize_t count = PyNumber_AsSsize_t(given, PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred())
        return -1;
    *length = (size_t)count;
    return 0;
}

static enum step read_step(AwaitableObject *self, PyObject **result)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    Py_ssize_t count = self->count;
    if (reader_is_hindered(reader) ||
        (count == AS_GIVEN && count_as_given(self->argument, &count) < 0))
        return STEP_FAILED;
    if (count == 0) {
        *result = Py_NewRef(state_of(reader)->empty_bytes);
        return STEP_DONE;
    }
    size_t length = reader_length(reader);
    if (count < 0) { /* until the end, in one piece */
        if (!reader->eof)
            return reader_wait_for_bytes(self, result, "read", SIZE_MAX);
        return take(reader, length, result);
    }
    if (length == 0 && !reader->eof)
        return reader_wait_for_bytes(self, result, "read", 1);
    if (self->count == AS_GIVEN && least(self->argument, &length) < 0)
        return STEP_FAILED;
    return take(reader, length < (size_t)count ? length : (size_t)count, result);
}

static const struct awaitable_ops read_ops = {
    .name = "StreamReader.read",
    .step = read_step,
    .forget = reader_forget_awaitable,
    .guard = reader_guard_of_awaitable,
};

PyObject *reader_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *argument = arguments_one("read", "n", false, args, nargs, names);
    if (argument != NULL)
        return new_counted(self, &read_ops, argument);
    return PyErr_Occurred() ? NULL : awaitable_new(state_of(self), &read_ops, self, NULL, -1);
}

/* ---- readexactly ---- */

/* Raises IncompleteReadError with all that is buffered; `expected` is stolen. */
static enum step raise_incomplete(ReaderObject *reader, PyObject *expected)
{
    PyObject *type = state_of(reader)->IncompleteReadError;
    PyObject *partial = expected != NULL ? reader_take(reader, reader_length(reader)) : NULL;
    PyObject *exception =
        partial != NULL ? PyObject_CallFunctionObjArgs(type, partial, expected, NULL) : NULL;
    if (exception != NULL)
        PyErr_SetObject(type, exception);
    Py_XDECREF(exception);
    Py_XDECREF(partial);
    Py_XDECREF(expected);
    return STEP_FAILED;
}

static enum step refuse_negative(void)
{
    PyErr_SetString(PyExc_ValueError, "readexactly size can not be less than zero");
    return STEP_FAILED;
}

/* With a number that is not an int that fits (AS_GIVEN). */
static enum step readexactly_as_given(AwaitableObject *self, PyObject **result)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    Py_ssize_t count;
    if (number_compare(self->argument, 0, Py_LT) > 0)
        return refuse_negative();
    if (PyErr_Occurred() || reader_is_hindered(reader) ||
        count_as_given(self->argument, &count) < 0)
        return STEP_FAILED;
    if (count == 0) {
        *result = Py_NewRef(state_of(reader)->empty_bytes);
        return STEP_DONE;
    }
    size_t length = reader_length(reader);
    int more = number_compare(self->argument, length, Py_GT);
    if (more < 0)
        return STEP_FAILED;
    if (more > 0 && reader->eof)
        return raise_incomplete(reader, Py_NewRef(self->argument));
    if (more > 0)
        return reader_wait_for_bytes(self, result, "readexactly", length + 1);
    count = PyNumber_AsSsize_t(self->argument, PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred())
        return STEP_FAILED;
    return take(reader, (size_t)count, result);
}

static enum step readexactly_step(AwaitableObject *self, PyObject **result)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    if (self->count == AS_GIVEN)
        return readexactly_as_given(self, result);
    if (self->count < 0)
        return refuse_negative();
    if (reader_is_hindered(reader))
        return STEP_FAILED;
    size_t wanted = (size_t)self->count;
    if (reader_length(reader) >= wanted)
        return take(reader, wanted, result);
    if (reader->eof)
        return raise_incomplete(reader, PyLong_FromSsize_t(self->count));
    return reader_wait_for_bytes(self, result, "readexactly", wanted);
}

static const struct awaitable_ops readexactly_ops = {
    .name = "StreamReader.readexactly",
    .step = readexactly_step,
    .forget = reader_forget_awaitable,
    .guard = reader_guard_of_awaitable,
};

PyObject *reader_readexactly(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *names)
{
    PyObject *count = arguments_one("readexactly", "n", true, args, nargs, names);
    return count != NULL ? new_counted(self, &readexactly_ops, count) : NULL;
}

/* ---- lines and other separators ---- */

/* AwaitableObject.position of readuntil(), before its first step. */
enum { UNCONVERTED = -1 };

struct search {
    bool found;
    size_t at, size; /* of the separator that ends first */
};

/* Makes bytes of the separators, before the first search: a buffer of another type may run code.
 * 0 or -1. */
static int convert_separators(AwaitableObject *self)
{
    Py_ssize_t count = PyTuple_GET_SIZE(self->argument);
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "Separator should contain at least one element");
        return -1;
    }
    PyObject *converted = PyTuple_New(count);
    if (converted == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *given = PyTuple_GET_ITEM(self->argument, i);
        PyObject *bytes = NULL;
        if (PyObject_CheckBuffer(given))
            bytes = PyBytes_FromObject(given);
        else
            PyErr_Format(PyExc_TypeError, "a bytes-like separator is required, not %.200s",
                         Py_TYPE(given)->tp_name);
        if (bytes != NULL && PyBytes_GET_SIZE(bytes) == 0) {
            PyErr_SetString(PyExc_ValueError, "Separator should be at least one-byte string");
            Py_CLEAR(bytes);
        }
        if (bytes == NULL) {
            Py_DECREF(converted);
            return -1;
        }
        PyTuple_SET_ITEM(converted, i, bytes);
    }
    Py_SETREF(self->argument, converted);
    self->position = 0;
    return 0;
}

/* Searches from self->position on, the place in the stream up to which there is no separator: other
 * coroutines may take bytes while this one waits. */
static struct search search_separators(const AwaitableObject *self, size_t *longest)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    struct search found = {false, 0, 0};
    Py_ssize_t clear = (Py_ssize_t)((size_t)self->position - reader->consumed);
    size_t from = clear > 0 ? (size_t)clear : 0; /* of no use in a living buffer */
    *longest = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->argument); i++) {
        PyObject *separator = PyTuple_GET_ITEM(self->argument, i);
        size_t size = (size_t)PyBytes_GET_SIZE(separator);
        if (size > *longest)
            *longest = size;
        const char *bytes = PyBytes_AS_STRING(separator);
        ssize_t at = reader->living == NULL ? fp_buffer_find(&reader->buffer, bytes, size, from)
                                            : living_find(reader, bytes, size);
        if (at < 0)
            continue;
        size_t end = (size_t)at + size, best = found.at + found.size;
        /* The one that ends first; of those that end together the shortest. */
        if (!found.found || end < best || (end == best && size < found.size))
            found = (struct search){true, (size_t)at, size};
    }
    return found;
}

/* For one byte, by far the most common separator: searches each byte once, however often it waits. */
static void search_byte(ReaderObject *reader, int byte, struct search *search)
{
    unsigned char separator = (unsigned char)byte;
    if (reader->living != NULL) {
        ssize_t found = living_find(reader, &separator, 1);
        *search = (struct search){found >= 0, found >= 0 ? (size_t)found : 0, 1};
        return;
    }
    if (reader->scan_byte != byte) {
        reader->scan_byte = byte;
        reader->scanned = 0;
    }
    ssize_t at = fp_buffer_find(&reader->buffer, &separator, 1, reader->scanned);
    *search = (struct search){at >= 0, at >= 0 ? (size_t)at : 0, 1};
    reader->scanned = at >= 0 ? (size_t)at : fp_buffer_length(&reader->buffer);
}

static enum step raise_overrun(ReaderObject *reader, const char *message, size_t consumed)
{
    PyObject *type = state_of(reader)->LimitOverrunError;
    PyObject *exception = PyObject_CallFunction(type, "sn", message, (Py_ssize_t)consumed);
    if (exception != NULL)
        PyErr_SetObject(type, exception);
    Py_XDECREF(exception);
    return STEP_FAILED;
}

static const char FOUND_TOO_LATE[] = "Separator is found, but chunk is longer than limit";
static const char NOT_FOUND[] = "Separator is not found, and chunk exceed the limit";

static enum step readuntil_step(AwaitableObject *self, PyObject **result)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    size_t longest;
    if (self->position == UNCONVERTED && convert_separators(self) < 0)
        return STEP_FAILED;
    if (reader_is_hindered(reader))
        return STEP_FAILED;
    struct search search = search_separators(self, &longest);
    if (search.found) {
        if (search.at > reader->limit.bytes)
            return raise_overrun(reader, FOUND_TOO_LATE, search.at);
        return take(reader, search.at + search.size, result);
    }
    size_t length = reader_length(reader);
    size_t clear = length + 1 > longest ? length + 1 - longest : 0;
    self->position = (Py_ssize_t)(reader->consumed + clear);
    if (clear > reader->limit.bytes)
        return raise_overrun(reader, NOT_FOUND, clear);
    if (reader->eof)
        return raise_incomplete(reader, Py_NewRef(Py_None));
    return reader_wait_for_bytes(self, result, "readuntil", length + 1);
}

static const struct awaitable_ops readuntil_ops = {
    .name = "StreamReader.readuntil",
    .step = readuntil_step,
    .forget = reader_forget_awaitable,
    .guard = reader_guard_of_awaitable,
};

PyObject *reader_readuntil(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *separators = arguments_one("readuntil", "separator", false, args, nargs, names);
    if (separators == NULL && PyErr_Occurred())
        return NULL;
    if (separators == NULL)
        separators = Py_BuildValue("(y#)", "\n", (Py_ssize_t)1);
    else if (PyTuple_Check(separators))
        Py_INCREF(separators);
    else
        separators = PyTuple_Pack(1, separators);
    if (separators == NULL)
        return NULL;
    PyObject *awaitable =
        awaitable_new(state_of(self), &readuntil_ops, self, separators, UNCONVERTED);
    Py_DECREF(separators);
    return awaitable;
}

/* readline() over the limit: ValueError; a line that is complete is dropped, else everything is. */
static enum step refuse_long_line(ReaderObject *reader, const struct search *search)
{
    if (reader_consume(reader, search->found ? search->at + 1 : reader_length(reader)) == 0)
        PyErr_SetString(PyExc_ValueError, search->found ? FOUND_TOO_LATE : NOT_FOUND);
    return STEP_FAILED;
}

static enum step readline_step(AwaitableObject *self, PyObject **result)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    struct search search;
    if (reader_is_hindered(reader))
        return STEP_FAILED;
    search_byte(reader, '\n', &search);
    size_t length = reader_length(reader);
    if ((search.found ? search.at : length) > reader->limit.bytes)
        return refuse_long_line(reader, &search);
    if (search.found)
        return take(reader, search.at + 1, result);
    if (reader->eof)
        return take(reader, length, result);
    return reader_wait_for_bytes(self, result, "readuntil", length + 1);
}

static const struct awaitable_ops readline_ops = {
    .name = "StreamReader.readline",
    .step = readline_step,
    .forget = reader_forget_awaitable,
    .guard = reader_guard_of_awaitable,
};

PyObject *reader_readline(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return awaitable_new(state_of(self), &readline_ops, self, NULL, 0);
}

static enum step anext_step(AwaitableObject *self, PyObject **result)
{
    enum step step = readline_step(self, result);
    if (step == STEP_DONE && PyBytes_GET_SIZE(*result) == 0) {
        Py_CLEAR(*result);
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return STEP_FAILED;
    }
    return step;
}

static const struct awaitable_ops anext_ops = {
    .name = "StreamReader.__anext__",
    .step = anext_step,
    .forget = reader_forget_awaitable,
    .guard = reader_guard_of_awaitable,
    .awaited_by_steps = true,
};

PyObject *reader_anext(PyObject *self)
{
    return awaitable_new(state_of(self), &anext_ops, self, NULL, 0);
}
