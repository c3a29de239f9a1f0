/* SPDX-License-Identifier: MIT
 *
 * Wakeup: the future that a task waits on inside one of our awaitables.
 *
 * It has only what a task needs of a future.  A loop's own future, when it is
 * done, makes the loop call the task in its next turn.  The hub is itself called
 * by the loop, with no task running, so it can call the tasks that its events
 * have woken at the end of that very call, which saves each of them a turn of the
 * loop.  A Wakeup completed by anything but the hub behaves like other futures.
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
    bool in_order; /* called by the loop, after the calls that it was asked for before */
} WakeupObject;

PyObject *wakeup_new(HubObject *hub);

/* ---- for woken.c and wakeup_type.c ---- */

/* The callbacks of a wakeup, taken from it. */
struct taken {
    PyObject *callback, *context, *more;
};

struct taken wakeup_take_callbacks(WakeupObject *self);
/* Calls each.  0; or -1 with an exception if the loop could not be asked: then they are put back,
 * to be called another time. */
int wakeup_call_back(WakeupObject *self, const struct taken *taken, bool now);

/* Makes the loop call the callback in its next turn.  0 or -1. */
int wakeup_call_soon(WakeupObject *self, PyObject *callback, PyObject *context);

int wakeup_init(PyObject *module, struct fp_state *state);

#endif
