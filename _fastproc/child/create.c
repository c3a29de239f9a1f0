/* SPDX-License-Identifier: MIT
 *
 * The awaitable that starts a child.  Its first step converts the call and starts
 * or queues the child; then it waits until the child has exec'd or failed. If it
 * is cancelled it kills the child, and raises when the child is reaped.
 */
#include "child/create.h"

#include "child/cancel_and_close.h"
#include "child/process.h"
#include "child/spawn_plan.h"
#include "child/start.h"
#include "child/transport.h"
#include "loop/awaitable_looks.h"
#include "loop/future.h"
#include "loop/hub_of_loop.h"
#include "pipe/reader.h"
#include "python/arguments.h"
#include "python/guard.h"

static const struct awaitable_ops ops[4]; /* by enum create_function */

/* AwaitableObject.done */
enum {
    CHILD_BEGUN = 1, /* owner is the transport and argument the result, no longer the call's */
    CHILD_GIVEN_UP = 2,
};

/* Takes `limit` out of the keywords; limit->given is a new reference or NULL.  0 or -1. */
static int take_limit(PyObject *kwargs, struct reader_limit *limit)
{
    PyObject *given = arguments_find(kwargs, "limit");
    if (given == NULL)
        return 0;
    Py_INCREF(given);
    int result = reader_limit_of(given, limit);
    Py_DECREF(given);
    return result < 0 ? -1 : PyDict_DelItemString(kwargs, "limit");
}

/* Before the first step AwaitableObject.owner is the positional arguments and .argument the
 * keywords; in the low level .argument is a tuple of the keywords, the loop and the factory. */
enum { LOW_KWARGS, LOW_LOOP, LOW_FACTORY };

static HubObject *hub_to_use(struct fp_state *state, PyObject *loop)
{
    if (loop != Py_None)
        return hub_of_loop(state, loop);
    PyObject *running = state_call_in_events(state, state->names.get_running_loop);
    HubObject *hub = running != NULL ? hub_of_loop(state, running) : NULL;
    Py_XDECREF(running);
    return hub;
}

/* The low level: calls the factory.  The new pair (transport, protocol), or NULL. */
static PyObject *make_protocol(TransportObject *transport, PyObject *factory)
{
    PyObject *protocol = PyObject_CallNoArgs(factory);
    PyObject *pair = NULL;
    if (protocol != NULL && transport_set_protocol(transport, protocol) == 0)
        pair = PyTuple_Pack(2, (PyObject *)transport, protocol);
    Py_XDECREF(protocol);
    return pair;
}

/* Takes the lock only now, because before no other thread could touch the child.  0 or -1. */
static int begin_guarded(TransportObject *transport)
{
    int result;
    GUARD_BEGIN(transport->hub);
    result = transport_begin(transport);
    GUARD_END();
    return result;
}

/* The first step.  0 or -1. */
static int begin(AwaitableObject *self)
{
    struct fp_state *state = self->state;
    bool low = PyTuple_Check(self->argument);
    PyObject *loop = low ? PyTuple_GET_ITEM(self->argument, LOW_LOOP) : Py_None;
    const struct spawn_call call = {
        .function = self->ops->name,
        .args = self->owner,
        .kwargs = low ? PyTuple_GET_ITEM(self->argument, LOW_KWARGS) : self->argument,
        .shell = self->ops == &ops[CREATE_PROCESS_SHELL] || self->ops == &ops[CREATE_SHELL],
    };
    struct spawn_plan *plan = NULL;
    TransportObject *transport = NULL;
    PyObject *result = NULL;
    struct reader_limit limit = reader_default_limit;
    int status = -1;

    HubObject *hub = hub_to_use(state, loop);
    if (hub == NULL || (!low && take_limit(call.kwargs, &limit) < 0))
        goto done;
    plan = spawn_plan_new(state, &call);
    if (plan == NULL)
        goto done;
    transport = transport_new(state, hub, plan);
    if (transport == NULL)
        goto done;
    plan = NULL;
    result = low ? make_protocol(transport, PyTuple_GET_ITEM(self->argument, LOW_FACTORY))
                 : (PyObject *)process_new(state, transport, &limit);
    if (result == NULL || begin_guarded(transport) < 0)
        goto done;
    self->done |= CHILD_BEGUN;
    Py_SETREF(self->owner, Py_NewRef((PyObject *)transport));
    Py_SETREF(self->argument, Py_NewRef(result));
    status = 0;

done:
    Py_XDECREF(limit.given);
    Py_XDECREF(hub);
    Py_XDECREF(transport);
    Py_XDECREF(result);
    spawn_plan_free(plan);
    return status;
}

static enum step wait_for(AwaitableObject *self, TransportObject *transport)
{
    self->future = transport_future(transport);
    if (self->future == NULL)
        return STEP_FAILED;
    if (self->done & CHILD_GIVEN_UP)
        return waiters_add(&transport->exit_waiters, self->future) < 0 ? STEP_FAILED : STEP_WAIT;
    Py_XSETREF(transport->starter, Py_NewRef(self->future));
    return STEP_WAIT;
}

static enum step look_at_child(AwaitableObject *self, PyObject **result)
{
    TransportObject *transport = (TransportObject *)self->owner;
    if (self->done & CHILD_GIVEN_UP) {
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
    transport->given = true;
    *result = Py_NewRef(self->argument);
    return STEP_DONE;
}

static enum step create_step(AwaitableObject *self, PyObject **result)
{
    enum step step;
    if (self->done & CHILD_BEGUN)
        return look_at_child(self, result);
    if (begin(self) < 0)
        return STEP_FAILED;
    GUARD_BEGIN(((TransportObject *)self->owner)->hub);
    step = look_at_child(self, result);
    GUARD_END();
    return step;
}

/* Waits for the end of the child only once, and only for an ordinary exception. */
static enum step create_thrown(AwaitableObject *self)
{
    TransportObject *transport = (TransportObject *)self->owner;
    bool again = (self->done & CHILD_GIVEN_UP) != 0;
    self->done |= CHILD_GIVEN_UP;
    transport_abandon(transport);
    if (awaitable_keep_begun(self, self->argument) < 0) /* for run() */
        PyErr_Clear();
    if (again || transport_has_ended(transport) || !hub_is_alive(transport->hub) ||
        PyErr_GivenExceptionMatches(self->thrown, PyExc_GeneratorExit) ||
        PyErr_GivenExceptionMatches(self->thrown, PyExc_KeyboardInterrupt) ||
        PyErr_GivenExceptionMatches(self->thrown, PyExc_SystemExit))
        return STEP_FAILED;
    return wait_for(self, transport);
}

static void create_abandoned(AwaitableObject *self)
{
    if (self->done & CHILD_BEGUN)
        transport_abandon((TransportObject *)self->owner);
}

static void create_forget(AwaitableObject *self)
{
    if (self->owner == NULL || self->future == NULL || !(self->done & CHILD_BEGUN))
        return;
    TransportObject *transport = (TransportObject *)self->owner;
    waiters_discard(transport->exit_waiters, self->future);
    if (transport->starter == self->future)
        Py_CLEAR(transport->starter);
}

static PyObject *create_guard(AwaitableObject *self)
{
    if (self->done & CHILD_BEGUN)
        return (PyObject *)((TransportObject *)self->owner)->hub;
    return (PyObject *)self; /* there is no child yet, only the arguments */
}

#define OPS(function)                                                                              \
    {                                                                                              \
        .name = (function), .step = create_step, .forget = create_forget, .thrown = create_thrown, \
        .abandoned = create_abandoned, .guard = create_guard,                                      \
    }

static const struct awaitable_ops ops[4] = {
    [CREATE_PROCESS_EXEC] = OPS("create_subprocess_exec"),
    [CREATE_PROCESS_SHELL] = OPS("create_subprocess_shell"),
    [CREATE_EXEC] = OPS("subprocess_exec"),
    [CREATE_SHELL] = OPS("subprocess_shell"),
};

const char *create_name(enum create_function function)
{
    return ops[function].name;
}

PyObject *create_awaitable(struct fp_state *state, enum create_function function, PyObject *args,
                           PyObject *kwargs)
{
    return awaitable_new(state, &ops[function], args, kwargs, 0);
}

PyObject *create_awaitable_low(struct fp_state *state, enum create_function function,
                               PyObject *args, PyObject *kwargs, PyObject *loop, PyObject *factory)
{
    PyObject *argument = PyTuple_Pack(3, kwargs, loop, factory);
    if (argument == NULL)
        return NULL;
    PyObject *awaitable = awaitable_new(state, &ops[function], args, argument, 0);
    Py_DECREF(argument);
    return awaitable;
}
