/* SPDX-License-Identifier: MIT
 *
 * The start queue: only so many children of one loop are between clone and exec at
 * a time, the others wait here.  Without it a burst of children takes the
 * processors away from the loop.
 */
#ifndef FP_LOOP_START_QUEUE_H
#define FP_LOOP_START_QUEUE_H

#include "loop/hub.h"

/* How many children may be between clone and exec by default, on this machine; and how many at most
 * where few descriptors are left, or a start suspends the loop. */
int start_queue_default_width(void);
int start_queue_narrow_width(void);
/* Whether as many are as may be now, so that the next one has to wait.  Decides which of the two
 * numbers that is; the open descriptors are counted only when the lower one is reached, or when few may
 * be left, because that takes two system calls. */
bool start_queue_gate_is_shut(HubObject *hub);

/* The functions of a queued child that the queue calls. */
struct start_ops {
    /* Starts the child, which has left the queue; may leave an exception, which is reported as
     * unraisable.  `sparingly`: with as few descriptors as possible.  False, with an exception, if
     * there are too few of them now: the child is put back into the queue, or fail() is called. */
    bool (*start)(PyObject *owner, bool sparingly);
    void (*fail)(PyObject *owner);
    /* Holds the descriptors that the child is to be started with, unless it does so already;
     * `at_last`: even if none is left then.  False if there are too few, and then it holds none. */
    bool (*hold)(PyObject *owner, bool at_last);
    /* Release the descriptors that need not be held now; release all. */
    void (*let_go)(PyObject *owner);
    void (*release)(PyObject *owner);
    /* The loop is closed or gone (struct hub_owner_ops). */
    void (*loop_closed)(PyObject *owner, bool forked_off);
};

/* Starts queued children as far as the width allows. */
void start_queue_run(HubObject *hub);
/* Starts all of them, sparingly, because the descriptors that they hold are needed. */
void start_queue_start_all(HubObject *hub);

/* The queue takes a reference to the owner.  False if the owner cannot hold the descriptors that it
 * is to be started with. */
bool start_queue_add(HubObject *hub, struct start_entry *entry, PyObject *owner,
                     const struct start_ops *ops);
/* Makes the owner release the descriptors that it holds; does nothing if it is not in the queue. */
void start_queue_remove(HubObject *hub, struct start_entry *entry);
/* Tells all in the queue that the loop has closed, and forgets them. */
void start_queue_close(HubObject *hub, bool forked_off);

#endif
