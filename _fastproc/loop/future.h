/* SPDX-License-Identifier: MIT
 *
 * Futures: what an awaitable waits on, and lists of them.  A future here only
 * says "look again"; it never carries a result.  The futures of a hub are our own
 * (wakeup.h); those of a reader made by hand are its loop's.
 */
#ifndef FP_LOOP_FUTURE_H
#define FP_LOOP_FUTURE_H

#include "loop/hub.h"

/* A new reference or NULL. */
PyObject *future_new(HubObject *hub);
/* The same, but a task that waits on it resumes after all calls that the loop was asked for before. */
PyObject *future_new_in_order(HubObject *hub);

/* Marks the future as waited for by the task that gets it from a coroutine.  0 or -1. */
int future_block_on(struct fp_state *state, PyObject *future);
/* 1 done, 0 not, -1 with an exception. */
int future_is_done(struct fp_state *state, PyObject *future);
/* Takes the future out of *future and completes it unless it is done.  Never raises. */
void future_wake(struct fp_state *state, PyObject **future);
/* The same, but sets the exception; not for a future of our own. */
void future_fail(struct fp_state *state, PyObject **future, PyObject *exception);
/* Takes the list of futures out of *waiters and completes all. */
void future_wake_all(struct fp_state *state, PyObject **waiters);
/* Adds to such a list, which is made if *waiters is NULL; 0 or -1. */
int waiters_add(PyObject **waiters, PyObject *future);
void waiters_discard(PyObject *waiters, PyObject *future);

/* Makes state->done_future: an asyncio future with the result None that belongs to no loop.  0 or -1. */
int future_make_done(struct fp_state *state);

#endif
