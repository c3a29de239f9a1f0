/* SPDX-License-Identifier: MIT
 *
 * See stop_iteration.h.
 *
 * `await` calls tp_iternext of anything but a generator, and finds the result
 * in a StopIteration, which it takes apart at once and drops.  Making and
 * destroying one the usual way cost some 1,150 instructions of every buffered
 * readline() (callgrind, CPython 3.13); so ours are of a subclass that is
 * filled in directly and kept for reuse.
 *
 * CPython 3.11 has exceptions that are not made before somebody looks at them,
 * and needs none of it.
 */
#include "python/stop_iteration.h"

static PyObject *make(struct fp_state *state)
{
    PyTypeObject *type = (PyTypeObject *)state->stop_iteration_type;
    PyObject *made = freelist_take(&state->free_stops, type);
    if (made == NULL)
        return type->tp_alloc(type, 0);
    PyObject_GC_Track(made);
    return made;
}

/* The tuple (value,), for code that looks at the args, which `await` does not do.  A tuple of bytes
 * is kept for reuse as well, because the collector need not track it. */
static PyObject *make_args(struct fp_state *state, PyObject *value)
{
    if (!COMPAT_HAS_FREELISTS || !PyBytes_CheckExact(value))
        return PyTuple_Pack(1, value);
    PyObject *args = state->free_args;
    state->free_args = NULL;
    if (args == NULL && (args = PyTuple_New(1)) != NULL)
        PyObject_GC_UnTrack(args);
    if (args != NULL)
        PyTuple_SET_ITEM(args, 0, Py_NewRef(value));
    return args;
}

/* Keeps the args of a dead StopIteration for reuse, unless somebody else has a reference to them. */
static void keep_args(struct fp_state *state, PyStopIterationObject *stop)
{
    PyObject *args = stop->args;
    if (!COMPAT_HAS_FREELISTS || state->free_stops.off || state->free_args != NULL ||
        args == NULL || !PyTuple_CheckExact(args) || PyTuple_GET_SIZE(args) != 1 ||
        Py_REFCNT(args) != 1 || PyObject_GC_IsTracked(args))
        return;
    stop->args = NULL;
    PyObject *value = PyTuple_GET_ITEM(args, 0);
    PyTuple_SET_ITEM(args, 0, NULL);
    compat_forget_hash(args);
    state->free_args = args;
    Py_DECREF(value);
}

void stop_iteration_raise(struct fp_state *state, PyObject *value)
{
    if (COMPAT_EXCEPTIONS_ARE_LAZY && !PyTuple_Check(value) && !PyExceptionInstance_Check(value)) {
        PyErr_SetObject(PyExc_StopIteration, value);
        Py_DECREF(value);
        return;
    }
    PyObject *args = make_args(state, value);
    PyObject *stop = args != NULL ? make(state) : NULL;
    if (stop == NULL) {
        Py_XDECREF(args);
        Py_DECREF(value);
        return;
    }
    ((PyStopIterationObject *)stop)->args = args;
    ((PyStopIterationObject *)stop)->value = value;
    compat_raise(stop);
}

static int stop_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return ((PyTypeObject *)PyExc_StopIteration)->tp_traverse(op, visit, arg);
}

static int stop_clear(PyObject *op)
{
    return ((PyTypeObject *)PyExc_StopIteration)->tp_clear(op);
}

/* Frees a StopIteration to which nothing refers, or keeps it for reuse. */
static void bury(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    struct fp_state *state = state_of_dead(op);
    if (state != NULL)
        keep_args(state, (PyStopIterationObject *)op);
    stop_clear(op);
    ((PyStopIterationObject *)op)->suppress_context = 0;
    if (state != NULL && freelist_keep(&state->free_stops, op))
        return;
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

/* Whether it is as it was made, so that no chain of exceptions can hang on it. */
static bool is_plain(PyStopIterationObject *stop)
{
    return stop->context == NULL && stop->cause == NULL && stop->traceback == NULL &&
           stop->dict == NULL && stop->value != NULL && PyBytes_CheckExact(stop->value);
}

static void stop_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    if (is_plain((PyStopIterationObject *)op)) { /* as `await` leaves it */
        bury(op);
        return;
    }
    Py_TRASHCAN_BEGIN(op, stop_dealloc);
    bury(op);
    Py_TRASHCAN_END;
}

static PyType_Slot stop_slots[] = {
    {Py_tp_doc, "A StopIteration."},
    {Py_tp_dealloc, stop_dealloc},
    {Py_tp_traverse, stop_traverse},
    {Py_tp_clear, stop_clear},
    {0, NULL},
};

static PyType_Spec stop_spec = {
    .name = "_fastproc.StopIteration",
    .basicsize = sizeof(PyStopIterationObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = stop_slots,
};

int stop_iteration_init(PyObject *module, struct fp_state *state)
{
    return state_add_type(module, &stop_spec, PyExc_StopIteration, sizeof(PyStopIterationObject),
                          &state->stop_iteration_type, NULL);
}
