/* SPDX-License-Identifier: MIT
 *
 * The hub: what one event loop and all its children have to do with each other.
 *
 * It owns a private poller, of which the loop sees one descriptor through one
 * add_reader.  What it watches is in watch.h, what it does when the loop calls in
 * turn.h, what it asks of the loop in loop_methods.h.  It knows its owners only by the
 * tables of functions that they bring along.
 *
 * A hub that has had nothing to watch for a turn of the loop rests: it closes its
 * poller and leaves the loop, until there is something again.
 *
 * While a descriptor is registered the hub holds a reference to its owner, as a
 * loop does for what it reads; so a child whose Process was dropped is still
 * reaped.  When the loop closes, or is collected, the hub ends and gives up these
 * references.  A child lives on as long as the program has one (transport.h).
 */
#ifndef FP_LOOP_HUB_H
#define FP_LOOP_HUB_H

#include "posix/kept_fds.h"
#include "posix/poller.h"
#include "python/state.h"
#include "stream/inflow.h"

/* What the hub tells the owner of a descriptor.  Both may leave an exception, which is reported as
 * nobody's. */
struct hub_owner_ops {
    /* The descriptor is ready: bits of enum fp_readiness.  False if there was nothing to be done. */
    bool (*ready)(PyObject *owner, unsigned ready);
    /* The loop is closed or gone; `forked_off` in a process forked off from the loop's. */
    void (*loop_closed)(PyObject *owner, bool forked_off);
    /* It finds out itself whether it is ready, so it may be called on a guess, without the bits. */
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
    unsigned stalled_in;      /* the turn in which an event of it came to nothing */
    unsigned char interest;   /* of enum fp_interest */
    unsigned char stalls : 7; /* how many turns in a row that has been so */
    unsigned char off : 1;    /* it is not in the poller, and looked at again later */
};

/* One that waits for its turn to be started, a part of its owner (start_queue.h). */
struct start_entry {
    PyObject *owner;
    const struct start_ops *ops;
    struct start_entry *next;
};

/* Of handover_pool.c. */
enum { HUB_HANDOVERS = 8 }; /* more children than that at a time copy the table */
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
    PyObject *table_ref; /* what is there: a weak reference to this hub */
    PyObject *weakrefs;
    struct fp_poller poller;
    struct hub_slot *slots;
    int slot_count, first_free, slots_used;
    int latest_slot; /* that was taken */
    int latest_fd;   /* that was registered: tells how many are open */
    struct hub_handover handovers[HUB_HANDOVERS];
    struct TokenObject *token; /* what the loop holds: borrowed; NULL while the hub rests */
    bool on_plain_loop;        /* (plain_loop.h) when it was last watched */
    /* How many attributes the loop had when none of them hid a method: while the hub rests, and awake. */
    Py_ssize_t plain_attributes[2];
    COMPAT_SHARED bool closed;
    bool turn_asked; /* the loop is going to call for something else than events */
    unsigned fork_generation;
    int starting; /* children between clone and exec */
    PyObject *COMPAT_SHARED
        interrupt;    /* KeyboardInterrupt or SystemExit, to be raised out of the loop's call */
    unsigned turn;    /* counts the loop's calls */
    bool in_turn;     /* one is under way */
    bool dispatching; /* events, inside that */
    bool calling;     /* tasks, from inside the loop's call */
    struct WakeupObject *woken, *last_woken; /* to be called when that is done: a list */
    struct start_entry *queue, *queued;      /* waiting to be started: first and last */
    struct fp_kept_fds kept;                 /* what they keep meanwhile */
    struct fp_scratch scratch;               /* while it is awake */
    int pulls;            /* reads out of turn that are left until the next turn (read_pipe.c) */
    int roomy_pipes;      /* whose capacity was raised */
    int patience_ms;      /* how long the end may wait for children that are about to exit */
    unsigned long thread; /* that ran the loop last; 0 where there is a GIL */
} HubObject;

/* What the loop holds, as the callback of its one add_reader (hub_type.c). */
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

/* Of a hub that is awake no more: a Process that is kept keeps the hub. */
static inline void hub_free_scratch(HubObject *hub)
{
    PyMem_Free(hub->scratch.bytes);
    hub->scratch.bytes = NULL;
}

/* Reports the raised exception as nobody's, keeping none. */
void hub_report(PyObject *about);

int hub_init(PyObject *module, struct fp_state *state);

#endif
