/* SPDX-License-Identifier: MIT
 *
 * See awaitable.h.  The coroutine protocol as CPython's own coroutines have it:
 * __await__, send, throw, close, and am_send for those who know it.
 */
#include "binding/awaitable.h"
#include "binding/future.h"

#include <string.h>

#include "binding/guard.h"
#include "binding/stop_iteration.h"

PyObject *awaitable_new(struct fp_state *state, const struct awaitable_ops *ops, PyObject *owner,
                        PyObject *argument, Py_ssize_t number)
{
    PyTypeObject *type = (PyTypeObject *)state->awaitable_type;
    AwaitableObject *self = (AwaitableObject *)spares_take(&state->spare_awaitables, type);
    if (self == NULL && (self = PyObject_GC_New(AwaitableObject, type)) == NULL)
        return NULL;
    self->ops = ops;
    self->state = state;
    self->owner = Py_NewRef(owner);
    self->argument = Py_XNewRef(argument);
    self->future = NULL;
    self->thrown = NULL;
    self->number = number;
    self->phase = AWAITABLE_FRESH;
    self->finalized = false;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

#if !COMPAT_HAS_GIL
static PyObject *guard_of_step(AwaitableObject *self)
{
    if (self->owner == NULL || self->ops->guard == NULL)
        return (PyObject *)self;
    return self->ops->guard(self);
}
#endif

static void forget(AwaitableObject *self)
{
    if (self->ops->forget != NULL)
        self->ops->forget(self);
    Py_CLEAR(self->future);
}

/* Whoever has made it AWAITABLE_RUNNING or _FINISHED has it to himself until he says otherwise. */
static void set_phase(AwaitableObject *self, enum awaitable_phase phase)
{
    GUARD_BEGIN(self);
    self->phase = phase;
    GUARD_END();
}

static void finish(AwaitableObject *self)
{
    set_phase(self, AWAITABLE_FINISHED);
    GUARD_BEGIN(guard_of_step(self));
    forget(self);
    GUARD_END();
    Py_CLEAR(self->owner);
    Py_CLEAR(self->argument);
    Py_CLEAR(self->thrown);
}

/* A StopIteration that came out of a step, say of a call of the user's, is no result. */
static void replace_stop_iteration(void)
{
    if (!PyErr_ExceptionMatches(PyExc_StopIteration))
        return;
    PyObject *stop = compat_take_exception();
    PyErr_SetString(PyExc_RuntimeError, "coroutine raised StopIteration");
    PyObject *error = compat_take_exception();
    PyException_SetCause(error, Py_NewRef(stop));
    PyException_SetContext(error, stop);
    compat_raise(error);
}

/* What a step comes to with its future marked as waited for. */
static enum step block_on(AwaitableObject *self, enum step step)
{
    bool failed =
        step == STEP_WAIT && self->future != NULL && future_block_on(self->state, self->future) < 0;
    return failed ? STEP_FAILED : step;
}

/* Turns what a step left into what a generator leaves. */
static PySendResult conclude(AwaitableObject *self, enum step step, PyObject **result)
{
    if (step == STEP_WAIT) {
        *result = Py_NewRef(self->future != NULL ? self->future : Py_None);
        set_phase(self, AWAITABLE_SUSPENDED);
        return PYGEN_NEXT;
    }
    if (step == STEP_FAILED) {
        replace_stop_iteration();
        PyObject *exception = compat_take_exception();
        finish(self);
        compat_raise(exception);
        *result = NULL;
        return PYGEN_ERROR;
    }
    finish(self);
    return PYGEN_RETURN;
}

/* Makes it AWAITABLE_RUNNING and returns what it was, if it may be stepped; else raises what a
 * coroutine would and returns one of the others. */
static enum awaitable_phase claim(AwaitableObject *self, PyObject *value)
{
    enum awaitable_phase phase;
    GUARD_BEGIN(self);
    phase = self->phase;
    if (phase == AWAITABLE_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    } else if (phase == AWAITABLE_FINISHED) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    } else if (phase == AWAITABLE_FRESH && value != NULL && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        phase = AWAITABLE_RUNNING;
    } else {
        self->phase = AWAITABLE_RUNNING;
    }
    GUARD_END();
    return phase;
}

static bool is_claimed(enum awaitable_phase before)
{
    return before == AWAITABLE_FRESH || before == AWAITABLE_SUSPENDED;
}

static PySendResult awaitable_am_send(PyObject *op, PyObject *value, PyObject **result)
{
    AwaitableObject *self = (AwaitableObject *)op;
    enum step step;
    *result = NULL;
    if (!is_claimed(claim(self, value)))
        return PYGEN_ERROR;
    GUARD_BEGIN(guard_of_step(self));
    forget(self);
    step = block_on(self, self->ops->step(self, result));
    GUARD_END();
    return conclude(self, step, result);
}

/* A result becomes StopIteration(result), wrapped so that a tuple stays one argument. */
static void raise_stop_iteration(PyObject *value)
{
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
}

static PyObject *as_iteration(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN)
        return result;
    raise_stop_iteration(result);
    Py_DECREF(result);
    return NULL;
}

static PyObject *awaitable_iternext(PyObject *self)
{
    PyObject *result;
    PySendResult sent = awaitable_am_send(self, Py_None, &result);
    if (sent == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL; /* StopIteration without a value needs no exception */
    }
    if (sent == PYGEN_RETURN) {
        stop_iteration_raise(((AwaitableObject *)self)->state, result);
        return NULL;
    }
    return result;
}

static PyObject *awaitable_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = awaitable_am_send(self, value, &result);
    return as_iteration(sent, result);
}

/* The exception that throw(type[, value[, traceback]]) means: a new reference or NULL. */
static PyObject *thrown_exception(PyObject *const *args, Py_ssize_t count)
{
    PyObject *type = args[0], *value = count > 1 ? args[1] : Py_None;
    PyObject *exception = NULL;
    if (PyExceptionInstance_Check(type)) {
        exception = Py_NewRef(type);
    } else if (PyExceptionClass_Check(type)) {
        if (PyExceptionInstance_Check(value))
            exception = Py_NewRef(value);
        else if (value == Py_None)
            exception = PyObject_CallNoArgs(type);
        else
            exception = PyTuple_Check(value) ? PyObject_CallObject(type, value)
                                             : PyObject_CallOneArg(type, value);
    } else {
        PyErr_SetString(PyExc_TypeError,
                        "exceptions must be classes or instances deriving from BaseException");
    }
    if (exception != NULL && count > 2 && args[2] != Py_None &&
        PyException_SetTraceback(exception, args[2]) < 0)
        Py_CLEAR(exception);
    return exception;
}

static PyObject *awaitable_throw(PyObject *op, PyObject *const *args, Py_ssize_t count)
{
    AwaitableObject *self = (AwaitableObject *)op;
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError, "throw() takes 1 to 3 arguments");
        return NULL;
    }
    PyObject *exception = thrown_exception(args, count);
    if (exception == NULL)
        return NULL;
    enum awaitable_phase before = claim(self, NULL);
    if (!is_claimed(before)) {
        Py_DECREF(exception);
        return NULL;
    }
    PyObject *result = NULL;
    enum step step = STEP_FAILED;
    GUARD_BEGIN(guard_of_step(self));
    forget(self);
    if (before == AWAITABLE_SUSPENDED && self->ops->thrown != NULL) {
        Py_XSETREF(self->thrown, Py_NewRef(exception));
        if (self->ops->thrown(self) == STEP_WAIT)
            step = block_on(self, STEP_WAIT);
    }
    GUARD_END();
    if (step == STEP_FAILED && !PyErr_Occurred())
        compat_raise(Py_NewRef(exception));
    Py_DECREF(exception);
    PySendResult sent = conclude(self, step, &result);
    return as_iteration(sent, result);
}

/* Ends one that has not come to its end. */
static void give_up(AwaitableObject *self, enum awaitable_phase before)
{
    if (before == AWAITABLE_SUSPENDED && self->ops->abandoned != NULL) {
        GUARD_BEGIN(guard_of_step(self));
        self->ops->abandoned(self);
        GUARD_END();
    }
    finish(self);
}

static PyObject *awaitable_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    enum awaitable_phase before = claim((AwaitableObject *)op, NULL);
    if (before == AWAITABLE_FINISHED)
        PyErr_Clear();
    else if (before == AWAITABLE_RUNNING)
        return NULL;
    else
        give_up((AwaitableObject *)op, before);
    Py_RETURN_NONE;
}

static PyObject *awaitable_await(PyObject *op)
{
    if (((AwaitableObject *)op)->phase == AWAITABLE_SUSPENDED) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    return Py_NewRef(op);
}

static int awaitable_traverse(PyObject *op, visitproc visit, void *arg)
{
    AwaitableObject *self = (AwaitableObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->owner);
    Py_VISIT(self->argument);
    Py_VISIT(self->future);
    Py_VISIT(self->thrown);
    return 0;
}

static int awaitable_clear(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    Py_CLEAR(self->future);
    Py_CLEAR(self->argument);
    Py_CLEAR(self->thrown);
    Py_CLEAR(self->owner);
    return 0;
}

static void awaitable_finalize(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyObject *raised = compat_take_exception();
    self->finalized = true; /* which the collector does not forget: it is not used again */
    if (self->phase == AWAITABLE_FRESH && self->owner != NULL && !compat_is_finalizing()) {
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                             self->ops->name) < 0)
            PyErr_WriteUnraisable(op);
    }
    if (self->phase == AWAITABLE_SUSPENDED && self->owner != NULL)
        give_up(self, AWAITABLE_SUSPENDED);
    compat_raise(raised);
}

static void awaitable_dealloc(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    if (self->phase != AWAITABLE_FINISHED && PyObject_CallFinalizerFromDealloc(op) < 0)
        return;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    awaitable_clear(op);
    struct fp_state *state = self->finalized ? NULL : state_of_dead(op);
    if (state != NULL && spares_keep(&state->spare_awaitables, op))
        return;
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyObject *awaitable_repr(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    return PyUnicode_FromFormat("<coroutine object %s at %p>", self->ops->name, op);
}

static PyObject *awaitable_get_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(((AwaitableObject *)op)->ops->name);
}

static PyObject *awaitable_get_name(PyObject *op, void *Py_UNUSED(closure))
{
    const char *name = ((AwaitableObject *)op)->ops->name;
    const char *dot = strrchr(name, '.');
    return PyUnicode_FromString(dot != NULL ? dot + 1 : name);
}

static PyObject *awaitable_get_running(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((AwaitableObject *)op)->phase == AWAITABLE_RUNNING);
}

static PyObject *awaitable_get_suspended(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((AwaitableObject *)op)->phase == AWAITABLE_SUSPENDED);
}

static PyObject *awaitable_get_awaited(PyObject *op, void *Py_UNUSED(closure))
{
    AwaitableObject *self = (AwaitableObject *)op; /* while it runs, only who runs it looks */
    bool waits = self->phase == AWAITABLE_SUSPENDED && self->future != NULL;
    return Py_NewRef(waits ? self->future : Py_None);
}

static PyObject *awaitable_get_none(PyObject *Py_UNUSED(op), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

GUARD_BY(op);
GUARD_UNARY(awaitable_await);
GUARD_GETTER(awaitable_get_running);
GUARD_GETTER(awaitable_get_suspended);
GUARD_GETTER(awaitable_get_awaited);

static PyGetSetDef awaitable_getset[] = {
    {"__name__", awaitable_get_name, NULL, NULL, NULL},
    {"__qualname__", awaitable_get_qualname, NULL, NULL, NULL},
    {"cr_running", GUARDED(awaitable_get_running), NULL, NULL, NULL},
    {"cr_suspended", GUARDED(awaitable_get_suspended), NULL, NULL, NULL},
    {"cr_await", GUARDED(awaitable_get_awaited), NULL, NULL, NULL},
    {"cr_frame", awaitable_get_none, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef awaitable_methods[] = {
    {"send", awaitable_send, METH_O, "Resume with a value; as of a coroutine."},
    {"throw", (PyCFunction)(void (*)(void))awaitable_throw, METH_FASTCALL,
     "Raise an exception where it waits; as of a coroutine."},
    {"close", awaitable_close, METH_NOARGS, "Give it up; as of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot awaitable_slots[] = {
    {Py_tp_doc, "What the asynchronous methods return: await it, once, or make a task of it."},
    {Py_tp_dealloc, awaitable_dealloc},
    {Py_tp_finalize, awaitable_finalize},
    {Py_tp_traverse, awaitable_traverse},
    {Py_tp_clear, awaitable_clear},
    {Py_tp_repr, awaitable_repr},
    {Py_tp_iter, GUARDED(awaitable_await)},
    {Py_tp_iternext, awaitable_iternext},
    {Py_am_await, GUARDED(awaitable_await)},
    {Py_am_send, awaitable_am_send},
    {Py_tp_methods, awaitable_methods},
    {Py_tp_getset, awaitable_getset},
    {0, NULL},
};

static PyType_Spec awaitable_spec = {
    .name = "_fastproc.Awaitable",
    .basicsize = sizeof(AwaitableObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = awaitable_slots,
};

int awaitable_init(PyObject *module, struct fp_state *state)
{
    return module_add_type(module, &awaitable_spec, NULL, 0, &state->awaitable_type, NULL);
}
