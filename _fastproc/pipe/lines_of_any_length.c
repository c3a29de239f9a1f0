/* SPDX-License-Identifier: MIT
 *
 * StreamReader._next_line(), on which lines() is built: lines of any length, or
 * in pieces of so many bytes; each is taken out of the buffer when it is asked for,
 * so that stopping between two lines loses none.
 */
#include "pipe/reader.h"

#include <string.h>

/* AwaitableObject.argument: how many bytes a line may have, or NULL; .position: the place in the
 * stream up to which there is no end of a line. */

static const char *bytes_of(const ReaderObject *reader)
{
    return reader->living == NULL ? (const char *)fp_buffer_bytes(&reader->buffer)
                                  : PyByteArray_AS_STRING(reader->living);
}

/* The length of the first line, with its newline; 0 if its end is not there yet.  In text "\r" and
 * "\r\n" end a line, too. */
static size_t find_end(const AwaitableObject *self, size_t length, bool text)
{
    const ReaderObject *reader = (const ReaderObject *)self->owner;
    Py_ssize_t clear = (Py_ssize_t)((size_t)self->position - reader->consumed);
    size_t from = clear > 0 && reader->living == NULL ? (size_t)clear : 0;
    if (from >= length)
        return 0;
    const char *bytes = bytes_of(reader);
    const char *found = memchr(bytes + from, '\n', length - from);
    size_t end = found != NULL ? (size_t)(found - bytes) + 1 : length;
    const char *carriage = text ? memchr(bytes + from, '\r', end - from) : NULL;
    if (carriage != NULL) {
        end = (size_t)(carriage - bytes) + 1;
        return end < length && bytes[end] == '\n' ? end + 1 : end;
    }
    return found != NULL ? end : 0;
}

/* 0 or -1. */
static int skip_newline(ReaderObject *reader)
{
    if (!reader->skips_newline || reader_length(reader) == 0)
        return 0;
    reader->skips_newline = false;
    return bytes_of(reader)[0] == '\n' ? reader_consume(reader, 1) : 0;
}

static enum step take_line(ReaderObject *reader, size_t size, PyObject **result)
{
    reader->skips_newline =
        size > 0 && size == reader_length(reader) && bytes_of(reader)[size - 1] == '\r';
    *result = reader_take(reader, size);
    return *result != NULL ? STEP_DONE : STEP_FAILED;
}

static enum step look_for_line(AwaitableObject *self, PyObject **result, bool text)
{
    ReaderObject *reader = (ReaderObject *)self->owner;
    if (reader_is_hindered(reader) || (text && skip_newline(reader) < 0))
        return STEP_FAILED;
    size_t most = self->argument != NULL ? PyLong_AsSize_t(self->argument) : SIZE_MAX;
    size_t length = reader_length(reader);
    size_t end = find_end(self, length, text);
    /* A line may have one byte more if its "\r\n" would be split. */
    if (end > most &&
        !(text && end == most + 1 && memcmp(bytes_of(reader) + most - 1, "\r\n", 2) == 0))
        end = 0;
    if (end == 0 && length >= most)
        end = most;
    if (end == 0 && reader->eof)
        end = length;
    if (end > 0 || reader->eof)
        return take_line(reader, end, result);
    self->position = (Py_ssize_t)(reader->consumed + length);
    return reader_wait_for_bytes(self, result, "lines", length + 1);
}

static enum step text_line_step(AwaitableObject *self, PyObject **result)
{
    return look_for_line(self, result, true);
}

static enum step line_step(AwaitableObject *self, PyObject **result)
{
    enum step step = look_for_line(self, result, false);
    if (step == STEP_DONE && PyBytes_GET_SIZE(*result) == 0) {
        Py_CLEAR(*result);
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return STEP_FAILED;
    }
    return step;
}

#define OPS(step_function, awaited_anew)                                                           \
    {                                                                                              \
        .name = "StreamReader.lines", .step = (step_function), .forget = reader_forget_awaitable,  \
        .guard = reader_guard_of_awaitable, .awaited_by_steps = (awaited_anew),                    \
    }

static const struct awaitable_ops line_ops = OPS(line_step, true);
static const struct awaitable_ops text_line_ops = OPS(text_line_step, false);

PyObject *reader_next_line(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "_next_line() takes 2 arguments");
        return NULL;
    }
    const struct awaitable_ops *ops = args[1] == Py_True ? &text_line_ops : &line_ops;
    PyObject *most = args[0] != Py_None ? args[0] : NULL;
    if (most != NULL && PyLong_AsSize_t(most) == 0)
        PyErr_SetString(PyExc_ValueError, "max_line must be above 0");
    if (PyErr_Occurred())
        return NULL;
    return awaitable_new(state_of(self), ops, self, most, 0);
}
