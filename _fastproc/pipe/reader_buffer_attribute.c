/* SPDX-License-Identifier: MIT
 *
 * The living buffer of a reader: the bytearray that reader._buffer is in asyncio,
 * for programs that look into it and change it.
 *
 * A reader has one from the first use of that attribute on.  Then it holds the
 * buffered bytes, and each function here uses it in its current state;
 * reader->buffer is only for new bytes on their way there.  They stay in
 * reader->buffer while somebody holds a memoryview of the bytearray, which then
 * cannot change its size.
 */
#include "pipe/reader.h"
#include "pipe/reader_memory.h"
#include "python/guard.h"

#include <string.h>

/* bytearray's own operations, even if a subclass overrides them. */
static PyObject *append(PyObject *living, PyObject *piece)
{
    return PyByteArray_Type.tp_as_sequence->sq_inplace_concat(living, piece);
}

static int delete_front(PyObject *living, Py_ssize_t count)
{
    PyObject *end = PyLong_FromSsize_t(count);
    PyObject *slice = end != NULL ? PySlice_New(NULL, end, NULL) : NULL;
    int result = -1;
    if (slice != NULL)
        result = PyByteArray_Type.tp_as_mapping->mp_ass_subscript(living, slice, NULL);
    Py_XDECREF(end);
    Py_XDECREF(slice);
    return result;
}

PyObject *living_open(ReaderObject *self)
{
    if (self->living == NULL) {
        PyObject *living = PyByteArray_FromStringAndSize(NULL, 0);
        if (living == NULL)
            return NULL;
        Py_XSETREF(self->living, living);
        self->scan_byte = -1;
    }
    if (living_absorb(self) < 0)
        PyErr_Clear();
    return Py_NewRef(self->living);
}

void living_replace(ReaderObject *self, PyObject *living)
{
    fp_buffer_free(&self->buffer, &reader_memory);
    Py_XSETREF(self->living, Py_NewRef(living));
    self->scan_byte = -1;
}

/* Puts back the piece that could not be appended, before the bytes that have come in meanwhile. */
static void put_back(ReaderObject *self, PyObject *piece)
{
    PyObject *raised = compat_take_exception();
    struct fp_buffer newer = self->buffer;
    self->buffer = (struct fp_buffer){0};
    bool fits = fp_buffer_append(&self->buffer, &reader_memory, PyBytes_AS_STRING(piece),
                                 (size_t)PyBytes_GET_SIZE(piece));
    if (fits && fp_buffer_length(&newer) > 0)
        fits = fp_buffer_append(&self->buffer, &reader_memory, fp_buffer_bytes(&newer),
                                fp_buffer_length(&newer));
    fp_buffer_free(&newer, &reader_memory);
    compat_raise(raised);
    if (!fits)
        PyErr_NoMemory();
}

int living_absorb(ReaderObject *self)
{
    size_t count = fp_buffer_length(&self->buffer);
    if (count == 0)
        return 0;
    PyObject *piece =
        PyBytes_FromStringAndSize((const char *)fp_buffer_bytes(&self->buffer), (Py_ssize_t)count);
    if (piece == NULL)
        return -1;
    fp_buffer_free(&self->buffer, &reader_memory); /* first: another thread may come */
    PyObject *living = Py_NewRef(self->living);
    PyObject *grown = append(living, piece);
    if (grown == NULL)
        put_back(self, piece);
    Py_DECREF(living);
    Py_DECREF(piece);
    Py_XDECREF(grown);
    return grown != NULL ? 0 : -1;
}

size_t living_length(const ReaderObject *self)
{
    return (size_t)PyByteArray_Size(self->living) + fp_buffer_length(&self->buffer);
}

ssize_t living_find(ReaderObject *self, const void *separator, size_t size)
{
    ssize_t at;
    PyObject *living = Py_NewRef(self->living);
    GUARD_BEGIN(living);
    struct fp_buffer view = {.block = (unsigned char *)PyByteArray_AS_STRING(living),
                             .end = (size_t)PyByteArray_GET_SIZE(living)};
    at = fp_buffer_find(&view, separator, size, 0);
    GUARD_END();
    Py_DECREF(living);
    return at;
}

int living_drop(ReaderObject *self, size_t count)
{
    PyObject *living = Py_NewRef(self->living);
    int result = delete_front(living, (Py_ssize_t)count);
    Py_DECREF(living);
    return result;
}

PyObject *living_take(ReaderObject *self, size_t count)
{
    if (living_absorb(self) < 0)
        return NULL;
    PyObject *living = Py_NewRef(self->living), *taken;
    int result = -1;
    GUARD_BEGIN(living);
    size_t length = (size_t)PyByteArray_GET_SIZE(living);
    taken = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(living),
                                      (Py_ssize_t)(count < length ? count : length));
    if (taken != NULL)
        result = delete_front(living, PyBytes_GET_SIZE(taken));
    GUARD_END();
    Py_DECREF(living);
    if (result < 0)
        Py_CLEAR(taken);
    return taken;
}
