/* SPDX-License-Identifier: MIT
 *
 * One child, from the moment it is to be started until it is reaped: the
 * asyncio.SubprocessTransport of this package.  Process is a face of it.
 *
 * This file has the object itself.  Its start is in start.h, its exit in
 * reap.h, the other ways to end it in cancel_and_close.h.
 */
#ifndef FP_CHILD_TRANSPORT_H
#define FP_CHILD_TRANSPORT_H

#include "child/spawn_plan.h"
#include "loop/hub.h"

enum transport_phase {
    TRANSPORT_NEW,      /* nothing has happened */
    TRANSPORT_QUEUED,   /* waits for its turn to be started */
    TRANSPORT_STARTING, /* between clone and exec */
    TRANSPORT_FAILING,  /* could not exec; not reaped yet */
    TRANSPORT_RUNNING,
    TRANSPORT_EXITED, /* reaped; returncode is known */
    TRANSPORT_FAILED, /* never ran, and nothing of it is left */
};

typedef struct TransportObject {
    PyObject_HEAD
    PyObject *extra; /* the base's slot */
    HubObject *hub;
    PyObject *dict, *weakrefs;
    struct spawn_plan *plan; /* until the child has exec'd and create() has seen it */
    struct start_entry queued;
    struct fp_exit child;
    struct rusage *usage;   /* of the reaped child */
    PyObject *pipes[3];     /* our ends: a WritePipeObject, two ReadPipeObjects, or NULL */
    PyObject *starter;      /* the future create() waits on */
    PyObject *exit_waiters; /* list of futures, or NULL */
    PyObject *args;         /* list: what was run */
    PyObject *popen;        /* the view of it (popen_view.h), once it was asked for */
    PyObject *protocol;     /* of the caller of subprocess_exec(); NULL for a Process */
    PyObject *context;      /* the protocol is called in a copy of it */
    int outcome_slot;       /* in the hub: the outcome pipe's, */
    int exit_slot;          /* the pidfd's; -1 while not registered */
    unsigned settled_in;    /* the turn of the hub in which the outcome became known */
    int returncode;         /* valid in TRANSPORT_EXITED */
    int cgroup;             /* the directory of the cgroup that it was started in, or -1 */
    int terminal;           /* the master, or -1 (terminal.h); */
    int terminal_slot;      /* in the hub, while no stream reads the terminal; else -1 */
    enum transport_phase phase;
    bool has_terminal; /* or has had one */
    bool closing;
    bool abandoned; /* create() was cancelled: end the child in whatever phase it is */
    bool connected; /* connection_made was called */
    bool finished;  /* ... and connection_lost */
    enum { GROUP_NONE, GROUP_UNKNOWN, GROUP_LED } group; /* that the child leads, as far as known */
    double linger;          /* seconds for which outputs are read on after the exit; < 0: as long
                               as they are open (linger.h) */
    PyObject *linger_timer; /* the loop's timer for that, or NULL */
    bool lingered;          /* the timer has ended a pipe */
    bool given;             /* create() has returned */
    bool holds_group;       /* the group has to be reachable after the exit, too (group.h), */
    bool zombie;            /* so the child has exited and was not reaped yet */
} TransportObject;

/* Takes the plan, on success. */
TransportObject *transport_new(struct fp_state *state, HubObject *hub, struct spawn_plan *plan);

/* From now on the protocol is called with what happens to the child, in a copy of the current
 * context if it is the first one.  0 or -1. */
int transport_set_protocol(TransportObject *self, PyObject *protocol);

/* Whether create() has its answer: the child runs, or has failed. */
static inline bool transport_is_settled(const TransportObject *self)
{
    return self->phase >= TRANSPORT_RUNNING;
}

static inline bool transport_has_ended(const TransportObject *self)
{
    return self->phase >= TRANSPORT_EXITED;
}

/* Raises what kept the child from running (TRANSPORT_FAILED). */
void transport_raise_failure(TransportObject *self);

/* A future to wait on for what happens to the child.  Its task resumes after the protocol was
 * called.  A new reference or NULL. */
PyObject *transport_future(TransportObject *self);

/* The awaitable of wait(). */
PyObject *transport_wait(TransportObject *self);

/* A new reference: the returncode, or None. */
PyObject *transport_returncode(TransportObject *self);

/* ---- for start.c, reap.c, cancel_and_close.c and group.c ---- */

/* Takes the pidfd from the plan, if the plan still has it: 0 or -errno. */
int transport_take_pidfd(TransportObject *self);
/* To be called when a child that was between clone and exec is gone, or (err < 0) could not be
 * ended: then the block is never freed, because the child may still use its stack. */
void transport_end_block(TransportObject *self, int err);

/* To be called when there is no child any more, and plan->error or plan->failure says why. */
void transport_end_failed(TransportObject *self);
void transport_close_pipes(TransportObject *self);

/* Keeps the resource usage that the reap has given. */
void transport_keep_usage(TransportObject *self, const struct rusage *usage);

int transport_init(PyObject *module, struct fp_state *state);

#endif
