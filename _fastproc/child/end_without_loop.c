/* SPDX-License-Identifier: MIT
 *
 * See end_without_loop.h.
 */
#include "child/end_without_loop.h"

#include "child/cancel_and_close.h"
#include "child/group.h"
#include "child/popen_view.h"
#include "child/reap.h"
#include "child/resource_warning.h"
#include "child/terminal.h"
#include "loop/watch.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "posix/fd.h"

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

/* Takes the status if there is one; waits a moment for a child that is about to exit. */
static enum fp_reap reap_patiently(TransportObject *self, struct fp_exit_status *status)
{
    enum fp_reap reap = fp_exit_reap(&self->child, status);
    if (reap == FP_REAP_RUNNING && has_closed_outputs(self))
        reap = fp_exit_reap_within(&self->child, status, &self->hub->patience_ms);
    return reap;
}

/* Kills and reaps the child, and sets the phase that it comes to. */
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
            resource_warning_of_running(self);
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
    fp_fd_close(&self->cgroup);      /* now: a recorded warning may keep the transport for long, */
    for (int fd = 0; fd < 3; fd++) { /* and these */
        if (self->pipes[fd] == NULL)
            continue;
        if (fd == 0)
            write_pipe_disconnect((WritePipeObject *)self->pipes[fd]);
        else
            read_pipe_disconnect((ReadPipeObject *)self->pipes[fd]);
    }
    fp_fd_close(&self->terminal);
    compat_raise(raised);
}

void transport_loop_closed(TransportObject *self, bool forked_off)
{
    bool on_its_way = self->phase == TRANSPORT_STARTING || self->phase == TRANSPORT_FAILING;
    if (self->phase == TRANSPORT_QUEUED)
        self->phase = TRANSPORT_FAILED;
    if (forked_off && (on_its_way || self->phase == TRANSPORT_RUNNING)) {
        fp_fd_close(&self->child.fd); /* it is our parent's child, not ours */
        self->phase = TRANSPORT_FAILED;
    } else {
        if (on_its_way)
            transport_kill_on_its_way(self);
        else if (self->holds_group) /* the call that was to end the group cannot go on */
            group_kill(self);
        if (on_its_way || (self->holds_group && self->phase == TRANSPORT_RUNNING))
            end_child(self);
    }
    group_let_go(self);
    struct spawn_plan *plan = self->plan;
    self->plan = NULL;
    bool lives_on = self->phase == TRANSPORT_RUNNING || self->phase == TRANSPORT_EXITED;
    for (int fd = 0; fd < 3; fd++) {
        if (self->pipes[fd] == NULL)
            continue;
        if (fd == 0)
            write_pipe_loop_closed((WritePipeObject *)self->pipes[fd], !lives_on);
        else
            read_pipe_loop_closed((ReadPipeObject *)self->pipes[fd], !lives_on);
    }
    terminal_loop_closed(self, !lives_on);
    spawn_plan_free(plan);
    if (self->popen != NULL && popen_view_is_unused(self->popen)) /* a cycle */
        Py_CLEAR(self->popen);
    hub_remove(self->hub, &self->outcome_slot,
               -1); /* the poller is gone: this is for the references */
    hub_remove(self->hub, &self->exit_slot, -1);
}
