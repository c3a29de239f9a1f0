/* SPDX-License-Identifier: MIT
 *
 * See awaitable_looks.h.
 */
#include "loop/awaitable_looks.h"

#include <frameobject.h>
#include <string.h>

#include "python/guard.h"

/* ---- names ---- */

/* Rarely used attributes are kept in one dict.  A new reference; or NULL, perhaps with an exception. */
static PyObject *get_rare(AwaitableObject *self, const char *name)
{
    PyObject *key = self->rare != NULL ? PyUnicode_InternFromString(name) : NULL;
    PyObject *value = key != NULL ? compat_dict_get(self->rare, key) : NULL;
    Py_XDECREF(key);
    return value;
}

static int set_rare(AwaitableObject *self, const char *name, PyObject *value)
{
    if (self->rare == NULL && (self->rare = PyDict_New()) == NULL)
        return -1;
    return PyDict_SetItemString(self->rare, name, value);
}

static const char *short_name(const AwaitableObject *self)
{
    const char *dot = strrchr(self->ops->name, '.');
    return dot != NULL ? dot + 1 : self->ops->name;
}

static PyObject *get_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyObject *name = get_rare(self, "__qualname__");
    return name != NULL || PyErr_Occurred() ? name : PyUnicode_FromString(self->ops->name);
}

static PyObject *get_name(PyObject *op, void *Py_UNUSED(closure))
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyObject *name = get_rare(self, "__name__");
    return name != NULL || PyErr_Occurred() ? name : PyUnicode_FromString(short_name(self));
}

static int set_name(PyObject *op, PyObject *value, void *name)
{
    if (value == NULL || !PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be set to a string object", (const char *)name);
        return -1;
    }
    return set_rare((AwaitableObject *)op, name, value);
}

PyObject *awaitable_repr(PyObject *op)
{
    PyObject *name, *repr = NULL;
    GUARD_BEGIN(op);
    name = get_qualname(op, NULL);
    GUARD_END();
    if (name != NULL)
        repr = PyUnicode_FromFormat("<coroutine object %U at %p>", name, op);
    Py_XDECREF(name);
    return repr;
}

/* ---- where it is ---- */

static PyObject *get_running(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((AwaitableObject *)op)->phase == AWAITABLE_RUNNING);
}

static PyObject *get_suspended(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((AwaitableObject *)op)->phase == AWAITABLE_SUSPENDED);
}

#if COMPAT_COROUTINES_HAVE_STATE
/* What inspect.getcoroutinestate() returns. */
static PyObject *get_state(PyObject *op, void *Py_UNUSED(closure))
{
    static const char *const names[] = {
        [AWAITABLE_FRESH] = "CORO_CREATED",
        [AWAITABLE_SUSPENDED] = "CORO_SUSPENDED",
        [AWAITABLE_RUNNING] = "CORO_RUNNING",
        [AWAITABLE_FINISHED] = "CORO_CLOSED",
    };
    return PyUnicode_FromString(names[((AwaitableObject *)op)->phase]);
}
#endif

static PyObject *get_awaited(PyObject *op, void *Py_UNUSED(closure))
{
    AwaitableObject *self = (AwaitableObject *)op; /* while it runs, only its runner reads future */
    bool waits = self->phase == AWAITABLE_SUSPENDED && self->future != NULL;
    return Py_NewRef(waits ? self->future : Py_None);
}

static PyObject *get_none(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

/* A code object that has a coroutine's name and flag, and no line in any file. */
static PyObject *make_code(const AwaitableObject *self)
{
    PyObject *empty = (PyObject *)PyCode_NewEmpty("<_fastproc>", short_name(self), 1);
    PyObject *replace = empty != NULL ? PyObject_GetAttrString(empty, "replace") : NULL;
    PyObject *changes =
        Py_BuildValue("{s:s,s:i}", "co_qualname", self->ops->name, "co_flags", CO_COROUTINE);
    PyObject *no_args = PyTuple_New(0), *code = NULL;
    if (replace != NULL && changes != NULL && no_args != NULL)
        code = PyObject_Call(replace, no_args, changes);
    Py_XDECREF(empty);
    Py_XDECREF(replace);
    Py_XDECREF(changes);
    Py_XDECREF(no_args);
    return code;
}

/* There is one code object for each name. */
static PyObject *get_code(PyObject *op, void *Py_UNUSED(closure))
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyObject *name = PyUnicode_FromString(self->ops->name);
    PyObject *code = name != NULL ? compat_dict_get(self->state->codes, name) : NULL;
    if (code == NULL && name != NULL && !PyErr_Occurred()) {
        code = make_code(self);
        if (code != NULL && PyDict_SetItem(self->state->codes, name, code) < 0)
            Py_CLEAR(code);
    }
    Py_XDECREF(name);
    return code;
}

static PyObject *make_frame(PyObject *op)
{
    PyObject *module = ((PyHeapTypeObject *)Py_TYPE(op))->ht_module;
    PyObject *code = get_code(op, NULL), *locals = PyDict_New(), *frame = NULL;
    if (code != NULL && locals != NULL)
        frame = (PyObject *)PyFrame_New(PyThreadState_Get(), (PyCodeObject *)code,
                                        PyModule_GetDict(module), locals);
    Py_XDECREF(code);
    Py_XDECREF(locals);
    return frame;
}

/* The frame runs nothing; in the stacks of tasks it shows where the awaitable waits. */
static PyObject *get_frame(PyObject *op, void *Py_UNUSED(closure))
{
    AwaitableObject *self = (AwaitableObject *)op;
    if (self->phase == AWAITABLE_FINISHED)
        Py_RETURN_NONE;
    PyObject *frame = get_rare(self, "cr_frame");
    if (frame == NULL && !PyErr_Occurred()) {
        frame = make_frame(op);
        if (frame != NULL && set_rare(self, "cr_frame", frame) < 0)
            Py_CLEAR(frame);
    }
    return frame;
}

int awaitable_keep_begun(AwaitableObject *self, PyObject *begun)
{
    int result;
    GUARD_BEGIN(self); /* other threads may read its attributes meanwhile */
    result = set_rare(self, "_begun", begun);
    GUARD_END();
    return result;
}

static PyObject *get_begun(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *begun = get_rare((AwaitableObject *)op, "_begun");
    return begun != NULL || PyErr_Occurred() ? begun : Py_NewRef(Py_None);
}

static PyObject *get_class(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)&PyCoro_Type);
}

GUARD_BY(op);
GUARD_GETTER(get_name);
GUARD_GETTER(get_qualname);
GUARD_SETTER(set_name);
GUARD_GETTER(get_running);
GUARD_GETTER(get_suspended);
GUARD_GETTER(get_awaited);
#if COMPAT_COROUTINES_HAVE_STATE
GUARD_GETTER(get_state);
#endif
GUARD_GETTER(get_frame);
GUARD_GETTER(get_begun);

PyGetSetDef awaitable_looks[] = {
    {"__class__", get_class, NULL, NULL, NULL},
    {"__name__", GUARDED(get_name), GUARDED(set_name), NULL, "__name__"},
    {"__qualname__", GUARDED(get_qualname), GUARDED(set_name), NULL, "__qualname__"},
    {"cr_running", GUARDED(get_running), NULL, NULL, NULL},
    {"cr_suspended", GUARDED(get_suspended), NULL, NULL, NULL},
    {"cr_await", GUARDED(get_awaited), NULL, NULL, NULL},
#if COMPAT_COROUTINES_HAVE_STATE
    {"cr_state", GUARDED(get_state), NULL, NULL, NULL},
#endif
    {"cr_code", get_code, NULL, NULL, NULL},
    {"cr_frame", GUARDED(get_frame), NULL, NULL, NULL},
    {"cr_origin", get_none, NULL, NULL, NULL},
    {"_begun", GUARDED(get_begun), NULL,
     "The Process, or (transport, protocol), of a create call that was cut short: its child was "
     "killed. "
     "None of others.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
