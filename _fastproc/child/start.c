/* SPDX-License-Identifier: MIT
 *
 * See start.h.  The child to be started is described by spawn_plan.h; children that
 * have to wait are in loop/start_queue.h.
 */
#include "child/start.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>

#include "child/cancel_and_close.h"
#include "child/end_without_loop.h"
#include "child/protocol.h"
#include "child/reap.h"
#include "child/tracer_and_limit.h"
#include "child/terminal.h"
#include "loop/exceptions.h"
#include "loop/loop_methods.h"
#include "loop/future.h"
#include "loop/handover_pool.h"
#include "loop/start_queue.h"
#include "loop/watch.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "posix/fd.h"
#include "python/errors.h"
#include "python/guard.h"

/* Kills a child that the hub cannot take over, with the group that it may lead, and reaps it.  0 or
 * -errno. */
static int destroy_child(TransportObject *self)
{
    struct fp_exit_status status;
    transport_kill_on_its_way(self);
    return fp_exit_destroy(&self->child, &status);
}

static bool outcome_ready(PyObject *op, unsigned ready);
static bool exit_ready(PyObject *op, unsigned ready);

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

/* Makes the hub watch the outcome pipe; also the exit, if the child shares the descriptor table,
 * because then the pipe may not report it, or if there is no pipe for a known outcome.  0 or -1. */
static int watch_start(TransportObject *self)
{
    struct spawn_plan *plan = self->plan;
    bool is_known = plan->child.outcome_fd < 0;
    if (!is_known) {
        self->outcome_slot = hub_add(self->hub, plan->child.outcome_fd, FP_WANT_READ, &outcome_ops,
                                     (PyObject *)self);
        if (self->outcome_slot < 0 || !plan->request.shares_table)
            return self->outcome_slot < 0 ? -1 : 0;
    }
    int err = transport_take_pidfd(self);
    if (err < 0)
        return raise_errno(err);
    return watch_exit(self) < 0 || (is_known && ask_to_settle(self) < 0) ? -1 : 0;
}

/* Starts the child.  `sparingly`, as asyncio does: with no descriptor that is not needed,
 * suspending this thread until the child has exec'd.  0 or -errno. */
static int start_plan(HubObject *hub, struct spawn_plan *plan, bool sparingly)
{
    plan->request.waits = sparingly || hub->state->is_traced;
    plan->request.handover = plan->request.waits ? NULL : handover_pool_borrow(hub);
    plan->request.others_are_starting = hub->starting > 0;
    int err = spawn_plan_start(hub->state, plan);
    if (err < 0 || !plan->request.shares_table)
        handover_pool_return(hub, &plan->request.handover);
    if ((err == -EMFILE || err == -ENFILE) && !sparingly)
        return start_plan(hub, plan, true);
    return err;
}

/* Waits until a child that starts has exec'd or failed, and closes its outcome pipe.  False if that
 * is not possible. */
static bool hurry(TransportObject *self)
{
    enum { PATIENCE_MS = 1000 }; /* an exec takes one or two */
    struct spawn_plan *plan = self->plan;
    struct pollfd outcome = {.fd = plan->child.outcome_fd, .events = POLLIN};
    if (plan->child.pidfd < 0 || plan->request.shares_table)
        return false; /* without the pipe, watching it would need another descriptor */
    while (fp_spawn_outcome(plan->child.outcome_fd, &plan->error) != FP_OUTCOME_GONE)
        if (poll(&outcome, 1, PATIENCE_MS) <= 0)
            return false;
    if (transport_take_pidfd(self) < 0 || watch_exit(self) < 0 || ask_to_settle(self) < 0) {
        PyErr_Clear(); /* the pipe is still watched */
        return false;
    }
    hub_remove(self->hub, &self->outcome_slot, plan->child.outcome_fd);
    fp_fd_close(&plan->child.outcome_fd);
    return true;
}

/* Closes descriptors that only save time, which takes as long as the execs under way.  Whether
 * there were any. */
static bool economize(HubObject *hub)
{
    bool any = handover_pool_close_idle(hub);
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
    struct spawn_plan *plan = self->plan;
    if (hub_wake(hub) < 0)
        return START_FAILED;
    tracer_and_limit_look(hub->state);
    bool is_tight = hub->latest_fd >= limit_spare_from(hub->state);
    int err = start_plan(hub, plan, sparingly || is_tight);
    if ((err == -EMFILE || err == -ENFILE) && economize(hub))
        err = start_plan(hub, plan, true);
    if (err < 0) {
        hub_rest(hub);
        raise_errno_naming(err, plan->missing);
        return err == -EMFILE || err == -ENFILE ? START_LATER : START_FAILED;
    }
    spawn_plan_release_fds(plan, &hub->kept); /* the child has its own */
    self->child.pid = plan->child.pid;
    if (watch_start(self) < 0) {
        PyObject *raised = compat_take_exception();
        hub_remove(hub, &self->outcome_slot, plan->child.outcome_fd);
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
    tracer_and_limit_look(state);
    do {
        int room = at_last ? INT_MAX : limit_spare_from(state);
        if (spawn_plan_keep_fds(self->plan, &self->hub->kept, room))
            return true;
    } while (!at_last && limit_has_changed(state));
    return false;
}

static void let_go_queued(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    spawn_plan_let_go(self->plan, &self->hub->kept);
}

static void release_queued(PyObject *op)
{
    TransportObject *self = (TransportObject *)op;
    if (self->plan != NULL)
        spawn_plan_release_fds(self->plan, &self->hub->kept);
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
    if (!start_queue_add(self->hub, &self->queued, (PyObject *)self, &queued_ops))
        return false;
    self->phase = TRANSPORT_QUEUED;
    return true;
}

int transport_begin(TransportObject *self)
{
    HubObject *hub = self->hub;
    bool may_wait = !self->plan->runs_at_once;
    bool is_full = may_wait && start_queue_gate_is_shut(hub);
    if (spawn_plan_check_fds(self->plan) < 0)
        return -1;
    if (is_full && enqueue(self))
        return 0;
    if (is_full) { /* waiting takes more descriptors than running */
        economize(hub);
        start_queue_start_all(hub);
    }
    enum start started = start(self, is_full);
    if (started == START_LATER && may_wait && hub->starting > 0 && enqueue(self)) {
        PyErr_Clear(); /* others are going to give descriptors back */
        started = START_DONE;
    }
    return started == START_DONE ? 0 : -1;
}

/* The raised exception is why there is no child. */
static void fail(TransportObject *self)
{
    if (self->plan != NULL)
        Py_XSETREF(self->plan->failure, compat_take_exception());
    else
        hub_report((PyObject *)self); /* the block had to be given up: see transport_end_block() */
    transport_end_failed(self);
}

/* ---- the outcome ---- */

static int connect_pipes(TransportObject *self)
{
    struct spawn_plan *plan = self->plan;
    for (int fd = 0; fd < 3; fd++) {
        if (self->pipes[fd] == NULL)
            continue;
        int taken = fp_fd_take(&plan->pipe_fds[fd]);
        int result = fd == 0 ? write_pipe_connect((WritePipeObject *)self->pipes[fd], taken)
                             : read_pipe_connect((ReadPipeObject *)self->pipes[fd], taken);
        if (result < 0)
            return -1;
    }
    return self->has_terminal ? terminal_begin(self) : 0;
}

/* 0, or -1 with an exception: then the child has to be ended. */
static int take_charge(TransportObject *self, int err)
{
    if (err < 0)
        return raise_errno(err);
    if (watch_exit(self) < 0)
        return -1;
    return self->phase == TRANSPORT_RUNNING && !self->abandoned ? connect_pipes(self) : 0;
}

/* Replaces a child that could not leave the shared descriptor table, which a sandbox may forbid at
 * any time.  False if that was not done: what it was given may be another file by now. */
static bool start_again(TransportObject *self)
{
    struct spawn_plan *plan = self->plan;
    for (int fd = 0; fd < 3; fd++)
        if (plan->stdio[fd] == STDIO_FD)
            return false;
    if (plan->request.begin_in != NULL || self->abandoned)
        return false;
    hub_remove(self->hub, &self->outcome_slot, plan->child.outcome_fd);
    hub_remove(self->hub, &self->exit_slot, self->child.fd);
    transport_end_block(self, destroy_child(self));
    self->hub->starting--;
    if (self->plan == NULL) { /* the old child may still be running */
        transport_end_failed(self);
        return true;
    }
    spawn_plan_close_pipes(plan);
    plan->error = (struct fp_spawn_error){0};
    if (start(self, false) != START_DONE)
        fail(self);
    return true;
}

/* The child has exec'd or ended, and plan->error says which. */
static void settle_outcome(TransportObject *self)
{
    struct spawn_plan *plan = self->plan;
    if (plan->request.early_error.stage != FP_STAGE_NONE) {
        plan->error = plan->request.early_error;
        if (plan->request.shares_table) {
            self->hub->state->table_sharing = SHARING_FAILS; /* or all children would fail here */
            if (start_again(self))
                return;
        }
    }
    hub_remove(self->hub, &self->outcome_slot, plan->child.outcome_fd);
    fp_fd_close(&plan->child.outcome_fd);
    handover_pool_return(self->hub, &plan->request.handover);
    self->hub->starting--;
    self->settled_in = self->hub->turn;

    bool failed = plan->error.stage != FP_STAGE_NONE;
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
        fp_exit_signal(&self->child, SIGKILL); /* for a child whose record could not be read */
        transport_close_pipes(self);
        transport_exit_ready(self); /* usually it has exited by now */
        return;
    }
    if (self->abandoned)
        fp_exit_signal(&self->child, SIGKILL);
    self->plan = NULL;
    self->cgroup = fp_fd_take(&plan->cgroup);
    spawn_plan_free(plan);
    if (self->protocol != NULL && !self->abandoned)
        protocol_connection_made(self);
    future_wake(self->hub->state, &self->starter);
}

/* Called in the loop's next turn, as if a pipe had reported the outcome. */
static PyObject *settle_known(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    TransportObject *self = (TransportObject *)op;
    GUARD_BEGIN(self->hub);
    if (self->phase == TRANSPORT_STARTING && hub_is_alive(self->hub)) {
        settle_outcome(self);
        hub_settle_exception(self->hub, op);
        start_queue_run(self->hub);
    }
    GUARD_END();
    Py_RETURN_NONE;
}

static bool outcome_ready(PyObject *op, unsigned Py_UNUSED(ready))
{
    TransportObject *self = (TransportObject *)op;
    struct spawn_plan *plan = self->plan;
    if (fp_spawn_outcome(plan->child.outcome_fd, &plan->error) != FP_OUTCOME_GONE)
        return false;
    settle_outcome(self);
    return true;
}

static bool exit_ready(PyObject *op, unsigned Py_UNUSED(ready))
{
    TransportObject *self = (TransportObject *)op;
    int unused;
    if (self->phase != TRANSPORT_STARTING)
        return transport_exit_ready(self);
    if (fp_exit_peek(&self->child, &unused) == FP_REAP_RUNNING)
        return false;
    /* A child that shares the table has ended before it reported that, or before we read it. */
    if (self->plan->child.outcome_fd >= 0)
        fp_spawn_outcome(self->plan->child.outcome_fd, &self->plan->error);
    settle_outcome(self);
    return true;
}
