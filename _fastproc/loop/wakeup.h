/* SPDX-License-Identifier: MIT
 *
 * Wakeup: the future that a task waits on inside one of our awaitables.
 *
 * It has what a task asks of a future and no more.  What it is for: a loop's own
 * future, when it is done, has the loop call the task in its next turn.  The hub
 * is itself called by the loop, with no task running, so it can call the tasks
 * that its events have woken at the end of that very call, which saves each of
 * them a turn of the loop.  Woken by anybody but the hub it does as other futures.
 */
#ifndef FP_LOOP_WAKEUP_H
#define FP_LOOP_WAKEUP_H

#include "loop/hub.h"

typedef struct WakeupObject {
    PyObject_HEAD
    HubObject *hub;
    PyObject *callback, *context;    /* the first one added: mostly there is one */
    PyObject *more;                  /* list of (callback, context), or NULL */
    PyObject *cancel_message;        /* or the exception, if it has failed */
    struct WakeupObject *next_woken; /* in the hub's list */
    enum { WAKEUP_PENDING, WAKEUP_DONE, WAKEUP_CANCELLED } phase;
    bool failed;   /* by set_exception(): then the phase is WAKEUP_CANCELLED */
    bool blocking; /* _asyncio_future_blocking */
    bool in_order; /* called by the loop, after what it was asked to call before */
} WakeupObject;

PyObject *wakeup_new(HubObject *hub);

/* ---- for woken.c and wakeup_type.c ---- */

/* The callbacks of a wakeup, taken from it. */
struct taken {
    PyObject *callback, *context, *more;
};

struct taken wakeup_take_callbacks(WakeupObject *self);
/* Calls each. 0, or -1 with an exception if the loop could not be asked: the rest is to be called
 * another time. */
int wakeup_call_back(WakeupObject *self, const struct taken *taken, bool now);

/* Has the loop call it in its next turn.  0 or -1. */
int wakeup_call_soon(WakeupObject *self, PyObject *callback, PyObject *context);

int wakeup_init(PyObject *module, struct fp_state *state);

#endif
