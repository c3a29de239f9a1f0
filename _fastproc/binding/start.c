/* SPDX-License-Identifier: MIT
 *
 * A child from the call of create until it has exec'd, failed to, or ended
 * before: the first part of its life (transport.h).  What is to be started is
 * described by launch.h; children that have to wait are in gate.h.
 */
#include "binding/transport.h"

#include <signal.h>

#include "binding/errors.h"
#include "binding/future.h"
#include "binding/gate.h"
#include "binding/handovers.h"
#include "binding/pipes.h"
#include "binding/protocol.h"
#include "posix/fd.h"

/* Kills and reaps a child that could not be taken under the hub's wing.  0 or -errno. */
static int destroy_child(TransportObject *self)
{
    struct fp_exit_status status;
    return fp_exit_destroy(&self->child, &status);
}

void transport_end_block(TransportObject *self, int err)
{
    fp_fd_close(&self->launch->child.outcome_fd);
    if (err < 0) {
        launch_give_up(self->launch);
        self->launch = NULL;
    } else {
        handovers_return(self->hub, &self->launch->request.handover);
    }
}

static void outcome_ready(PyObject *op, unsigned Py_UNUSED(ready))
{
    transport_outcome_ready((TransportObject *)op);
}

static void exit_ready(PyObject *op, unsigned Py_UNUSED(ready))
{
    transport_exit_ready((TransportObject *)op);
}

static void loop_closed(PyObject *op, bool forked_off)
{
    transport_loop_closed((TransportObject *)op, forked_off);
}

static const struct hub_owner_ops outcome_ops = {
    .ready = outcome_ready,
    .loop_closed = loop_closed,
    .finds_out = true,
};

static const struct hub_owner_ops exit_ops = {
    .ready = exit_ready,
    .loop_closed = loop_closed,
    .finds_out = true,
};

/* Has the hub watch for the exit, if it does not yet.  0 or -1. */
static int watch_exit(TransportObject *self)
{
    if (self->exit_slot < 0)
        self->exit_slot =
            hub_add(self->hub, self->child.fd, FP_WANT_READ, &exit_ops, (PyObject *)self);
    return self->exit_slot < 0 ? -1 : 0;
}

int transport_take_pidfd(TransportObject *self)
{
    if (self->child.fd >= 0)
        return 0;
    return fp_exit_watch(&self->child, self->launch->child.pid,
                         fp_fd_take(&self->launch->child.pidfd), self->hub->state->exit_mode);
}

/* Has the hub watch for what becomes of it; for the exit too where the outcome pipe might not tell
 * of one.  0 or -1. */
static int watch_start(TransportObject *self)
{
    struct launch *launch = self->launch;
    self->outcome_slot =
        hub_add(self->hub, launch->child.outcome_fd, FP_WANT_READ, &outcome_ops, (PyObject *)self);
    if (self->outcome_slot < 0 || !launch->request.shares_table)
        return self->outcome_slot < 0 ? -1 : 0;
    int err = transport_take_pidfd(self);
    return err < 0 ? raise_errno(err) : watch_exit(self);
}

/* 0, or -1 with an exception and no child. */
static int start(TransportObject *self)
{
    struct launch *launch = self->launch;
    if (hub_wake(self->hub) < 0)
        return -1;
    launch->request.handover = handovers_borrow(self->hub);
    launch->request.others_are_starting = self->hub->starting > 0;
    int started = launch_start(self->hub->state, launch);
    if (started < 0 || !launch->request.shares_table)
        handovers_return(self->hub, &launch->request.handover);
    if (started < 0) {
        hub_rest(self->hub);
        return -1;
    }
    self->child.pid = launch->child.pid;
    if (watch_start(self) < 0) {
        PyObject *raised = compat_take_exception();
        hub_remove(self->hub, &self->outcome_slot, launch->child.outcome_fd);
        hub_remove(self->hub, &self->exit_slot, self->child.fd);
        transport_take_pidfd(self);
        transport_end_block(self, destroy_child(self));
        transport_close_pipes(self);
        hub_rest(self->hub);
        compat_raise(raised);
        return -1;
    }
    self->hub->starting++;
    self->phase = TRANSPORT_STARTING;
    return 0;
}

static void fail(TransportObject *self);

static void start_queued(PyObject *op)
{
    if (start((TransportObject *)op) < 0)
        fail((TransportObject *)op);
}

static const struct start_ops queued_ops = {.start = start_queued, .loop_closed = loop_closed};

int transport_begin(TransportObject *self)
{
    HubObject *hub = self->hub;
    if (hub->starting < hub->state->gate || self->launch->runs_at_once)
        return start(self);
    if (launch_hold_fds(self->launch) < 0)
        return -1;
    gate_enqueue(hub, &self->queued, (PyObject *)self, &queued_ops);
    self->phase = TRANSPORT_QUEUED;
    return 0;
}

void transport_end_failed(TransportObject *self)
{
    self->phase = TRANSPORT_FAILED;
    future_wake(self->hub->state, &self->starter);
    future_wake_all(self->hub->state, &self->exit_waiters);
}

/* The raised exception is why there is no child. */
static void fail(TransportObject *self)
{
    if (self->launch != NULL)
        Py_XSETREF(self->launch->failure, compat_take_exception());
    else
        hub_report((PyObject *)self); /* the block had to be given up: see transport_end_block() */
    transport_end_failed(self);
}

void transport_raise_failure(TransportObject *self)
{
    if (self->launch == NULL)
        PyErr_SetString(PyExc_RuntimeError, "the child was given up");
    else if (self->launch->failure != NULL)
        compat_raise(Py_NewRef(self->launch->failure));
    else
        launch_raise_error(self->hub->state, self->launch);
}

/* ---- the outcome ---- */

static int connect_pipes(TransportObject *self)
{
    struct launch *launch = self->launch;
    for (int fd = 0; fd < 3; fd++) {
        if (self->pipes[fd] == NULL)
            continue;
        int taken = fp_fd_take(&launch->pipe_fds[fd]);
        int result = fd == 0 ? write_pipe_connect((WritePipeObject *)self->pipes[fd], taken)
                             : read_pipe_connect((ReadPipeObject *)self->pipes[fd], taken);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* 0, or -1 with an exception: the child has to go. */
static int take_charge(TransportObject *self, int err)
{
    if (err < 0)
        return raise_errno(err);
    if (watch_exit(self) < 0)
        return -1;
    return self->phase == TRANSPORT_RUNNING && !self->abandoned ? connect_pipes(self) : 0;
}

/* The child has exec'd or ended, and launch->error says which. */
static void settle_outcome(TransportObject *self)
{
    struct launch *launch = self->launch;
    if (launch->request.early_error.stage != FP_STAGE_NONE) {
        launch->error = launch->request.early_error;
        self->hub->state->table_sharing = SHARING_FAILS; /* lest all children fail here */
    }
    hub_remove(self->hub, &self->outcome_slot, launch->child.outcome_fd);
    fp_fd_close(&launch->child.outcome_fd);
    handovers_return(self->hub, &launch->request.handover);
    self->hub->starting--;
    self->settled_in = self->hub->turn;

    bool failed = launch->error.stage != FP_STAGE_NONE;
    self->phase = failed ? TRANSPORT_FAILING : TRANSPORT_RUNNING;
    enum fp_exit_mode mode = self->hub->state->exit_mode;
    if (failed && mode == FP_EXIT_THREAD) { /* it is about to exit: not worth a thread */
        hub_remove(self->hub, &self->exit_slot, self->child.fd);
        destroy_child(self);
        transport_close_pipes(self);
        transport_end_failed(self);
        return;
    }
    if (take_charge(self, transport_take_pidfd(self)) < 0) {
        hub_remove(self->hub, &self->exit_slot, self->child.fd);
        destroy_child(self);
        PyObject *raised = compat_take_exception();
        transport_close_pipes(self);
        compat_raise(raised);
        fail(self);
        return;
    }
    if (failed) {
        fp_exit_signal(&self->child, SIGKILL); /* it exits by itself, if it was heard */
        transport_close_pipes(self);
        transport_exit_ready(self); /* mostly it has exited by now */
        return;
    }
    if (self->abandoned)
        fp_exit_signal(&self->child, SIGKILL);
    self->launch = NULL;
    launch_free(launch);
    if (self->protocol != NULL && !self->abandoned)
        protocol_connection_made(self);
    future_wake(self->hub->state, &self->starter);
}

void transport_outcome_ready(TransportObject *self)
{
    struct launch *launch = self->launch;
    if (fp_spawn_outcome(launch->child.outcome_fd, &launch->error) == FP_OUTCOME_GONE)
        settle_outcome(self);
}

void transport_settle_early_end(TransportObject *self)
{
    struct launch *launch = self->launch;
    fp_spawn_outcome(launch->child.outcome_fd, &launch->error);
    settle_outcome(self);
}
