/* SPDX-License-Identifier: MIT
 *
 * The hub: connects one event loop and all its children.
 *
 * It owns a private poller; the loop watches the one descriptor of the poller by
 * one add_reader().  Watching is in watch.h, the loop's calls of the hub are in
 * turn.h, the hub's calls of the loop in loop_methods.h.  The hub knows the
 * owners of descriptors only by their tables of functions.
 *
 * A hub that has had nothing to watch for a turn of the loop rests: it closes its
 * poller and leaves the loop, until there is something again.
 *
 * While a descriptor is registered the hub holds a reference to its owner, as a
 * loop does for what it reads; so a child whose Process was dropped is still
 * reaped.  When the loop closes, or is collected, the hub ends and gives up these
 * references.  A child lives on as long as the program has a reference to it
 * (transport.h).
 */
#ifndef FP_LOOP_HUB_H
#define FP_LOOP_HUB_H

#include "posix/kept_fds.h"
#include "posix/poller.h"
#include "python/state.h"
#include "stream/inflow.h"

/* The functions of the owner of a descriptor that the hub calls.  Both may leave an exception,
 * which is reported as unraisable. */
struct hub_owner_ops {
    /* The descriptor is ready: bits of enum fp_readiness.  False if there was nothing to be done. */
    bool (*ready)(PyObject *owner, unsigned ready);
    /* The loop is closed or gone; `forked_off` in a process forked off from the loop's. */
    void (*loop_closed)(PyObject *owner, bool forked_off);
    /* ready() itself finds out whether the descriptor is ready, so it may be called on a guess,
     * without the bits. */
    bool finds_out;
};

struct hub_slot {
    PyObject *owner; /* NULL of a free slot */
    const struct hub_owner_ops *ops;
    uint32_t generation; /* counts the uses of this slot: an old event finds another number */
    union {
        int next_free;
        int fd;
    };
    unsigned stalled_in;      /* the last turn in which its handler made no progress */
    unsigned char interest;   /* of enum fp_interest */
    unsigned char stalls : 7; /* how many turns in a row without progress */
    unsigned char off : 1;    /* it is not in the poller, and looked at again later */
};

/* An entry of the start queue (start_queue.h), a part of its owner: a child that waits to be started. */
struct start_entry {
    PyObject *owner;
    const struct start_ops *ops;
    struct start_entry *next;
};

/* Of handover_pool.c. */
enum { HUB_HANDOVERS = 24 }; /* as many as mostly start at a time; more copy the table */
struct hub_handover {
    struct fp_handover pair;
    bool open, lent;
};

struct WakeupObject;

typedef struct HubObject {
    PyObject_HEAD
    struct fp_state *state;
    PyObject *loop_ref;
    PyObject *loop_id;   /* the key in state->hubs */
    PyObject *table_ref; /* the value there: a weak reference to this hub */
    PyObject *weakrefs;
    struct fp_poller poller;
    struct hub_slot *slots;
    int slot_count, first_free, slots_used;
    int latest_slot; /* the slot taken last */
    int latest_fd;   /* the descriptor registered last: about how many are open, or too few */
    struct hub_handover handovers[HUB_HANDOVERS];
    struct TokenObject *token; /* the loop's callback: borrowed; NULL while the hub rests */
    bool on_plain_loop;        /* (plain_loop.h) when the hub last joined the loop */
    /* The number of the loop's attributes when none hid a method: [0] while the hub rests, [1] awake. */
    Py_ssize_t plain_attributes[2];
    COMPAT_SHARED bool closed;
    bool turn_asked; /* the loop is going to call the hub without an event */
    unsigned fork_generation;
    int starting;   /* children between clone and exec */
    bool wide_gate; /* start_width applies, else narrow_width (start_queue.c) */
    PyObject *COMPAT_SHARED
        interrupt;    /* KeyboardInterrupt or SystemExit, to be raised out of the loop's call */
    unsigned turn;    /* counts the loop's calls */
    bool in_turn;     /* such a call is under way */
    bool dispatching; /* events are dispatched, inside that call */
    bool calling;     /* tasks are called, inside that call */
    struct WakeupObject *woken, *last_woken; /* to be called after the dispatch: a list */
    struct start_entry *queue, *queued;      /* waiting to be started: first and last */
    struct fp_kept_fds kept;                 /* the descriptors kept for them */
    struct fp_scratch scratch;               /* while it is awake */
    int pulls;             /* reads out of turn that are left until the next turn (read_pipe.c) */
    long long pulls_until; /* no such read from this fp_clock_ns() on */
    int roomy_pipes;       /* number of pipes whose capacity was raised */
    int patience_ms;       /* how long the end may wait for children that are about to exit */
    unsigned long thread;  /* the thread that ran the loop last; 0 where there is a GIL */
} HubObject;

/* The callback of the loop's one add_reader(), which holds the hub (hub_type.c). */
typedef struct TokenObject {
    PyObject_HEAD
    HubObject *hub;
} TokenObject;

/* Takes the hub out of the table of all hubs.  May leave an exception. */
void hub_unlist(HubObject *hub);

/* False once the loop is closed or gone, or in a process forked off since. */
bool hub_is_alive(const HubObject *hub);
bool hub_is_forked_off(const HubObject *hub);

/* The loop, a new reference; NULL with RuntimeError when it is gone. */
PyObject *hub_loop(HubObject *hub);

/* For a hub that is no longer awake, because a Process that is kept keeps the hub alive. */
static inline void hub_free_scratch(HubObject *hub)
{
    PyMem_Free(hub->scratch.bytes);
    hub->scratch.bytes = NULL;
}

/* Reports the raised exception, if any, as unraisable, and clears it. */
void hub_report(PyObject *about);

int hub_init(PyObject *module, struct fp_state *state);

#endif
