/* SPDX-License-Identifier: MIT
 *
 * The parent's ends of a child's pipes: asyncio's ReadTransport and
 * WriteTransport.  They own the descriptor; a reader owns what was read.
 */
#ifndef FP_BINDING_PIPES_H
#define FP_BINDING_PIPES_H

#include "binding/hub.h"
#include "stream/inflow.h"
#include "stream/outflow.h"

struct TransportObject;
struct ReaderObject;

typedef struct {
    PyObject_HEAD
    PyObject *extra; /* the base's slot */
    HubObject *hub;
    struct TransportObject *child; /* until the connection is lost */
    struct ReaderObject *reader;   /* what it feeds; until the connection is lost */
    struct fp_inflow flow;         /* with the descriptor, which is ours; -1 once closed */
    int slot;                      /* in the hub, while it is being read */
    bool paused;
    bool closing;
} ReadPipeObject;

typedef struct {
    PyObject_HEAD
    PyObject *extra; /* the base's slot */
    HubObject *hub;
    struct TransportObject *child; /* until the connection is lost */
    struct fp_outflow out;
    PyObject *drain_waiters; /* lists of futures, or NULL */
    PyObject *close_waiters;
    PyObject *lost_to; /* the exception that ended it, if any */
    int fd;
    int slot;
    unsigned interest; /* as registered */
    bool paused;       /* above the high-water mark, and not yet below the low one */
    bool closing;      /* no more writes are taken */
    bool lost;         /* closed for good */
} WritePipeObject;

ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub,
                              struct TransportObject *child);
WritePipeObject *write_pipe_new(struct fp_state *state, HubObject *hub,
                                struct TransportObject *child);

/* Takes the descriptor, in failure too, and begins.  0 or -1. */
int read_pipe_connect(ReadPipeObject *self, int fd);
int write_pipe_connect(WritePipeObject *self, int fd);

/* Stop and go on reading; nothing happens to a pipe that is closing. */
void read_pipe_pause(ReadPipeObject *self);
int read_pipe_resume(ReadPipeObject *self);
/* Closes at once; the reader sees EOF. */
void read_pipe_close(ReadPipeObject *self);

/* Writes what goes through at once and queues the rest.  Silent when closing.  0 or -1. */
int write_pipe_write(WritePipeObject *self, PyObject *data);
int write_pipe_writelines(WritePipeObject *self, PyObject *lines);
/* Closes once all is written. */
void write_pipe_close(WritePipeObject *self);

/* Called by the hub. */
void read_pipe_ready(ReadPipeObject *self, unsigned ready);
void write_pipe_ready(WritePipeObject *self, unsigned ready);
void read_pipe_loop_closed(ReadPipeObject *self);
void write_pipe_loop_closed(WritePipeObject *self);

int read_pipe_init(PyObject *module, struct fp_state *state);
int write_pipe_init(PyObject *module, struct fp_state *state);

#endif
