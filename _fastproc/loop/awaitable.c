/* SPDX-License-Identifier: MIT
 *
 * See awaitable.h.  The coroutine protocol as CPython's own coroutines have it:
 * __await__, send, throw, close, and am_send for callers that use it.
 */
#include "loop/awaitable.h"

#include <string.h>

#include "loop/awaitable_looks.h"
#include "loop/future.h"
#include "python/guard.h"
#include "python/stop_iteration.h"

PyObject *awaitable_new(struct fp_state *state, const struct awaitable_ops *ops, PyObject *owner,
                        PyObject *argument, Py_ssize_t begin)
{
    PyTypeObject *type = (PyTypeObject *)state->awaitable_type;
    AwaitableObject *self = (AwaitableObject *)freelist_take(&state->free_awaitables, type);
    if (self == NULL && (self = PyObject_GC_New(AwaitableObject, type)) == NULL)
        return NULL;
    self->ops = ops;
    self->state = state;
    self->owner = Py_NewRef(owner);
    self->argument = Py_XNewRef(argument);
    self->future = NULL;
    self->thrown = NULL;
    self->rare = NULL;
    self->weakrefs = NULL;
    self->count = begin;
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

/* The function that sets AWAITABLE_RUNNING or _FINISHED owns the object until it sets another
 * phase. */
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

/* A StopIteration raised in a step, for example by a function of the user's, is not a result. */
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

/* Marks the future of a step that waits as waited for.  Returns the step, or STEP_FAILED. */
static enum step block_on(AwaitableObject *self, enum step step)
{
    bool failed =
        step == STEP_WAIT && self->future != NULL && future_block_on(self->state, self->future) < 0;
    return failed ? STEP_FAILED : step;
}

/* Turns the outcome of a step into that of a generator. */
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

/* Sets AWAITABLE_RUNNING and returns the phase before, if the awaitable may be stepped; else raises
 * what a coroutine would and returns AWAITABLE_RUNNING or _FINISHED. */
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

static void raise_awaited_already(void)
{
    PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
}

/* For an awaitable that is awaited again for each step: whether nobody else waits in it.  False
 * with an exception. */
static bool may_go_on(AwaitableObject *self)
{
    int done = self->future != NULL ? future_is_done(self->state, self->future) : 1;
    if (done == 0)
        raise_awaited_already();
    return done > 0;
}

static PySendResult awaitable_am_send(PyObject *op, PyObject *value, PyObject **result)
{
    AwaitableObject *self = (AwaitableObject *)op;
    enum awaitable_phase before = claim(self, value);
    enum step step;
    *result = NULL;
    if (!is_claimed(before))
        return PYGEN_ERROR;
    if (before == AWAITABLE_SUSPENDED && self->ops->awaited_by_steps && !may_go_on(self)) {
        set_phase(self, AWAITABLE_SUSPENDED);
        return PYGEN_ERROR;
    }
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
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from BaseException, not %s",
                     Py_TYPE(type)->tp_name);
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
        PyErr_Format(PyExc_TypeError, "throw expected at %s %d argument%s, got %zd",
                     count < 1 ? "least" : "most", count < 1 ? 1 : 3, count < 1 ? "" : "s", count);
        return NULL;
    }
    if (count == 3 && args[2] != Py_None && !PyTraceBack_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
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

/* Ends an awaitable before its operation has ended. */
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

/* From here on the awaitable is its own iterator: its type changes to one with the same fields.  A
 * separate iterator would be one more object for every buffered readline(). */
static PyObject *awaitable_await(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyTypeObject *iterator = (PyTypeObject *)self->state->awaited_type, *before = Py_TYPE(op);
    if (self->phase == AWAITABLE_SUSPENDED && !self->ops->awaited_by_steps) {
        raise_awaited_already();
        return NULL;
    }
    if (before != iterator) {
        Py_SET_TYPE(op, (PyTypeObject *)Py_NewRef((PyObject *)iterator));
        Py_DECREF(before);
    }
    return Py_NewRef(op);
}

/* Whether a generator of @types.coroutine is running: there, `yield from` takes coroutines. */
static bool in_generator_based_coroutine(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    PyCodeObject *code = frame != NULL ? PyFrame_GetCode(frame) : NULL;
    bool result = code != NULL && (code->co_flags & CO_ITERABLE_COROUTINE) != 0;
    Py_XDECREF(code);
    return result;
}

static PyObject *awaitable_iter(PyObject *op)
{
    if (in_generator_based_coroutine())
        return awaitable_await(op);
    PyErr_SetString(PyExc_TypeError, "'coroutine' object is not iterable");
    return NULL;
}

static int awaitable_traverse(PyObject *op, visitproc visit, void *arg)
{
    AwaitableObject *self = (AwaitableObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->owner);
    Py_VISIT(self->argument);
    Py_VISIT(self->future);
    Py_VISIT(self->thrown);
    Py_VISIT(self->rare);
    return 0;
}

static int awaitable_clear(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    Py_CLEAR(self->future);
    Py_CLEAR(self->argument);
    Py_CLEAR(self->thrown);
    Py_CLEAR(self->rare);
    Py_CLEAR(self->owner);
    return 0;
}

static void awaitable_finalize(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyObject *raised = compat_take_exception();
    self->finalized = true; /* the collector remembers it, so the object is not reused */
    if (self->phase == AWAITABLE_FRESH && self->owner != NULL && !compat_is_finalizing()) {
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                             self->ops->name) < 0)
            PyErr_WriteUnraisable(op);
    }
    if (self->phase == AWAITABLE_SUSPENDED && self->owner != NULL)
        give_up(self, AWAITABLE_SUSPENDED);
    compat_raise(raised);
}

/* Frees an object without references, or keeps it in the freelist. */
static void bury(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    awaitable_clear(op);
    struct fp_state *state = self->finalized ? NULL : state_of_dead(op);
    if (state != NULL && freelist_keep(&state->free_awaitables, op))
        return;
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static void awaitable_dealloc(PyObject *op)
{
    AwaitableObject *self = (AwaitableObject *)op;
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    if (self->phase == AWAITABLE_FINISHED && self->rare == NULL) {
        bury(op); /* it refers to nothing any more */
        return;
    }
    Py_TRASHCAN_BEGIN(op, awaitable_dealloc);
    PyObject_GC_Track(op);
    if (self->phase == AWAITABLE_FINISHED || PyObject_CallFinalizerFromDealloc(op) == 0) {
        PyObject_GC_UnTrack(op);
        bury(op);
    }
    Py_TRASHCAN_END;
}

GUARD_BY(op);
GUARD_UNARY(awaitable_await);
GUARD_UNARY(awaitable_iter);

static PyMethodDef awaitable_methods[] = {
    {"send", awaitable_send, METH_O, "Resume with a value; like a coroutine's."},
    {"throw", (PyCFunction)(void (*)(void))awaitable_throw, METH_FASTCALL,
     "Raise an exception where it waits; like a coroutine's."},
    {"close", awaitable_close, METH_NOARGS, "Give it up; like a coroutine's."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef awaitable_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(AwaitableObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define COMMON_SLOTS                                                                               \
    {Py_tp_doc, "What the asynchronous methods return: await it, once, or make a task of it."},    \
        {Py_tp_dealloc, awaitable_dealloc}, {Py_tp_finalize, awaitable_finalize},                  \
        {Py_tp_traverse, awaitable_traverse}, {Py_tp_clear, awaitable_clear},                      \
        {Py_tp_repr, awaitable_repr}, {Py_am_await, GUARDED(awaitable_await)},                     \
        {Py_am_send, awaitable_am_send}, {Py_tp_methods, awaitable_methods},                       \
        {Py_tp_members, awaitable_members},                                                        \
    {                                                                                              \
        Py_tp_getset, awaitable_looks                                                              \
    }

static PyType_Slot awaitable_slots[] = {
    COMMON_SLOTS,
    {Py_tp_iter, GUARDED(awaitable_iter)},
    {0, NULL},
};

static PyType_Slot awaited_slots[] = {
    COMMON_SLOTS,
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, awaitable_iternext},
    {0, NULL},
};

#define SPEC(type_name, type_slots)                                                                \
    {                                                                                              \
        .name = (type_name), .basicsize = sizeof(AwaitableObject),                                 \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |     \
                 Py_TPFLAGS_IMMUTABLETYPE,                                                         \
        .slots = (type_slots),                                                                     \
    }

static PyType_Spec awaitable_spec = SPEC("_fastproc.Awaitable", awaitable_slots);
static PyType_Spec awaited_spec = SPEC("_fastproc.Awaited", awaited_slots);

/* Removes the name by which code recognizes an iterable; `yield from` uses the slot. */
static int hide_iter(PyTypeObject *type)
{
    PyObject *dict = compat_type_dict(type);
    int result = dict != NULL ? PyDict_DelItemString(dict, "__iter__") : -1;
    Py_XDECREF(dict);
    PyType_Modified(type);
    return result;
}

int awaitable_init(PyObject *module, struct fp_state *state)
{
    if (state_add_type(module, &awaitable_spec, NULL, 0, &state->awaitable_type, NULL) < 0 ||
        state_add_type(module, &awaited_spec, NULL, 0, &state->awaited_type, NULL) < 0)
        return -1;
    return hide_iter((PyTypeObject *)state->awaitable_type);
}
