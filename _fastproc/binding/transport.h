/* SPDX-License-Identifier: MIT
 *
 * One child, from the moment it is to be started until it is reaped: the
 * asyncio.SubprocessTransport of this package.  Process is a face of it.
 *
 * While the loop lives the hub refers to a child's transport, so the child does not
 * depend on anybody holding its Process.  When the loop has ended only the program
 * does: the child lives on, signals reach it, and when the last reference goes it is
 * killed and reaped, as in asyncio.
 */
#ifndef FP_BINDING_TRANSPORT_H
#define FP_BINDING_TRANSPORT_H

#include "binding/hub.h"
#include "binding/launch.h"

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
    struct launch *launch; /* until the child has exec'd and create() has seen it */
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
    enum transport_phase phase;
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

/* Takes the launch, on success. */
TransportObject *transport_new(struct fp_state *state, HubObject *hub, struct launch *launch);

/* Has the protocol told what happens, in the context of now if it is the first.  0 or -1. */
int transport_set_protocol(TransportObject *self, PyObject *protocol);

/* Starts the child or queues it.  0 or -1. */
int transport_begin(TransportObject *self);

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

/* Gives up a child that nobody will get: closes its pipes, kills it; the hub reaps it. */
void transport_abandon(TransportObject *self);

/* As asyncio's: closes the pipes and kills the child if it runs. */
void transport_close(TransportObject *self);

/* Once the child has exited and its pipes have ended, tells the protocol; without one closes the
 * transport, as asyncio's streams do. */
void transport_maybe_finish(TransportObject *self);

/* 0, or -1 with ProcessLookupError or another OSError. */
int transport_send_signal(TransportObject *self, int signum);

/* A future to wait on for what happens to the child: its task goes on after the protocol was told.
 * A new reference or NULL. */
PyObject *transport_future(TransportObject *self);

/* transport_type.c: the methods, for its other faces (Process, the Popen view). */
PyObject *transport_send_signal_method(PyObject *transport, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *names);
PyObject *transport_terminate(PyObject *transport, PyObject *ignored);
PyObject *transport_kill(PyObject *transport, PyObject *ignored);

/* The awaitable of wait(). */
PyObject *transport_wait(TransportObject *self);

/* A new reference: the returncode, or None. */
PyObject *transport_returncode(TransportObject *self);

/* Keeps what the reap has said. */
void transport_keep_usage(TransportObject *self, const struct rusage *usage);

/* Between transport.c and start.c. */
/* From the launch, if that still has it: 0 or -errno. */
int transport_take_pidfd(TransportObject *self);
/* A child that was between clone and exec is gone, or (err < 0) could not be made to go: then it
 * may still use its stack, which is better lost than reused. */
void transport_end_block(TransportObject *self, int err);
/* A child that shared the table has ended, before it could say so or before that was read. */
void transport_settle_early_end(TransportObject *self);
/* Nobody refers to it any more, and there is no loop that would reap the child. */
void transport_end_dropped(TransportObject *self);
/* There is no child any more, and launch->error or launch->failure says why. */
void transport_end_failed(TransportObject *self);
void transport_close_pipes(TransportObject *self);

/* Called by the hub; may leave an exception, which the hub reports.  False: nothing has happened. */
bool transport_outcome_ready(TransportObject *self);
bool transport_exit_ready(TransportObject *self);
void transport_loop_closed(TransportObject *self, bool forked_off);

#endif
