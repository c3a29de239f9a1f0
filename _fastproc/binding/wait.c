/* SPDX-License-Identifier: MIT
 *
 * Process.wait(): until the child is reaped, whatever becomes of its pipes.
 */
#include "binding/awaitable.h"
#include "binding/future.h"
#include "binding/transport.h"

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
