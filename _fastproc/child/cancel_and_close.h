/* SPDX-License-Identifier: MIT
 *
 * What ends a child that has not exited by itself: close(), a cancelled create, the end of its loop.
 */
#ifndef FP_CHILD_CANCEL_AND_CLOSE_H
#define FP_CHILD_CANCEL_AND_CLOSE_H

#include "child/transport.h"

/* Gives up a child that nobody will get: closes its pipes, kills it; the hub reaps it. */
void transport_abandon(TransportObject *self);

/* As asyncio's: closes the pipes and kills the child if it runs. */
void transport_close(TransportObject *self);

void transport_loop_closed(TransportObject *self, bool forked_off);

/* Nobody refers to it any more, and there is no loop that would reap the child. */
void transport_end_dropped(TransportObject *self);

#endif
