/* SPDX-License-Identifier: MIT
 *
 * See transport.h.
 *
 * The hub refers to a transport as long as its child is not reaped, so a child
 * does not depend on anybody holding its Process.
 */
#include "child/transport.h"

#include "child/spawn_error.h"
#include "child/terminal.h"
#include "loop/awaitable.h"
#include "loop/future.h"
#include "loop/handover_pool.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "posix/fd.h"

int transport_set_protocol(TransportObject *self, PyObject *protocol)
{
    if (self->context == NULL && (self->context = PyContext_CopyCurrent()) == NULL)
        return -1;
    if (self->phase >= TRANSPORT_RUNNING) /* so far of a Process, which calls no protocol */
        self->connected = true;
    Py_XSETREF(self->protocol, Py_NewRef(protocol));
    return 0;
}

void transport_close_pipes(TransportObject *self)
{
    if (self->plan != NULL)
        spawn_plan_close_pipes(self->plan);
    for (int fd = 0; fd < 3; fd++) {
        if (self->pipes[fd] == NULL)
            continue;
        if (fd == 0)
            write_pipe_close((WritePipeObject *)self->pipes[fd]);
        else
            read_pipe_close((ReadPipeObject *)self->pipes[fd]);
    }
    if (self->has_terminal)
        terminal_hang_up(self);
}

void transport_keep_usage(TransportObject *self, const struct rusage *usage)
{
    self->usage = PyMem_Malloc(sizeof *usage);
    if (self->usage != NULL)
        *self->usage = *usage;
}

int transport_take_pidfd(TransportObject *self)
{
    if (self->child.fd >= 0)
        return 0;
    return fp_exit_watch(&self->child, self->plan->child.pid, fp_fd_take(&self->plan->child.pidfd),
                         self->hub->state->exit_mode);
}

void transport_end_block(TransportObject *self, int err)
{
    fp_fd_close(&self->plan->child.outcome_fd);
    if (err < 0) {
        spawn_plan_give_up(self->plan);
        self->plan = NULL;
    } else {
        handover_pool_return(self->hub, &self->plan->request.handover);
    }
}

void transport_end_failed(TransportObject *self)
{
    self->phase = TRANSPORT_FAILED;
    future_wake(self->hub->state, &self->starter);
    future_wake_all(self->hub->state, &self->exit_waiters);
}

void transport_raise_failure(TransportObject *self)
{
    if (self->plan == NULL)
        PyErr_SetString(PyExc_RuntimeError, "the child was given up");
    else if (self->plan->failure != NULL)
        compat_raise(Py_NewRef(self->plan->failure));
    else
        spawn_error_raise(self->hub->state, self->plan);
}

/* ---- for those who wait ---- */

PyObject *transport_returncode(TransportObject *self)
{
    if (self->phase != TRANSPORT_EXITED)
        Py_RETURN_NONE;
    return PyLong_FromLong(self->returncode);
}

PyObject *transport_future(TransportObject *self)
{
    return self->protocol != NULL ? future_new_in_order(self->hub) : future_new(self->hub);
}

/* Process.wait(): until the child is reaped, whatever becomes of its pipes. */

static enum step wait_step(AwaitableObject *self, PyObject **result)
{
    TransportObject *transport = (TransportObject *)self->owner;
    if (transport_has_ended(transport)) {
        *result = transport_returncode(transport);
        return *result != NULL ? STEP_DONE : STEP_FAILED;
    }
    self->future = transport_future(transport);
    if (self->future == NULL || waiters_add(&transport->exit_waiters, self->future) < 0)
        return STEP_FAILED;
    return STEP_WAIT;
}

static void wait_forget(AwaitableObject *self)
{
    if (self->owner != NULL)
        waiters_discard(((TransportObject *)self->owner)->exit_waiters, self->future);
}

static PyObject *wait_guard(AwaitableObject *self)
{
    return (PyObject *)((TransportObject *)self->owner)->hub;
}

static const struct awaitable_ops wait_ops = {
    .name = "Process.wait",
    .step = wait_step,
    .forget = wait_forget,
    .guard = wait_guard,
};

PyObject *transport_wait(TransportObject *self)
{
    return awaitable_new(self->hub->state, &wait_ops, (PyObject *)self, NULL, 0);
}
