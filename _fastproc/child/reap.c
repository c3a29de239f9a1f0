/* SPDX-License-Identifier: MIT
 *
 * See reap.h.
 */
#include "child/reap.h"

#include "child/group.h"
#include "child/linger.h"
#include "child/protocol.h"
#include "loop/future.h"
#include "loop/watch.h"
#include "pipe/read_pipe.h"

static void warn_of_lost_status(TransportObject *self)
{
    state_log_warning("Unknown child process pid %d, will report returncode 255",
                      (int)self->child.pid);
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
    if (!self->closing) {
        self->closing = true;
        transport_close_pipes(self);
    }
}

bool transport_exit_ready(TransportObject *self)
{
    struct fp_exit_status status;
    if (self->phase == TRANSPORT_RUNNING && self->settled_in == self->hub->turn)
        return true; /* the task that waits for the start has not run yet; the event comes again */
    bool needs_leader = group_needs_leader(self);
    if (needs_leader && !self->given)
        return false; /* the event comes again, and by then we know whether to hold the group */
    enum fp_reap reap =
        needs_leader ? group_peek(self, &status) : fp_exit_reap(&self->child, &status);
    if (reap == FP_REAP_RUNNING) /* it has exited, but a debugger gets its status first */
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
