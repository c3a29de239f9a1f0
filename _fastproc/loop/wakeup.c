/* SPDX-License-Identifier: MIT
 *
 * See wakeup.h.  The methods that a task calls are in wakeup_type.c.
 */
#include "loop/wakeup.h"

#include "loop/exceptions.h"
#include "loop/loop_methods.h"
#include "python/guard.h"

PyObject *wakeup_new(HubObject *hub)
{
    WakeupObject *self = PyObject_GC_New(WakeupObject, (PyTypeObject *)hub->state->wakeup_type);
    if (self == NULL)
        return NULL;
    self->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->callback = self->context = self->more = self->cancel_message = NULL;
    self->next_woken = NULL;
    self->phase = WAKEUP_PENDING;
    self->blocking = self->in_order = self->failed = false;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* ---- calling back ---- */

int wakeup_call_soon(WakeupObject *self, PyObject *callback, PyObject *context)
{
    PyObject *argument = (PyObject *)self;
    return loop_call_soon(self->hub, context, callback, &argument, 1);
}

/* The argument for a callback.  asyncio's C task has a fast path for a finished future of its own
 * type, so it is passed one.  Of anything else it has to call a method: 1,700 of the 5,100
 * instructions that it took to wake a task (callgrind, 3.13). */
static PyObject *what_is_done(WakeupObject *self, PyObject *callback)
{
    struct fp_state *state = self->hub->state;
    bool to_task = COMPAT_HAS_GIL && state->shortcuts && self->phase == WAKEUP_DONE &&
                   PyCFunction_CheckExact(callback) && PyCFunction_GET_SELF(callback) != NULL &&
                   Py_IS_TYPE(PyCFunction_GET_SELF(callback), (PyTypeObject *)state->Task) &&
                   strcmp(((PyCFunctionObject *)callback)->m_ml->ml_name, "task_wakeup") == 0;
    return to_task ? state->done_future : (PyObject *)self;
}

/* Calls it now, in its context.  0 or -1. */
static int call_now(WakeupObject *self, PyObject *callback, PyObject *context)
{
    if (PyContext_Enter(context) < 0)
        return -1;
    PyObject *result = PyObject_CallOneArg(callback, what_is_done(self, callback));
    PyObject *raised = compat_take_exception();
    if (PyContext_Exit(context) < 0)
        PyErr_Clear();
    compat_raise(raised);
    Py_XDECREF(result);
    return PyErr_Occurred() ? -1 : 0;
}

/* Calls the callback: at once if `now` and no callback has raised what ends the loop, else in the
 * loop's next turn.  0, or -1 with an exception when the loop could not be asked. */
static int call_one(WakeupObject *self, bool now, PyObject *callback, PyObject *context)
{
    HubObject *hub = self->hub;
    now = now && hub->interrupt == NULL;
    if ((now ? call_now : wakeup_call_soon)(self, callback, context) == 0)
        return 0;
    if (!now && !loop_is_over(hub))
        return -1;
    if (!now)
        PyErr_Clear(); /* the loop is being closed, and calls nothing any more */
    hub_settle_exception(hub, (PyObject *)self);
    return 0;
}

struct taken wakeup_take_callbacks(WakeupObject *self)
{
    struct taken taken = {self->callback, self->context, self->more};
    self->callback = self->context = self->more = NULL;
    return taken;
}

int wakeup_call_back(WakeupObject *self, const struct taken *taken, bool now)
{
    PyObject *callback = taken->callback, *context = taken->context, *more = taken->more;
    if (callback != NULL && call_one(self, now, callback, context) < 0) {
        GUARD_BEGIN(self->hub);
        self->callback = callback;
        self->context = context;
        self->more = more;
        GUARD_END();
        return -1;
    }
    for (Py_ssize_t i = 0; more != NULL && i < PyList_GET_SIZE(more); i++) {
        PyObject *pair = PyList_GET_ITEM(more, i);
        if (call_one(self, now, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)) < 0)
            hub_settle_exception(self->hub, (PyObject *)self);
    }
    Py_XDECREF(callback);
    Py_XDECREF(context);
    Py_XDECREF(more);
    return 0;
}
