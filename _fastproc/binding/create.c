/* SPDX-License-Identifier: MIT
 *
 * create_subprocess_exec() and create_subprocess_shell().  The awaitable's first
 * step converts the call and starts or queues the child; then it waits until the
 * child has exec'd or failed.  Cancelled, it kills the child and lets the
 * exception go on when that is reaped.
 */
#include "binding/awaitable.h"
#include "binding/future.h"
#include "binding/process.h"

/* AwaitableObject.number */
enum {
    CALL_SHELL = 1,  /* of the function called */
    CHILD_BEGUN = 2, /* owner is the transport and argument the Process, not the call's */
    CHILD_GIVEN_UP = 4,
};

static const char EXEC[] = "create_subprocess_exec";
static const char SHELL[] = "create_subprocess_shell";

/* Takes `limit` out of the keywords.  0 or -1. */
static int take_limit(PyObject *kwargs, Py_ssize_t *limit)
{
    *limit = READER_DEFAULT_LIMIT;
    PyObject *given = PyDict_GET_SIZE(kwargs) > 0 ? PyDict_GetItemString(kwargs, "limit") : NULL;
    if (given == NULL)
        return 0;
    *limit = PyNumber_AsSsize_t(given, NULL);
    if (*limit == -1 && PyErr_Occurred())
        return -1;
    if (*limit <= 0) {
        PyErr_SetString(PyExc_ValueError, "Limit cannot be <= 0");
        return -1;
    }
    return PyDict_DelItemString(kwargs, "limit");
}

static HubObject *hub_of_running_loop(struct fp_state *state)
{
    PyObject *loop = PyObject_CallNoArgs(state->get_running_loop);
    HubObject *hub = loop != NULL ? hub_of_loop(state, loop) : NULL;
    Py_XDECREF(loop);
    return hub;
}

/* The first step: self->owner is the positional arguments, self->argument the keywords.
 * 0 or -1. */
static int begin(AwaitableObject *self)
{
    struct fp_state *state = self->state;
    bool shell = (self->number & CALL_SHELL) != 0;
    const struct launch_call call = {
        .function = shell ? SHELL : EXEC,
        .args = self->owner,
        .kwargs = self->argument,
        .shell = shell,
    };
    struct launch *launch = NULL;
    TransportObject *transport = NULL;
    ProcessObject *process = NULL;
    Py_ssize_t limit;
    int result = -1;

    HubObject *hub = hub_of_running_loop(state);
    if (hub == NULL || take_limit(self->argument, &limit) < 0)
        goto done;
    launch = launch_new(state, &call);
    if (launch == NULL)
        goto done;
    transport = transport_new(state, hub, launch);
    if (transport == NULL)
        goto done;
    launch = NULL;
    process = process_new(state, transport, (size_t)limit);
    if (process == NULL || transport_begin(transport) < 0)
        goto done;
    self->number |= CHILD_BEGUN;
    Py_SETREF(self->owner, Py_NewRef((PyObject *)transport));
    Py_SETREF(self->argument, Py_NewRef((PyObject *)process));
    result = 0;

done:
    Py_XDECREF(hub);
    Py_XDECREF(transport);
    Py_XDECREF(process);
    launch_free(launch);
    return result;
}

static enum step wait_for(AwaitableObject *self, TransportObject *transport)
{
    self->future = future_new(transport->hub);
    if (self->future == NULL)
        return STEP_FAILED;
    if (self->number & CHILD_GIVEN_UP)
        return waiters_add(&transport->exit_waiters, self->future) < 0 ? STEP_FAILED : STEP_WAIT;
    Py_XSETREF(transport->starter, Py_NewRef(self->future));
    return STEP_WAIT;
}

static enum step create_step(AwaitableObject *self, PyObject **result)
{
    if (!(self->number & CHILD_BEGUN) && begin(self) < 0)
        return STEP_FAILED;
    TransportObject *transport = (TransportObject *)self->owner;
    if (self->number & CHILD_GIVEN_UP) {
        if (!transport_has_ended(transport))
            return wait_for(self, transport);
        compat_raise(Py_NewRef(self->thrown));
        return STEP_FAILED;
    }
    if (!transport_is_settled(transport))
        return wait_for(self, transport);
    if (transport->phase == TRANSPORT_FAILED) {
        transport_raise_failure(transport);
        return STEP_FAILED;
    }
    *result = Py_NewRef(self->argument);
    return STEP_DONE;
}

/* Does not wait a second time, nor for anything but an ordinary exception. */
static enum step create_thrown(AwaitableObject *self)
{
    TransportObject *transport = (TransportObject *)self->owner;
    bool again = (self->number & CHILD_GIVEN_UP) != 0;
    self->number |= CHILD_GIVEN_UP;
    transport_abandon(transport);
    if (again || transport_has_ended(transport) || !hub_is_alive(transport->hub) ||
        PyErr_GivenExceptionMatches(self->thrown, PyExc_GeneratorExit) ||
        PyErr_GivenExceptionMatches(self->thrown, PyExc_KeyboardInterrupt) ||
        PyErr_GivenExceptionMatches(self->thrown, PyExc_SystemExit))
        return STEP_FAILED;
    return wait_for(self, transport);
}

static void create_abandoned(AwaitableObject *self)
{
    if (self->number & CHILD_BEGUN)
        transport_abandon((TransportObject *)self->owner);
}

static void create_forget(AwaitableObject *self)
{
    if (self->owner == NULL || self->future == NULL || !(self->number & CHILD_BEGUN))
        return;
    TransportObject *transport = (TransportObject *)self->owner;
    waiters_discard(transport->exit_waiters, self->future);
    if (transport->starter == self->future)
        Py_CLEAR(transport->starter);
}

static const struct awaitable_ops exec_ops = {
    .name = EXEC,
    .step = create_step,
    .forget = create_forget,
    .thrown = create_thrown,
    .abandoned = create_abandoned,
};

static const struct awaitable_ops shell_ops = {
    .name = SHELL,
    .step = create_step,
    .forget = create_forget,
    .thrown = create_thrown,
    .abandoned = create_abandoned,
};

/* ---- the calls ---- */

/* Moves a keyword to the front of the positional arguments: `program` and `cmd` may be given
 * either way.  A new tuple or NULL. */
static PyObject *with_first(const char *function, const char *name, PyObject *args,
                            PyObject *kwargs)
{
    PyObject *named = PyDict_GET_SIZE(kwargs) > 0 ? PyDict_GetItemString(kwargs, name) : NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (named == NULL && count > 0)
        return Py_NewRef(args);
    if (named == NULL || count > 0) {
        PyErr_Format(PyExc_TypeError,
                     named == NULL ? "%s() missing 1 required positional argument: '%s'"
                                   : "%s() got multiple values for argument '%s'",
                     function, name);
        return NULL;
    }
    PyObject *first = PyTuple_Pack(1, named);
    if (first != NULL && PyDict_DelItemString(kwargs, name) < 0)
        Py_CLEAR(first);
    return first;
}

PyObject *create_subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs)
{
    struct fp_state *state = PyModule_GetState(module);
    PyObject *keywords = kwargs != NULL ? PyDict_Copy(kwargs) : PyDict_New();
    PyObject *arguments = keywords != NULL ? with_first(EXEC, "program", args, keywords) : NULL;
    PyObject *awaitable = NULL;
    if (arguments != NULL)
        awaitable = awaitable_new(state, &exec_ops, arguments, keywords, 0);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return awaitable;
}

/* The positional arguments behind cmd become keywords.  0 or -1. */
static int name_positionals(PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"cmd", "stdin", "stdout", "stderr", "limit"};
    enum { MOST = sizeof names / sizeof names[0] };
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (count > MOST) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes from 1 to %d positional arguments but %zd were "
                     "given",
                     SHELL, (int)MOST, count);
        return -1;
    }
    for (Py_ssize_t i = 1; i < count; i++) {
        if (PyDict_GetItemString(kwargs, names[i]) != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", SHELL,
                         names[i]);
            return -1;
        }
        if (PyDict_SetItemString(kwargs, names[i], PyTuple_GET_ITEM(args, i)) < 0)
            return -1;
    }
    return 0;
}

PyObject *create_subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs)
{
    struct fp_state *state = PyModule_GetState(module);
    PyObject *keywords = kwargs != NULL ? PyDict_Copy(kwargs) : PyDict_New();
    PyObject *arguments = NULL, *command = NULL, *awaitable = NULL;
    if (keywords == NULL || name_positionals(args, keywords) < 0)
        goto done;
    arguments = with_first(SHELL, "cmd", args, keywords);
    if (arguments == NULL)
        goto done;
    command = PyTuple_GetSlice(arguments, 0, 1);
    if (command != NULL)
        awaitable = awaitable_new(state, &shell_ops, command, keywords, CALL_SHELL);
done:
    Py_XDECREF(arguments);
    Py_XDECREF(command);
    Py_XDECREF(keywords);
    return awaitable;
}
