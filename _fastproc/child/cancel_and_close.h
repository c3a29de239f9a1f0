/* SPDX-License-Identifier: MIT
 *
 * close(), and a cancelled create call: both kill the child, and its loop reaps it.
 */
#ifndef FP_CHILD_CANCEL_AND_CLOSE_H
#define FP_CHILD_CANCEL_AND_CLOSE_H

#include "child/transport.h"

/* Gives up a child that nobody will get: closes its pipes, kills it; the hub reaps it. */
void transport_abandon(TransportObject *self);

/* As asyncio's: closes the pipes and kills the child if it runs. */
void transport_close(TransportObject *self);

/* Kills one that has not exec'd yet.  The group of a child that is on its way may not be there yet, and be there and full a moment later.
 * A child that has been killed makes none, and starts nothing, any more. */
void transport_kill_on_its_way(TransportObject *self);

#endif
