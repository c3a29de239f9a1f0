/* SPDX-License-Identifier: MIT
 *
 * The end of a pipe that is written: asyncio's WriteTransport.  It owns the
 * descriptor and what is queued.
 */
#ifndef FP_PIPE_WRITE_PIPE_H
#define FP_PIPE_WRITE_PIPE_H

#include "pipe/pipe.h"
#include "stream/outflow.h"

typedef struct {
    PipeObject base;
    struct fp_outflow out;
    PyObject *drain_waiters; /* lists of futures, or NULL */
    PyObject *close_waiters;
    PyObject *lost_to; /* the exception that ended it, if any */
    PyObject *marks;   /* (low, high) as given, or NULL */
    int fd;
    int slot;
    unsigned interest; /* as registered */
    int latest;        /* on a terminal the byte that was typed last; -1: none */
    bool ended;        /* an end of file was typed, and nothing since */
    bool paused;       /* above the high-water mark, and not yet below the low one */
    bool closing;      /* no more writes are taken */
    bool lost;         /* closed for good */
} WritePipeObject;

/* `sized` if the caller has asked for a capacity. */
WritePipeObject *write_pipe_new(struct fp_state *state, HubObject *hub, PyObject *owner,
                                const struct pipe_owner_ops *ops, bool sized);

int write_pipe_connect(WritePipeObject *self, int fd);

/* Writes as much as possible at once and queues the rest.  Does nothing when closing.  0 or -1. */
int write_pipe_write(WritePipeObject *self, PyObject *data);
int write_pipe_writelines(WritePipeObject *self, PyObject *lines);
/* Closes once all is written. */
void write_pipe_close(WritePipeObject *self);
/* Closes at once, dropping what is queued. */
void write_pipe_abort(WritePipeObject *self);
/* The same for the methods close() and abort(): the descriptor is closed in the loop's next turn,
 * so a child that is killed in between dies of that, and not of the end of its input. */
void write_pipe_close_soon(WritePipeObject *self);
void write_pipe_abort_soon(WritePipeObject *self);
/* Call when the marks or the queue have changed.  0, or -1 with an exception of the protocol's. */
int write_pipe_update_flow(WritePipeObject *self);
/* Closes the descriptor and drops what is queued; tells nobody. */
void write_pipe_disconnect(WritePipeObject *self);

void write_pipe_loop_closed(WritePipeObject *self, bool close);

int write_pipe_init(PyObject *module, struct fp_state *state);

#endif
