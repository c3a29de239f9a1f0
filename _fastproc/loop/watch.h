/* SPDX-License-Identifier: MIT
 *
 * What a hub watches: the descriptors that are registered with it.  It registers
 * its own descriptor with the loop (joins the loop) when there is something to
 * watch, and leaves the loop when there is nothing.
 */
#ifndef FP_LOOP_WATCH_H
#define FP_LOOP_WATCH_H

#include "loop/hub.h"

/* Registers a descriptor.  Takes a reference to `owner` until hub_remove().  A slot number,
 * or -1 with an exception. */
int hub_add(HubObject *hub, int fd, unsigned interest, const struct hub_owner_ops *ops,
            PyObject *owner);
/* 0, or -1 with an exception. */
int hub_modify(HubObject *hub, int slot, int fd, unsigned interest);
/* Call before closing the fd.  Leaves -1 in *slot; does nothing if it is -1 already.  May drop
 * the last reference to the owner. */
void hub_remove(HubObject *hub, int *slot, int fd);

/* Opens the poller and makes the loop watch it, unless it does already.  0 or -1. */
int hub_wake(HubObject *hub);
/* If there is nothing to watch: undoes that, at once, or asks the loop to call the hub for it in its
 * next turn.  hub_rest() may raise what a signal handler raises, unless an exception is set already. */
void hub_rest(HubObject *hub);
void hub_ask_for_rest(HubObject *hub);

/* What an event carries: a slot, and which use of it. */
static inline uint64_t hub_cookie(const HubObject *hub, int slot)
{
    return (uint64_t)hub->slots[slot].generation << 32 | (uint32_t)slot;
}

/* The slot that the cookie was made for, or NULL if it is not used for that any more. */
struct hub_slot *hub_find_slot(HubObject *hub, uint64_t cookie);

#endif
