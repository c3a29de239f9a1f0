/* SPDX-License-Identifier: MIT
 *
 * A child from the call of create until it has exec'd, failed to, or ended
 * before: the first part of its life (transport.h).  What is to be started is
 * described by launch.h; children that have to wait are in gate.h.
 */
#include "binding/transport.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>

#include "binding/errors.h"
#include "binding/future.h"
#include "binding/gate.h"
#include "binding/guard.h"
#include "binding/handovers.h"
#include "binding/loop.h"
#include "binding/pipes.h"
#include "binding/protocol.h"
#include "binding/surroundings.h"
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

static bool outcome_ready(PyObject *op, unsigned Py_UNUSED(ready))
{
    return transport_outcome_ready((TransportObject *)op);
}

static bool exit_ready(PyObject *op, unsigned Py_UNUSED(ready))
{
    return transport_exit_ready((TransportObject *)op);
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

/* Lets the hub watch for the exit, if it does not yet.  0 or -1. */
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

static PyObject *settle_known(PyObject *transport, PyObject *ignored);

static PyMethodDef settle_method = {"settle", settle_known, METH_NOARGS, NULL};

static int ask_to_settle(TransportObject *self)
{
    PyObject *context = PyContext_New();
    PyObject *callback = PyCFunction_NewEx(&settle_method, (PyObject *)self, NULL);
    int result = -1;
    if (context != NULL && callback != NULL)
        result = loop_call_soon(self->hub, context, callback, NULL, 0);
    Py_XDECREF(context);
    Py_XDECREF(callback);
    return result;
}

/* Has the hub watch for what becomes of it; for the exit too where the outcome pipe might not tell
 * of one, or there is none because the outcome is known.  0 or -1. */
static int watch_start(TransportObject *self)
{
    struct launch *launch = self->launch;
    bool is_known = launch->child.outcome_fd < 0;
    if (!is_known) {
        self->outcome_slot = hub_add(self->hub, launch->child.outcome_fd, FP_WANT_READ,
                                     &outcome_ops, (PyObject *)self);
        if (self->outcome_slot < 0 || !launch->request.shares_table)
            return self->outcome_slot < 0 ? -1 : 0;
    }
    int err = transport_take_pidfd(self);
    if (err < 0)
        return raise_errno(err);
    return watch_exit(self) < 0 || (is_known && ask_to_settle(self) < 0) ? -1 : 0;
}

/* Starts it; sparingly, as asyncio does: with no descriptor that is not needed, suspending this thread
 * until it has exec'd.  0 or -errno. */
static int launch_in(HubObject *hub, struct launch *launch, bool sparingly)
{
    launch->request.waits = sparingly || hub->state->is_traced;
    launch->request.handover = launch->request.waits ? NULL : handovers_borrow(hub);
    launch->request.others_are_starting = hub->starting > 0;
    int err = launch_start(hub->state, launch);
    if (err < 0 || !launch->request.shares_table)
        handovers_return(hub, &launch->request.handover);
    if ((err == -EMFILE || err == -ENFILE) && !sparingly)
        return launch_in(hub, launch, true);
    return err;
}

/* Waits until a child that starts has exec'd or failed, and closes its outcome pipe.  False if that
 * cannot be. */
static bool hurry(TransportObject *self)
{
    enum { PATIENCE_MS = 1000 }; /* an exec takes one or two */
    struct launch *launch = self->launch;
    struct pollfd outcome = {.fd = launch->child.outcome_fd, .events = POLLIN};
    if (launch->child.pidfd < 0 || launch->request.shares_table)
        return false; /* to be watched without the pipe it would need another descriptor */
    while (fp_spawn_outcome(launch->child.outcome_fd, &launch->error) != FP_OUTCOME_GONE)
        if (poll(&outcome, 1, PATIENCE_MS) <= 0)
            return false;
    if (transport_take_pidfd(self) < 0 || watch_exit(self) < 0 || ask_to_settle(self) < 0) {
        PyErr_Clear(); /* the pipe is still watched */
        return false;
    }
    hub_remove(self->hub, &self->outcome_slot, launch->child.outcome_fd);
    fp_fd_close(&launch->child.outcome_fd);
    return true;
}

/* Gives back descriptors that are only there to be quicker, which takes as long as the execs under way.
 * Whether there were any. */
static bool economize(HubObject *hub)
{
    bool any = handovers_close_idle(hub);
    for (int slot = 0; slot < hub->slot_count; slot++)
        if (hub->slots[slot].owner != NULL && hub->slots[slot].ops == &outcome_ops)
            any |= hurry((TransportObject *)hub->slots[slot].owner);
    return any;
}

enum start {
    START_FAILED, /* with an exception, and no child */
    START_DONE,
    START_LATER, /* the same, because there are too few descriptors now */
};

static enum start start(TransportObject *self, bool sparingly)
{
    HubObject *hub = self->hub;
    struct launch *launch = self->launch;
    if (hub_wake(hub) < 0)
        return START_FAILED;
    surroundings_look(hub->state);
    bool is_tight = hub->latest_fd >= surroundings_spare_from(hub->state);
    int err = launch_in(hub, launch, sparingly || is_tight);
    if ((err == -EMFILE || err == -ENFILE) && economize(hub))
        err = launch_in(hub, launch, true);
    if (err < 0) {
        hub_rest(hub);
        raise_errno(err);
        return err == -EMFILE || err == -ENFILE ? START_LATER : START_FAILED;
    }
    launch_release_fds(launch, &hub->held); /* it has its own */
    self->child.pid = launch->child.pid;
    if (watch_start(self) < 0) {
        PyObject *raised = compat_take_exception();
        hub_remove(hub, &self->outcome_slot, launch->child.outcome_fd);
        hub_remove(hub, &self->exit_slot, self->child.fd);
        transport_take_pidfd(self);
        transport_end_block(self, destroy_child(self));
        transport_close_pipes(self);
        hub_rest(hub);
        compat_raise(raised);
        return START_FAILED;
    }
    hub->starting++;
    self->phase = TRANSPORT_STARTING;
    return START_DONE;
}

static void fail(TransportObject *self);

static bool start_queued(PyObject *op, bool sparingly)
{
    TransportObject *self = (TransportObject *)op;
    enum start started = start(self, sparingly);
    if (started == START_LATER && self->phase != TRANSPORT_QUEUED) { /* abandoned meanwhile */
        PyErr_Clear();
        return true;
    }
    if (started == START_FAILED)
        fail(self);
    return started != START_LATER;
}

static void fail_queued(PyObject *op)
{
    fail((TransportObject *)op);
}

static bool hold_queued(PyObject *op, bool at_last)
{
    TransportObject *self = (TransportObject *)op;
    struct fp_state *state = self->hub->state;
    surroundings_look(state);
    int room = at_last ? INT_MAX : surroundings_spare_from(state);
    return launch_hold_fds(self->launch, &self->hub->held, room);
}

static void let_go_queued(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    launch_let_go(self->launch, &self->hub->held);
}

static void release_queued(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    if (self->launch != NULL)
        launch_release_fds(self->launch, &self->hub->held);
}

static const struct start_ops queued_ops = {
    .start = start_queued,
    .fail = fail_queued,
    .hold = hold_queued,
    .let_go = let_go_queued,
    .release = release_queued,
    .loop_closed = loop_closed,
};

static bool enqueue(TransportObject *self)
{
    if (!gate_enqueue(self->hub, &self->queued, (PyObject *)self, &queued_ops))
        return false;
    self->phase = TRANSPORT_QUEUED;
    return true;
}

int transport_begin(TransportObject *self)
{
    HubObject *hub = self->hub;
    bool may_wait = !self->launch->runs_at_once;
    bool is_full = may_wait && hub->starting >= hub->state->gate;
    if (launch_check_fds(self->launch) < 0)
        return -1;
    if (is_full && enqueue(self))
        return 0;
    if (is_full) { /* those who wait hold more than it takes to run */
        economize(hub);
        gate_lift(hub);
    }
    enum start started = start(self, is_full);
    if (started == START_LATER && may_wait && hub->starting > 0 && enqueue(self)) {
        PyErr_Clear(); /* others are going to give some back */
        started = START_DONE;
    }
    return started == START_DONE ? 0 : -1;
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

/* In place of a child that could not leave the table that it shared, which a sandbox may forbid at any
 * time; unless that had what may be another by now.  False if it was not started. */
static bool start_again(TransportObject *self)
{
    struct launch *launch = self->launch;
    for (int fd = 0; fd < 3; fd++)
        if (launch->stdio[fd] == STDIO_FD)
            return false;
    if (launch->request.begin_in != NULL || self->abandoned)
        return false;
    hub_remove(self->hub, &self->outcome_slot, launch->child.outcome_fd);
    hub_remove(self->hub, &self->exit_slot, self->child.fd);
    transport_end_block(self, destroy_child(self));
    self->hub->starting--;
    if (self->launch == NULL) { /* it may be anywhere */
        transport_end_failed(self);
        return true;
    }
    for (int fd = 0; fd < 3; fd++)
        fp_fd_close(&launch->pipe_fds[fd]);
    launch->error = (struct fp_spawn_error){0};
    if (start(self, false) != START_DONE)
        fail(self);
    return true;
}

/* The child has exec'd or ended, and launch->error says which. */
static void settle_outcome(TransportObject *self)
{
    struct launch *launch = self->launch;
    if (launch->request.early_error.stage != FP_STAGE_NONE) {
        launch->error = launch->request.early_error;
        if (launch->request.shares_table) {
            self->hub->state->table_sharing = SHARING_FAILS; /* or all children would fail here */
            if (start_again(self))
                return;
        }
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

bool transport_outcome_ready(TransportObject *self)
{
    struct launch *launch = self->launch;
    if (fp_spawn_outcome(launch->child.outcome_fd, &launch->error) != FP_OUTCOME_GONE)
        return false;
    settle_outcome(self);
    return true;
}

void transport_settle_early_end(TransportObject *self)
{
    struct launch *launch = self->launch;
    if (launch->child.outcome_fd >= 0)
        fp_spawn_outcome(launch->child.outcome_fd, &launch->error);
    settle_outcome(self);
}

/* In the loop's next turn: as if the outcome had been told by a pipe. */
static PyObject *settle_known(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    TransportObject *self = (TransportObject *)op;
    GUARD_BEGIN(self->hub);
    if (self->phase == TRANSPORT_STARTING && hub_is_alive(self->hub)) {
        settle_outcome(self);
        hub_settle_exception(self->hub, op);
        gate_open(self->hub);
    }
    GUARD_END();
    Py_RETURN_NONE;
}
