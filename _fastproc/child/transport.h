/* SPDX-License-Identifier: MIT
 *
 * One child, from the moment it is to be started until it is reaped: the
 * asyncio.SubprocessTransport of this package.  Process is a face of it.
 *
 * Here: what it is.  Its start is in start.h, its exit in reap.h, what ends it
 * otherwise in cancel_and_close.h.
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
    PyObject *popen;        /* the view of it (popen_view.h), once somebody has asked */
    PyObject *protocol;     /* of who called subprocess_exec(); NULL of a Process */
    PyObject *context;      /* what the protocol is called in a copy of */
    int outcome_slot;       /* in the hub: the outcome pipe's, */
    int exit_slot;          /* the pidfd's; -1 while not registered */
    unsigned settled_in;    /* the turn of the hub in which the outcome was heard */
    int returncode;         /* with TRANSPORT_EXITED */
    int cgroup;             /* the directory of the one it was started in, or -1 */
    int terminal;           /* the master, or -1 (terminal.h); */
    int terminal_slot;      /* in the hub, while nobody reads it; -1 */
    enum transport_phase phase;
    bool has_terminal; /* or has had one */
    bool closing;
    bool abandoned; /* create() was cancelled: end the child whatever it has come to */
    bool connected; /* connection_made was called */
    bool finished;  /* ... and connection_lost */
    enum { GROUP_NONE, GROUP_UNKNOWN, GROUP_LED } group; /* that the child leads, as far as known */
    double linger;          /* seconds for which outputs are read on after the exit; < 0: as long
                               as they are open (linger.h) */
    PyObject *linger_timer; /* what will end that, or NULL */
    bool lingered;          /* it has */
    bool given;             /* create() has returned */
    bool holds_group;       /* the group is to be reached after the exit, too (group.h), */
    bool zombie;            /* for which the child was not reaped yet */
} TransportObject;

/* Takes the plan, on success. */
TransportObject *transport_new(struct fp_state *state, HubObject *hub, struct spawn_plan *plan);

/* Has the protocol told what happens, in the context of now if it is the first.  0 or -1. */
int transport_set_protocol(TransportObject *self, PyObject *protocol);

/* Whether create() has its answer: a child that runs, or that it has failed. */
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

/* A future to wait on for what happens to the child: its task goes on after the protocol was told.
 * A new reference or NULL. */
PyObject *transport_future(TransportObject *self);

/* The awaitable of wait(). */
PyObject *transport_wait(TransportObject *self);

/* A new reference: the returncode, or None. */
PyObject *transport_returncode(TransportObject *self);

/* ---- for start.c, reap.c, cancel_and_close.c and group.c ---- */

/* From the plan, if that still has it: 0 or -errno. */
int transport_take_pidfd(TransportObject *self);
/* A child that was between clone and exec is gone, or (err < 0) could not be made to go: then it
 * may still use its stack, which is better lost than reused. */
void transport_end_block(TransportObject *self, int err);

/* There is no child any more, and plan->error or plan->failure says why. */
void transport_end_failed(TransportObject *self);
void transport_close_pipes(TransportObject *self);

/* Keeps what the reap has said. */
void transport_keep_usage(TransportObject *self, const struct rusage *usage);

int transport_init(PyObject *module, struct fp_state *state);

#endif
