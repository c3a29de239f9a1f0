/* SPDX-License-Identifier: MIT
 *
 * The start queue: only so many children of one loop are between clone and exec at
 * a time, the others wait here.  Without it a burst of children takes the
 * processors away from the loop.
 */
#ifndef FP_LOOP_START_QUEUE_H
#define FP_LOOP_START_QUEUE_H

#include "loop/hub.h"

/* How many that are by default, on this machine. */
int start_queue_default_width(void);

/* What those in the queue are told. */
struct start_ops {
    /* Its turn has come, and it is in the queue no longer; may leave an exception, which is reported
     * as nobody's.  `sparingly`: with as few descriptors as can be.  False, with an exception, if
     * there are too few of them now: it waits on, or it is told to fail of that. */
    bool (*start)(PyObject *owner, bool sparingly);
    void (*fail)(PyObject *owner);
    /* To hold what it is to be started with, if it does not, with the last descriptors or only if some
     * are left then; false if there are too few, and then it holds nothing. */
    bool (*hold)(PyObject *owner, bool at_last);
    /* To hold less: nothing that need not be held now; nothing. */
    void (*let_go)(PyObject *owner);
    void (*release)(PyObject *owner);
    /* The loop is closed or gone (struct hub_owner_ops). */
    void (*loop_closed)(PyObject *owner, bool forked_off);
};

/* Starts those in the queue as far as the width allows. */
void start_queue_run(HubObject *hub);
/* Starts all of them, sparingly, because what they hold is needed. */
void start_queue_start_all(HubObject *hub);

/* The queue has a reference to the owner.  False if that cannot hold what it is to be started with. */
bool start_queue_add(HubObject *hub, struct start_entry *entry, PyObject *owner,
                     const struct start_ops *ops);
/* Has the owner release what it holds; does nothing if it is not in the queue. */
void start_queue_remove(HubObject *hub, struct start_entry *entry);
/* Tells all in the queue that the loop has closed, and forgets them. */
void start_queue_close(HubObject *hub, bool forked_off);

#endif
