/* SPDX-License-Identifier: MIT
 *
 * See future.h.
 */
#include "loop/future.h"

#include "loop/wakeup.h"
#include "loop/woken.h"

PyObject *future_new(HubObject *hub)
{
    if (!hub_is_alive(hub)) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return NULL;
    }
    return wakeup_new(hub);
}

PyObject *future_new_in_order(HubObject *hub)
{
    PyObject *future = future_new(hub);
    if (future != NULL)
        ((WakeupObject *)future)->in_order = true;
    return future;
}

static bool is_wakeup(const struct fp_state *state, PyObject *future)
{
    return Py_IS_TYPE(future, (PyTypeObject *)state->wakeup_type);
}

int future_block_on(struct fp_state *state, PyObject *future)
{
    if (is_wakeup(state, future)) {
        ((WakeupObject *)future)->blocking = true;
        return 0;
    }
    return PyObject_SetAttr(future, state->names._asyncio_future_blocking, Py_True);
}

int future_is_done(struct fp_state *state, PyObject *future)
{
    PyObject *answer = PyObject_CallMethodNoArgs(future, state->names.done);
    if (answer == NULL)
        return -1;
    int done = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return done;
}

void future_wake(struct fp_state *state, PyObject **future)
{
    PyObject *waking = *future;
    if (waking == NULL)
        return;
    *future = NULL;
    PyObject *raised = compat_take_exception();
    if (is_wakeup(state, waking))
        wakeup_set((WakeupObject *)waking);
    else if (future_is_done(state, waking) == 0)
        Py_XDECREF(PyObject_CallMethodOneArg(waking, state->names.set_result, Py_None));
    hub_report(waking);
    Py_DECREF(waking);
    compat_raise(raised);
}

void future_fail(struct fp_state *state, PyObject **future, PyObject *exception)
{
    PyObject *failing = *future;
    *future = NULL;
    PyObject *raised = compat_take_exception();
    if (future_is_done(state, failing) == 0)
        Py_XDECREF(PyObject_CallMethod(failing, "set_exception", "O", exception));
    hub_report(failing);
    Py_DECREF(failing);
    compat_raise(raised);
}

void future_wake_all(struct fp_state *state, PyObject **waiters)
{
    PyObject *list = *waiters;
    *waiters = NULL;
    if (list == NULL)
        return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *future = Py_NewRef(PyList_GET_ITEM(list, i));
        future_wake(state, &future);
    }
    Py_DECREF(list);
}

int waiters_add(PyObject **waiters, PyObject *future)
{
    if (*waiters == NULL && (*waiters = PyList_New(0)) == NULL)
        return -1;
    return PyList_Append(*waiters, future);
}

void waiters_discard(PyObject *waiters, PyObject *future)
{
    if (waiters == NULL || future == NULL)
        return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(waiters); i++) {
        if (PyList_GET_ITEM(waiters, i) == future) {
            if (PyList_SetSlice(waiters, i, i + 1, NULL) < 0)
                PyErr_Clear(); /* a done future that stays in the list is skipped later */
            return;
        }
    }
}

int future_make_done(struct fp_state *state)
{
    PyObject *namespace = import_attribute("types", "SimpleNamespace");
    PyObject *no_args = PyTuple_New(0), *loop = NULL, *done = NULL;
    PyObject *attributes = Py_BuildValue("{s:O}", "get_debug", (PyObject *)&PyBool_Type);
    if (namespace != NULL && no_args != NULL && attributes != NULL)
        loop = PyObject_Call(namespace, no_args, attributes);
    PyObject *kwargs = loop != NULL ? Py_BuildValue("{s:O}", "loop", loop) : NULL;
    PyObject *future_type = import_attribute("_asyncio", "Future");
    if (kwargs != NULL && future_type != NULL)
        state->done_future = PyObject_Call(future_type, no_args, kwargs);
    if (state->done_future != NULL)
        done = PyObject_CallMethodOneArg(state->done_future, state->names.set_result, Py_None);
    Py_XDECREF(namespace);
    Py_XDECREF(no_args);
    Py_XDECREF(loop);
    Py_XDECREF(attributes);
    Py_XDECREF(kwargs);
    Py_XDECREF(future_type);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}
