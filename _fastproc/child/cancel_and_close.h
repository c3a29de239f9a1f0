/* SPDX-License-Identifier: MIT
 *
 * close(), and a cancelled create call: both kill the child, and its loop reaps it.
 */
#ifndef FP_CHILD_CANCEL_AND_CLOSE_H
#define FP_CHILD_CANCEL_AND_CLOSE_H

#include "child/transport.h"

/* Ends a child that no create call returns: closes its pipes, kills it; the hub reaps it. */
void transport_abandon(TransportObject *self);

/* Like asyncio's close(): closes the pipes, and kills the child if it runs. */
void transport_close(TransportObject *self);

/* Kills a child that has not exec'd yet.  Kills its group before and after, because the child may
 * make the group and start processes in it meanwhile; once killed it does neither. */
void transport_kill_on_its_way(TransportObject *self);

#endif
