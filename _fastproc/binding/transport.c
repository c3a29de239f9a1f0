/* SPDX-License-Identifier: MIT
 *
 * See transport.h.  What happens to a child, in order, but for its start, which is
 * in start.c; the Python face of it is in transport_type.c.
 */
#include "binding/transport.h"
#include "binding/future.h"
#include "binding/gate.h"
#include "binding/group.h"
#include "binding/linger.h"

#include <signal.h>

#include "binding/pipe_owner.h"
#include "binding/popen_view.h"
#include "binding/protocol.h"
#include "binding/errors.h"
#include "posix/fd.h"

enum { LOST_RETURNCODE = 255 }; /* asyncio's, for a status that other code took */

TransportObject *transport_new(struct fp_state *state, HubObject *hub, struct launch *launch)
{
    PyTypeObject *type = (PyTypeObject *)state->transport_type;
    TransportObject *self = (TransportObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    PyObject *owner = (PyObject *)self;
    self->child.fd = -1;
    self->outcome_slot = self->exit_slot = -1;
    for (int fd = 0; fd < 3; fd++) {
        if (launch->stdio[fd] != STDIO_PIPE)
            continue;
        self->pipes[fd] = fd == 0 ? (PyObject *)write_pipe_new(state, hub, owner, &child_owns_pipe)
                                  : (PyObject *)read_pipe_new(state, hub, owner, &child_owns_pipe,
                                                              fd, launch->pipe_size > 0);
        if (self->pipes[fd] == NULL) {
            Py_DECREF(self);
            return NULL;
        }
    }
    self->args = Py_NewRef(launch->args);
    self->launch = launch;
    group_begin(self);
    self->linger = -1;
    return self;
}

int transport_set_protocol(TransportObject *self, PyObject *protocol)
{
    if (self->context == NULL && (self->context = PyContext_CopyCurrent()) == NULL)
        return -1;
    if (self->phase >= TRANSPORT_RUNNING) /* of a Process so far, which has told nobody */
        self->connected = true;
    Py_XSETREF(self->protocol, Py_NewRef(protocol));
    return 0;
}

void transport_close_pipes(TransportObject *self)
{
    if (self->launch != NULL)
        for (int fd = 0; fd < 3; fd++)
            fp_fd_close(&self->launch->pipe_fds[fd]);
    for (int fd = 0; fd < 3; fd++) {
        if (self->pipes[fd] == NULL)
            continue;
        if (fd == 0)
            write_pipe_close((WritePipeObject *)self->pipes[fd]);
        else
            read_pipe_close((ReadPipeObject *)self->pipes[fd]);
    }
}

/* ---- the exit ---- */

static void warn_of_lost_status(TransportObject *self)
{
    module_log_warning("Unknown child process pid %d, will report returncode 255",
                       (int)self->child.pid);
}

void transport_keep_usage(TransportObject *self, const struct rusage *usage)
{
    self->usage = PyMem_Malloc(sizeof *usage);
    if (self->usage != NULL)
        *self->usage = *usage;
}

void transport_maybe_finish(TransportObject *self)
{
    if (self->protocol != NULL) {
        protocol_maybe_finish(self);
        return;
    }
    if (self->phase != TRANSPORT_EXITED)
        return;
    for (int fd = 1; fd < 3; fd++)
        if (self->pipes[fd] != NULL && !((ReadPipeObject *)self->pipes[fd])->closing)
            return;
    transport_close(self);
}

bool transport_exit_ready(TransportObject *self)
{
    struct fp_exit_status status;
    int unused;
    if (self->phase == TRANSPORT_STARTING) {
        if (fp_exit_peek(&self->child, &unused) == FP_REAP_RUNNING)
            return false;
        transport_settle_early_end(self);
        return true;
    }
    if (self->phase == TRANSPORT_RUNNING && self->settled_in == self->hub->turn)
        return true; /* whoever waits for the start has not run yet; it comes again */
    bool needs_leader = group_needs_leader(self);
    if (needs_leader && !self->given)
        return false; /* it comes again, and by then we know whether the group is to be held */
    enum fp_reap reap =
        needs_leader ? group_peek(self, &status) : fp_exit_reap(&self->child, &status);
    if (reap == FP_REAP_RUNNING) /* it has ended, but a debugger is to have its status first */
        return false;
    hub_remove(self->hub, &self->exit_slot, self->child.fd);
    group_leader_has_exited(self);
    if (self->phase == TRANSPORT_FAILING) {
        transport_end_failed(self);
        return true;
    }
    self->returncode = reap == FP_REAP_LOST ? LOST_RETURNCODE : status.returncode;
    self->phase = TRANSPORT_EXITED;
    if (reap == FP_REAP_DONE && !self->zombie)
        transport_keep_usage(self, &status.usage);
    if (self->protocol != NULL)
        protocol_process_exited(self);
    transport_maybe_finish(self);
    if (reap == FP_REAP_LOST)
        warn_of_lost_status(self);
    linger_begin(self);
    future_wake_all(self->hub->state, &self->exit_waiters);
    return true;
}

int transport_send_signal(TransportObject *self, int signum)
{
    if (self->phase != TRANSPORT_RUNNING) {
        PyErr_SetNone(PyExc_ProcessLookupError);
        return -1;
    }
    int err = fp_exit_signal(&self->child, signum);
    return err < 0 ? raise_errno(err) : 0;
}

void transport_close(TransportObject *self)
{
    if (self->closing)
        return;
    self->closing = true;
    /* Killed first, because it might exit by itself when its input ends. */
    if (self->phase == TRANSPORT_RUNNING && !hub_is_forked_off(self->hub) &&
        !(self->popen != NULL && popen_view_kills(self->popen)))
        fp_exit_signal(&self->child, SIGKILL); /* gone or setuid: not ours to worry about */
    transport_close_pipes(self);
}

void transport_abandon(TransportObject *self)
{
    if (self->abandoned || hub_is_forked_off(self->hub)) /* not our child */
        return;
    self->abandoned = true;
    group_kill(self);
    switch (self->phase) {
    case TRANSPORT_QUEUED:
        self->phase = TRANSPORT_FAILED;
        gate_dequeue(self->hub, &self->queued);
        break;
    case TRANSPORT_STARTING: {
        /* Not reaped and not watched yet, so both ways of naming it are safe. */
        struct fp_exit child = {.pid = self->launch->child.pid,
                                .fd = self->launch->child.pidfd,
                                .is_pidfd = self->launch->child.pidfd >= 0};
        fp_exit_signal(self->child.fd >= 0 ? &self->child : &child, SIGKILL);
        break;
    }
    default:
        transport_close(self);
    }
}

/* ---- the end without a loop ---- */

/* Whatever the warnings filter makes of it, the caller goes on. */
static void warn_of_running(TransportObject *self)
{
    static const char message[] = "subprocess %d is still running";
    int pid = (int)self->child.pid;
    if (PyErr_ResourceWarning(Py_REFCNT(self) > 0 ? (PyObject *)self : NULL, 1, message, pid) == 0)
        return;
    PyErr_Clear(); /* nobody is there to catch it: say it the other way */
    module_log_warning(message, pid);
    PyErr_Clear();
}

/* Whether the child has closed the output pipes that it had, as it does when it exits. */
static bool has_closed_outputs(const TransportObject *self)
{
    bool any = false;
    for (int fd = 1; fd < 3; fd++) {
        const ReadPipeObject *pipe = (const ReadPipeObject *)self->pipes[fd];
        if (pipe != NULL && !pipe->at_eof)
            return false;
        any = any || pipe != NULL;
    }
    return any;
}

/* Takes the status if there is one; of a child that is about to exit after a moment. */
static enum fp_reap reap_patiently(TransportObject *self, struct fp_exit_status *status)
{
    enum fp_reap reap = fp_exit_reap(&self->child, status);
    if (reap == FP_REAP_RUNNING && has_closed_outputs(self))
        reap = fp_exit_reap_within(&self->child, status, &self->hub->patience_ms);
    return reap;
}

/* Kills and reaps; leaves the phase it comes to. */
static void end_child(TransportObject *self)
{
    struct fp_exit_status status = {0};
    enum fp_reap reap = FP_REAP_RUNNING;
    bool starting = self->phase == TRANSPORT_STARTING;
    int err = 0;
    if (starting)
        transport_take_pidfd(self);
    else
        reap = reap_patiently(self, &status);
    if (reap == FP_REAP_RUNNING) {
        if (self->phase == TRANSPORT_RUNNING && !self->closing && !compat_is_finalizing())
            warn_of_running(self);
        err = fp_exit_destroy(&self->child, &status);
    }
    if (starting)
        transport_end_block(self, err);
    fp_fd_close(&self->child.fd);
    self->returncode = reap == FP_REAP_LOST ? LOST_RETURNCODE : status.returncode;
    bool has_exited = self->phase == TRANSPORT_RUNNING && err == 0; /* it may not be ours to kill */
    self->phase = has_exited ? TRANSPORT_EXITED : TRANSPORT_FAILED;
}

void transport_end_dropped(TransportObject *self)
{
    if (self->phase != TRANSPORT_RUNNING || hub_is_forked_off(self->hub))
        return;
    PyObject *raised = compat_take_exception();
    end_child(self);
    for (int fd = 0; fd < 3; fd++) { /* now: a record of the warning may keep them for long */
        if (self->pipes[fd] == NULL)
            continue;
        if (fd == 0)
            write_pipe_disconnect((WritePipeObject *)self->pipes[fd]);
        else
            read_pipe_disconnect((ReadPipeObject *)self->pipes[fd]);
    }
    compat_raise(raised);
}

/* What is still on its way to exec is ended, because nobody has its Process yet; and so is what
 * run() or stop() were at. */
void transport_loop_closed(TransportObject *self, bool forked_off)
{
    bool on_its_way = self->phase == TRANSPORT_STARTING || self->phase == TRANSPORT_FAILING;
    if (self->phase == TRANSPORT_QUEUED)
        self->phase = TRANSPORT_FAILED;
    if (forked_off && (on_its_way || self->phase == TRANSPORT_RUNNING)) {
        fp_fd_close(&self->child.fd); /* it is our parent's child, not ours */
        self->phase = TRANSPORT_FAILED;
    } else {
        if (self->holds_group) /* whoever was about to end the group does not come to it */
            group_kill(self);
        if (on_its_way || (self->holds_group && self->phase == TRANSPORT_RUNNING))
            end_child(self);
    }
    group_let_go(self);
    struct launch *launch = self->launch;
    self->launch = NULL;
    bool lives_on = self->phase == TRANSPORT_RUNNING || self->phase == TRANSPORT_EXITED;
    for (int fd = 0; fd < 3; fd++) {
        if (self->pipes[fd] == NULL)
            continue;
        if (fd == 0)
            write_pipe_loop_closed((WritePipeObject *)self->pipes[fd], !lives_on);
        else
            read_pipe_loop_closed((ReadPipeObject *)self->pipes[fd], !lives_on);
    }
    launch_free(launch);
    if (self->popen != NULL && popen_view_is_unused(self->popen)) /* a cycle */
        Py_CLEAR(self->popen);
    hub_remove(self->hub, &self->outcome_slot,
               -1); /* the poller is gone: this is for the references */
    hub_remove(self->hub, &self->exit_slot, -1);
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
