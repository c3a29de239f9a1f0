/* SPDX-License-Identifier: MIT
 *
 * See cancel_and_close.h.
 */
#include "child/cancel_and_close.h"

#include <signal.h>

#include "child/group.h"
#include "child/popen_view.h"
#include "loop/start_queue.h"

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

void transport_kill_on_its_way(TransportObject *self)
{
    group_kill(self);
    if (self->plan != NULL && self->child.fd < 0) {
        /* Not reaped and not watched yet, so both ways of naming it are safe. */
        struct fp_exit child = {.pid = self->plan->child.pid,
                                .fd = self->plan->child.pidfd,
                                .is_pidfd = self->plan->child.pidfd >= 0};
        fp_exit_signal(&child, SIGKILL);
    } else {
        fp_exit_signal(&self->child, SIGKILL);
    }
    group_kill(self);
}

void transport_abandon(TransportObject *self)
{
    if (self->abandoned || hub_is_forked_off(self->hub)) /* not our child */
        return;
    self->abandoned = true;
    switch (self->phase) {
    case TRANSPORT_QUEUED:
        self->phase = TRANSPORT_FAILED;
        start_queue_remove(self->hub, &self->queued);
        break;
    case TRANSPORT_STARTING:
        transport_kill_on_its_way(self);
        break;
    default:
        group_kill(self);
        transport_close(self);
    }
}
