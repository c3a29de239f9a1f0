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

struct ReaderObject;
struct reader_limit;

/* The owner of a pipe, usually a child, as the pipe sees it.  `number` is what the owner calls the
 * pipe: 0 is the one that is written.  None of these raises anything, except as said. */
struct pipe_owner_ops {
    /* Whether it wants the data of its pipes itself, rather than have readers fed with it. */
    bool (*listens)(PyObject *owner);
    /* Called for each read, with a bytes object. */
    void (*data)(PyObject *owner, int number, PyObject *data);
    /* Called once, when a pipe has ended and before its reader sees that: with NULL at the end of the
     * file or after close(), else with what was raised. */
    void (*end)(PyObject *owner, int number, PyObject *exception);
    /* ... and after the reader has seen it. */
    void (*done)(PyObject *owner);
    /* More is queued than the high-water mark allows; less than the low one.  A new reference, or
     * NULL with an exception. */
    PyObject *(*pause_writing)(PyObject *owner);
    PyObject *(*resume_writing)(PyObject *owner);
    /* In a copy of which context protocols are called: borrowed, or NULL for the current one. */
    PyObject *(*context)(PyObject *owner);
};

/* What both begin with. */
typedef struct {
    PyObject_HEAD
    PyObject *extra; /* the base's slot */
    HubObject *hub;
    PyObject *dict, *weakrefs;
    PyObject *owner; /* until the end was reported to it */
    const struct pipe_owner_ops *owner_ops;
    PyObject *protocol; /* as set or asked for (pipe_protocol.c), or NULL */
    int number;         /* 0 is written, 1 and 2 are read */
    bool disconnected;  /* the end was reported */
} PipeObject;

typedef struct {
    PipeObject base;
    struct ReaderObject *reader; /* what it feeds, if that is one of ours; until the end */
    struct fp_inflow flow;       /* with the descriptor, which is ours; -1 once closed */
    int slot;                    /* in the hub, while it is being read */
    bool paused;
    bool closing;
    bool at_eof;  /* the child, and whoever else had it, has closed it */
    bool sized;   /* its capacity was chosen: by the caller, or once it had shown volume */
    bool counted; /* in hub->roomy_pipes */
} ReadPipeObject;

typedef struct {
    PipeObject base;
    struct fp_outflow out;
    PyObject *drain_waiters; /* lists of futures, or NULL */
    PyObject *close_waiters;
    PyObject *lost_to; /* the exception that ended it, if any */
    PyObject *marks;   /* (low, high) as given, once somebody has */
    int fd;
    int slot;
    unsigned interest; /* as registered */
    bool paused;       /* above the high-water mark, and not yet below the low one */
    bool closing;      /* no more writes are taken */
    bool lost;         /* closed for good */
} WritePipeObject;

/* `number` is 1 or 2; `sized` if the caller has asked for a capacity. */
ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub, PyObject *owner,
                              const struct pipe_owner_ops *ops, int number, bool sized);
WritePipeObject *write_pipe_new(struct fp_state *state, HubObject *hub, PyObject *owner,
                                const struct pipe_owner_ops *ops);

/* Takes the descriptor, in failure too, and begins.  0 or -1. */
int read_pipe_connect(ReadPipeObject *self, int fd);
int write_pipe_connect(WritePipeObject *self, int fd);

/* Stop and go on reading; nothing happens to a pipe that is closing. */
void read_pipe_pause(ReadPipeObject *self);
/* 0, or -1 with an exception and the pipe paused as before. */
int read_pipe_resume(ReadPipeObject *self);
/* Makes a reader that the pipe feeds, each referring to the other: a new reference or NULL.  `limit`
 * is the reader's, in bytes. */
struct ReaderObject *read_pipe_make_reader(ReadPipeObject *self, const struct reader_limit *limit);
/* Reads what is there, up to a pipe's capacity, and closes. */
void read_pipe_finish(ReadPipeObject *self);
/* Closes at once; the reader sees EOF. */
void read_pipe_close(ReadPipeObject *self);
/* Reads no more, and closes in the loop's next turn, as asyncio does for who calls close(): what is
 * done to the child in between comes first. */
void read_pipe_close_soon(ReadPipeObject *self);
/* Closes the descriptor; tells nobody. */
void read_pipe_disconnect(ReadPipeObject *self);

/* Writes what goes through at once and queues the rest.  Silent when closing.  0 or -1. */
int write_pipe_write(WritePipeObject *self, PyObject *data);
int write_pipe_writelines(WritePipeObject *self, PyObject *lines);
/* Closes once all is written. */
void write_pipe_close(WritePipeObject *self);
/* Closes at once, dropping what is queued. */
void write_pipe_abort(WritePipeObject *self);
/* The same for who calls close() or abort(): the descriptor is closed in the loop's next turn, so a
 * child that is killed in between dies of that, and not of the end of its input. */
void write_pipe_close_soon(WritePipeObject *self);
void write_pipe_abort_soon(WritePipeObject *self);
/* The marks have changed, or what is queued.  0, or -1 with an exception of the protocol's. */
int write_pipe_update_flow(WritePipeObject *self);
/* Closes the descriptor and drops what is queued; tells nobody. */
void write_pipe_disconnect(WritePipeObject *self);

/* There is no loop any more.  Nobody is told.  The descriptor stays open, as long as there are
 * references to the pipe, unless `close`: the child may live on and use it. */
void read_pipe_loop_closed(ReadPipeObject *self, bool close);
void write_pipe_loop_closed(WritePipeObject *self, bool close);

/* ---- pipe.c: passing on ---- */

/* Whether the pipe's data goes to a protocol rather than to a reader of ours. */
bool pipe_has_listener(const PipeObject *pipe);
void pipe_data_received(PipeObject *pipe, PyObject *data);
/* Has the loop call the method of the pipe in its next turn; false if it cannot.  Raises nothing. */
bool pipe_call_soon(PipeObject *pipe, PyMethodDef *method);
/* Tells the owner or the pipe's reader that the pipe has ended, once. */
void pipe_end(PipeObject *pipe, PyObject *exception);
/* Tells the protocol that the pipe was given, if any, of its end; false if it has to be told as
 * others are (pipe_end). */
bool pipe_protocol_takes_end(PipeObject *pipe, PyObject *exception, bool at_eof);
/* These two come at once, because they are about now.  0, or -1 with an exception that no loop may
 * swallow. */
int pipe_pause_writing(PipeObject *pipe);
int pipe_resume_writing(PipeObject *pipe);
/* The same for the owner alone: a new reference or NULL. */
PyObject *pipe_tell_owner_flow(PipeObject *pipe, bool pause);

/* Attributes and methods of both types. */
extern PyGetSetDef pipe_getset[];
extern PyMemberDef pipe_members[];
/* pipe_protocol.c */
PyObject *pipe_get_protocol(PyObject *pipe, PyObject *ignored);
PyObject *pipe_set_protocol(PyObject *pipe, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *names);
/* For tp_traverse and tp_clear. */
int pipe_traverse(PipeObject *pipe, visitproc visit, void *arg);
void pipe_clear(PipeObject *pipe);

int read_pipe_init(PyObject *module, struct fp_state *state);
int write_pipe_init(PyObject *module, struct fp_state *state);

#endif
