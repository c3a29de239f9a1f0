/* SPDX-License-Identifier: MIT
 *
 * The methods of a Wakeup, which a task calls as those of any future.
 */
#include "loop/awaitable.h"
#include "loop/future.h"
#include "loop/woken.h"
#include "python/arguments.h"
#include "python/guard.h"

static PyObject *wakeup_add_done_callback(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                          PyObject *names)
{
    WakeupObject *self = (WakeupObject *)op;
    Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (nargs != 1 || named > 1 ||
        (named == 1 &&
         PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "context") != 0)) {
        PyErr_SetString(PyExc_TypeError, "add_done_callback() takes a callback and context=");
        return NULL;
    }
    PyObject *callback = args[0];
    PyObject *context =
        named == 1 && args[1] != Py_None ? Py_NewRef(args[1]) : PyContext_CopyCurrent();
    if (context == NULL)
        return NULL;
    int result = 0;
    if (self->phase != WAKEUP_PENDING) {
        result = wakeup_call_soon(self, callback, context);
    } else if (self->callback == NULL) {
        self->callback = Py_NewRef(callback);
        self->context = Py_NewRef(context);
    } else {
        PyObject *pair = PyTuple_Pack(2, callback, context);
        if (self->more == NULL)
            self->more = PyList_New(0);
        result = pair != NULL && self->more != NULL ? PyList_Append(self->more, pair) : -1;
        Py_XDECREF(pair);
    }
    Py_DECREF(context);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Only tasks get these futures, and a task removes no callback; so only the first callback is
 * looked for. */
static PyObject *wakeup_remove_done_callback(PyObject *op, PyObject *callback)
{
    WakeupObject *self = (WakeupObject *)op;
    PyObject *first = Py_XNewRef(self->callback); /* the comparison may call anything */
    int same = first != NULL ? PyObject_RichCompareBool(first, callback, Py_EQ) : 0;
    if (same > 0 && self->callback == first) {
        Py_CLEAR(self->callback);
        Py_CLEAR(self->context);
    }
    Py_XDECREF(first);
    return same < 0 ? NULL : PyLong_FromLong(same);
}

static PyObject *wakeup_cancel(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *names)
{
    WakeupObject *self = (WakeupObject *)op;
    PyObject *message = arguments_one("cancel", "msg", false, args, nargs, names);
    if (message == NULL && PyErr_Occurred())
        return NULL;
    if (self->phase != WAKEUP_PENDING)
        Py_RETURN_FALSE;
    self->phase = WAKEUP_CANCELLED;
    struct taken taken = wakeup_take_callbacks(self);
    if (wakeup_call_back(self, &taken, false) < 0) {
        self->phase = WAKEUP_PENDING; /* so that the waiting task is woken at some time after all */
        return NULL;
    }
    Py_XSETREF(self->cancel_message, message != Py_None ? Py_XNewRef(message) : NULL);
    Py_RETURN_TRUE;
}

/* Raises CancelledError(message), which stays one argument whatever it is. */
static void raise_cancelled(struct fp_state *state, PyObject *message)
{
    PyObject *error = message != NULL ? PyObject_CallOneArg(state->CancelledError, message)
                                      : PyObject_CallNoArgs(state->CancelledError);
    if (error != NULL)
        PyErr_SetObject(state->CancelledError, error);
    Py_XDECREF(error);
}

static PyObject *wakeup_result(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    WakeupObject *self = (WakeupObject *)op;
    struct fp_state *state = self->hub->state;
    if (self->phase == WAKEUP_CANCELLED && self->failed)
        compat_raise(Py_NewRef(self->cancel_message));
    else if (self->phase == WAKEUP_CANCELLED)
        raise_cancelled(state, self->cancel_message);
    else if (self->phase == WAKEUP_PENDING)
        PyErr_SetString(state->InvalidStateError, "Result is not set.");
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *wakeup_done(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((WakeupObject *)op)->phase != WAKEUP_PENDING);
}

static PyObject *wakeup_cancelled(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const WakeupObject *self = (WakeupObject *)op;
    return PyBool_FromLong(self->phase == WAKEUP_CANCELLED && !self->failed);
}

/* True with InvalidStateError if it is done already. */
static bool is_over(const WakeupObject *self)
{
    if (self->phase != WAKEUP_PENDING)
        PyErr_SetString(self->hub->state->InvalidStateError, "invalid state");
    return self->phase != WAKEUP_PENDING;
}

/* These two are for code that takes the future of a waiting reader, reader._waiter, and completes
 * it. */
static PyObject *wakeup_set_result(PyObject *op, PyObject *Py_UNUSED(result))
{
    if (is_over((WakeupObject *)op))
        return NULL;
    wakeup_set((WakeupObject *)op);
    Py_RETURN_NONE;
}

static PyObject *wakeup_set_exception(PyObject *op, PyObject *given)
{
    WakeupObject *self = (WakeupObject *)op;
    PyObject *exception =
        PyExceptionClass_Check(given) ? PyObject_CallNoArgs(given) : Py_NewRef(given);
    if (exception != NULL && !PyExceptionInstance_Check(exception)) {
        PyErr_SetString(PyExc_TypeError, "invalid exception object");
        Py_CLEAR(exception);
    }
    if (exception == NULL || is_over(self)) {
        Py_XDECREF(exception);
        return NULL;
    }
    PyObject *done = wakeup_cancel(op, &exception, 1, NULL);
    self->failed = done != NULL;
    Py_DECREF(exception);
    Py_XDECREF(done);
    return done != NULL ? Py_NewRef(Py_None) : NULL;
}

static PyObject *wakeup_get_loop(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return hub_loop(((WakeupObject *)op)->hub);
}

static PyObject *wakeup_get_blocking(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((WakeupObject *)op)->blocking);
}

static int wakeup_set_blocking(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    int truth = value != NULL ? PyObject_IsTrue(value) : 0;
    if (truth < 0)
        return -1;
    ((WakeupObject *)op)->blocking = truth;
    return 0;
}

GUARD_BY(((WakeupObject *)op)->hub);
GUARD_GETTER(wakeup_get_blocking);
GUARD_SETTER(wakeup_set_blocking);
GUARD_FASTCALL(wakeup_add_done_callback);
GUARD_METHOD(wakeup_remove_done_callback);
GUARD_FASTCALL(wakeup_cancel);
GUARD_METHOD(wakeup_cancelled);
GUARD_METHOD(wakeup_set_result);
GUARD_METHOD(wakeup_set_exception);
GUARD_METHOD(wakeup_done);
GUARD_METHOD(wakeup_result);

/* A task asks for this one attribute, and sets it, whenever it begins to wait. */
static PyObject *wakeup_getattro(PyObject *op, PyObject *name)
{
    if (name == ((WakeupObject *)op)->hub->state->names._asyncio_future_blocking)
        return GUARDED(wakeup_get_blocking)(op, NULL);
    return PyObject_GenericGetAttr(op, name);
}

static int wakeup_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    if (name == ((WakeupObject *)op)->hub->state->names._asyncio_future_blocking)
        return GUARDED(wakeup_set_blocking)(op, value, NULL);
    return PyObject_GenericSetAttr(op, name, value);
}

/* For code that drives one of our awaitables by hand and awaits the futures that it yields. */
static enum step await_step(AwaitableObject *awaitable, PyObject **result)
{
    WakeupObject *self = (WakeupObject *)awaitable->owner;
    if (self->phase == WAKEUP_PENDING) {
        awaitable->future = Py_NewRef((PyObject *)self);
        return STEP_WAIT;
    }
    *result = wakeup_result((PyObject *)self, NULL);
    return *result != NULL ? STEP_DONE : STEP_FAILED;
}

static PyObject *await_guard(AwaitableObject *awaitable)
{
    return (PyObject *)((WakeupObject *)awaitable->owner)->hub;
}

static const struct awaitable_ops await_ops = {
    .name = "Wakeup.__await__", .step = await_step, .guard = await_guard};

static PyObject *wakeup_await(PyObject *op)
{
    PyObject *awaitable = awaitable_new(((WakeupObject *)op)->hub->state, &await_ops, op, NULL, 0);
    if (awaitable == NULL)
        return NULL;
    PyObject *iterator = Py_TYPE(awaitable)->tp_as_async->am_await(awaitable);
    Py_DECREF(awaitable);
    return iterator;
}

static PyObject *wakeup_repr(PyObject *op)
{
    static const char *const names[] = {"pending", "finished", "cancelled"};
    int phase;
    GUARD_BEGIN(((WakeupObject *)op)->hub);
    phase = ((WakeupObject *)op)->phase;
    GUARD_END();
    return PyUnicode_FromFormat("<Wakeup %s>", names[phase]);
}

/* ---- the type ---- */

static int wakeup_traverse(PyObject *op, visitproc visit, void *arg)
{
    WakeupObject *self = (WakeupObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->hub);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->more);
    Py_VISIT(self->cancel_message);
    return 0;
}

static int wakeup_clear(PyObject *op)
{
    WakeupObject *self = (WakeupObject *)op;
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
    Py_CLEAR(self->more);
    Py_CLEAR(self->cancel_message);
    return 0;
}

static void wakeup_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, wakeup_dealloc);
    wakeup_clear(op);
    Py_CLEAR(((WakeupObject *)op)->hub);
    PyObject_GC_Del(op);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static PyMethodDef wakeup_methods[] = {
    {"add_done_callback", FASTCALL(GUARDED(wakeup_add_done_callback)),
     "Like asyncio.Future.add_done_callback()."},
    {"remove_done_callback", GUARDED(wakeup_remove_done_callback), METH_O,
     "Like asyncio.Future.remove_done_callback()."},
    {"cancel", FASTCALL(GUARDED(wakeup_cancel)), "Like asyncio.Future.cancel()."},
    {"cancelled", GUARDED(wakeup_cancelled), METH_NOARGS, "Like asyncio.Future.cancelled()."},
    {"set_result", GUARDED(wakeup_set_result), METH_O, "As of asyncio.Future."},
    {"set_exception", GUARDED(wakeup_set_exception), METH_O, "As of asyncio.Future."},
    {"done", GUARDED(wakeup_done), METH_NOARGS, "Like asyncio.Future.done()."},
    {"result", GUARDED(wakeup_result), METH_NOARGS,
     "Like asyncio.Future.result(); the result is None."},
    {"get_loop", wakeup_get_loop, METH_NOARGS, "Like asyncio.Future.get_loop()."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef wakeup_getset[] = {
    {"_asyncio_future_blocking", GUARDED(wakeup_get_blocking), GUARDED(wakeup_set_blocking), NULL,
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot wakeup_slots[] = {
    {Py_tp_doc, "What a task waits on inside an awaitable of _fastproc."},
    {Py_tp_dealloc, wakeup_dealloc},
    {Py_tp_traverse, wakeup_traverse},
    {Py_tp_clear, wakeup_clear},
    {Py_tp_repr, wakeup_repr},
    {Py_tp_getattro, wakeup_getattro},
    {Py_tp_setattro, wakeup_setattro},
    {Py_am_await, wakeup_await},
    {Py_tp_methods, wakeup_methods},
    {Py_tp_getset, wakeup_getset},
    {0, NULL},
};

static PyType_Spec wakeup_spec = {
    .name = "_fastproc.Wakeup",
    .basicsize = sizeof(WakeupObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = wakeup_slots,
};

int wakeup_init(PyObject *module, struct fp_state *state)
{
    if (future_make_done(state) < 0)
        return -1;
    return state_add_type(module, &wakeup_spec, NULL, 0, &state->wakeup_type, NULL);
}
