/* SPDX-License-Identifier: MIT
 *
 * The parent's ends of a child's pipes: asyncio's ReadTransport and
 * WriteTransport.  They own the descriptor; a reader owns what was read.
 *
 * What they do is in read_pipe.c and write_pipe.c, their Python faces in
 * *_pipe_type.c.
 */
#ifndef FP_BINDING_PIPES_H
#define FP_BINDING_PIPES_H

#include "binding/hub.h"
#include "stream/inflow.h"
#include "stream/outflow.h"

struct TransportObject;
struct ReaderObject;

/* What both begin with. */
typedef struct {
    PyObject_HEAD
    PyObject *extra; /* the base's slot */
    HubObject *hub;
    PyObject *dict, *weakrefs;
    struct TransportObject *child; /* until it was told of the end */
    PyObject *protocol;            /* as set or asked for (protocol.h), or NULL */
    int number;                    /* of the descriptor in the child: 0, 1 or 2 */
    bool disconnected;             /* who listens was told of the end */
} PipeObject;

typedef struct {
    PipeObject base;
    struct ReaderObject *reader; /* what it feeds, if that is one of ours; until the end */
    struct fp_inflow flow;       /* with the descriptor, which is ours; -1 once closed */
    int slot;                    /* in the hub, while it is being read */
    bool paused;
    bool closing;
    bool sized;   /* its capacity was chosen: by the caller, or once it had shown volume */
    bool counted; /* in hub->roomy_pipes */
} ReadPipeObject;

typedef struct {
    PipeObject base;
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

/* `number` is 1 or 2; `sized` if the caller has asked for a capacity. */
ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub, struct TransportObject *child,
                              int number, bool sized);
WritePipeObject *write_pipe_new(struct fp_state *state, HubObject *hub,
                                struct TransportObject *child);

/* Takes the descriptor, in failure too, and begins.  0 or -1. */
int read_pipe_connect(ReadPipeObject *self, int fd);
int write_pipe_connect(WritePipeObject *self, int fd);

/* Stop and go on reading; nothing happens to a pipe that is closing. */
void read_pipe_pause(ReadPipeObject *self);
/* 0, or -1 with an exception and the pipe paused as before. */
int read_pipe_resume(ReadPipeObject *self);
/* For a reader that has run dry: reads what is there already, if the stream has volume and the hub
 * allows.  True if the reader has something new: bytes, EOF or an exception. */
bool read_pipe_pull(ReadPipeObject *self);
/* Closes at once; the reader sees EOF. */
void read_pipe_close(ReadPipeObject *self);
/* Closes the descriptor; tells nobody. */
void read_pipe_disconnect(ReadPipeObject *self);

/* Writes what goes through at once and queues the rest.  Silent when closing.  0 or -1. */
int write_pipe_write(WritePipeObject *self, PyObject *data);
int write_pipe_writelines(WritePipeObject *self, PyObject *lines);
/* Closes once all is written. */
void write_pipe_close(WritePipeObject *self);
/* Closes at once, dropping what is queued. */
void write_pipe_abort(WritePipeObject *self);
/* The marks have changed, or what is queued.  0, or -1 with an exception of the protocol's. */
int write_pipe_update_flow(WritePipeObject *self);
/* Closes the descriptor and drops what is queued; tells nobody. */
void write_pipe_disconnect(WritePipeObject *self);

/* Called by the hub. */
void read_pipe_ready(ReadPipeObject *self, unsigned ready);
void write_pipe_ready(WritePipeObject *self, unsigned ready);
void read_pipe_loop_closed(ReadPipeObject *self);
void write_pipe_loop_closed(WritePipeObject *self);

/* Tells the child's protocol or the pipe's reader that the pipe has ended, once. */
void pipe_end(PipeObject *pipe, PyObject *exception);

/* Attributes and methods of both types. */
extern PyGetSetDef pipe_getset[];
extern PyMemberDef pipe_members[];
PyObject *pipe_get_protocol(PyObject *pipe, PyObject *ignored);
PyObject *pipe_set_protocol(PyObject *pipe, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *names);
/* For tp_traverse and tp_clear. */
int pipe_traverse(PipeObject *pipe, visitproc visit, void *arg);
void pipe_clear(PipeObject *pipe);

int read_pipe_init(PyObject *module, struct fp_state *state);
int write_pipe_init(PyObject *module, struct fp_state *state);

#endif
