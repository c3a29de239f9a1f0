/* SPDX-License-Identifier: MIT
 *
 * The private attributes of a reader.  Programs look at them and set them, and so
 * do asyncio's own functions when they are called with one of these readers:
 * asyncio.StreamReader.read(reader), say.
 */
#include "pipe/reader.h"
#include "python/guard.h"

static PyObject *none_for_null(PyObject *object)
{
    return Py_NewRef(object != NULL ? object : Py_None);
}

/* The new value; NULL with an exception if the attribute is to be deleted. */
static PyObject *set_to(PyObject *value)
{
    if (value == NULL)
        PyErr_SetString(PyExc_AttributeError, "cannot delete an attribute of a StreamReader");
    return value;
}

/* Stores a reference to the value, or NULL for None.  0 or -1. */
static int set_object(PyObject **slot, PyObject *value)
{
    if (set_to(value) == NULL)
        return -1;
    Py_XSETREF(*slot, value != Py_None ? Py_NewRef(value) : NULL);
    return 0;
}

static int set_truth(bool *slot, PyObject *value)
{
    int truth = set_to(value) != NULL ? PyObject_IsTrue(value) : -1;
    if (truth < 0)
        return -1;
    *slot = truth;
    return 0;
}

static PyObject *reader_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return living_open((ReaderObject *)op);
}

static int reader_set_buffer(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (set_to(value) == NULL)
        return -1;
    if (!PyByteArray_Check(value)) {
        PyErr_Format(PyExc_TypeError, "_buffer must be a bytearray, not %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    living_replace((ReaderObject *)op, value);
    return 0;
}

static PyObject *reader_get_limit(PyObject *op, void *Py_UNUSED(closure))
{
    const struct reader_limit *limit = &((ReaderObject *)op)->limit;
    return limit->given != NULL ? Py_NewRef(limit->given) : PyLong_FromSize_t(limit->bytes);
}

static int reader_set_limit(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    struct reader_limit limit = {0};
    if (set_to(value) == NULL || reader_limit_of(value, &limit) < 0)
        return -1;
    reader_take_limit((ReaderObject *)op, &limit);
    return 0;
}

static PyObject *reader_get_eof(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((ReaderObject *)op)->eof);
}

static int reader_set_eof_only(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_truth(&((ReaderObject *)op)->eof, value);
}

static PyObject *reader_get_paused(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((ReaderObject *)op)->paused);
}

static int reader_set_paused(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_truth(&((ReaderObject *)op)->paused, value);
}

static PyObject *reader_get_transport(PyObject *op, void *Py_UNUSED(closure))
{
    return none_for_null(((ReaderObject *)op)->transport);
}

static int reader_replace_transport(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_object(&((ReaderObject *)op)->transport, value);
}

static PyObject *reader_get_waiter(PyObject *op, void *Py_UNUSED(closure))
{
    return none_for_null(((ReaderObject *)op)->waiter);
}

/* For asyncio's _wait_for_data(): any data completes the future, and None is set after the wait,
 * when somebody else may be waiting already. */
static int reader_set_waiter(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    ReaderObject *self = (ReaderObject *)op;
    if (value == Py_None && self->waiter != NULL && !self->foreign_waiter)
        return 0;
    self->wake_at = 1;
    self->foreign_waiter = true;
    return set_object(&self->waiter, value);
}

static PyObject *reader_get_raised(PyObject *op, void *Py_UNUSED(closure))
{
    return none_for_null(((ReaderObject *)op)->exception);
}

static int reader_set_raised(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_object(&((ReaderObject *)op)->exception, value);
}

static PyObject *reader_get_loop(PyObject *op, void *Py_UNUSED(closure))
{
    ReaderObject *self = (ReaderObject *)op;
    if (self->loop == NULL && self->hub != NULL)
        return hub_loop(self->hub);
    return none_for_null(self->loop);
}

static int reader_set_loop(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return set_object(&((ReaderObject *)op)->loop, value);
}

GUARD_BY(((ReaderObject *)op)->hub != NULL ? (PyObject *)((ReaderObject *)op)->hub : op);
GUARD_GETTER(reader_get_buffer);
GUARD_SETTER(reader_set_buffer);
GUARD_SETTER(reader_set_eof_only);
GUARD_SETTER(reader_set_paused);
GUARD_SETTER(reader_set_waiter);
GUARD_SETTER(reader_set_raised);
GUARD_SETTER(reader_set_loop);
GUARD_GETTER(reader_get_limit);
GUARD_SETTER(reader_set_limit);
GUARD_GETTER(reader_get_eof);
GUARD_GETTER(reader_get_paused);
GUARD_GETTER(reader_get_transport);
GUARD_SETTER(reader_replace_transport);
GUARD_GETTER(reader_get_waiter);
GUARD_GETTER(reader_get_raised);
GUARD_GETTER(reader_get_loop);

PyGetSetDef reader_getset[] = {
    {"_buffer", GUARDED(reader_get_buffer), GUARDED(reader_set_buffer), "What is buffered.", NULL},
    {"_limit", GUARDED(reader_get_limit), GUARDED(reader_set_limit), "The limit, in bytes.", NULL},
    {"_eof", GUARDED(reader_get_eof), GUARDED(reader_set_eof_only), "Whether the end was fed.",
     NULL},
    {"_paused", GUARDED(reader_get_paused), GUARDED(reader_set_paused),
     "Whether the transport is paused.", NULL},
    {"_transport", GUARDED(reader_get_transport), GUARDED(reader_replace_transport),
     "What feeds it, or None.", NULL},
    {"_waiter", GUARDED(reader_get_waiter), GUARDED(reader_set_waiter),
     "The future somebody waits on, or None.", NULL},
    {"_exception", GUARDED(reader_get_raised), GUARDED(reader_set_raised), "As exception().", NULL},
    {"_loop", GUARDED(reader_get_loop), GUARDED(reader_set_loop), "The event loop.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
