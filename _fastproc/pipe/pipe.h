/* SPDX-License-Identifier: MIT
 *
 * What read pipes and write pipes have in common: an asyncio transport that owns
 * a descriptor and passes on its events to a protocol, to a reader or to the
 * pipe's owner.
 */
#ifndef FP_PIPE_PIPE_H
#define FP_PIPE_PIPE_H

#include "loop/hub.h"

/* The owner of a pipe, usually a child, as the pipe sees it.  `number` is what the owner calls the
 * pipe: 0 is the one that is written.  None of these raises anything, except as said. */
struct pipe_owner_ops {
    /* Whether it wants the data of its pipes itself, instead of feeding it to readers. */
    bool (*listens)(PyObject *owner);
    /* Called for each read, with a bytes object. */
    void (*data)(PyObject *owner, int number, PyObject *data);
    /* Called once, when a pipe has ended and before its reader sees that: with NULL at the end of the
     * file or after close(), else with what was raised. */
    void (*end)(PyObject *owner, int number, PyObject *exception);
    /* ... and after the reader has seen it. */
    void (*done)(PyObject *owner);
    /* More is queued than the high-water mark allows; no more than the low-water mark.  A new
     * reference, or NULL with an exception. */
    PyObject *(*pause_writing)(PyObject *owner);
    PyObject *(*resume_writing)(PyObject *owner);
    /* The context in a copy of which protocols are called: borrowed, or NULL for the current one. */
    PyObject *(*context)(PyObject *owner);
};

enum pipe_kind {
    PIPE_PLAIN,
    PIPE_TERMINAL,     /* the master of a pseudo-terminal: see posix/pty.h */
    PIPE_RAW_TERMINAL, /* the same, of a terminal that was made raw */
};

/* What both kinds of pipes begin with. */
typedef struct {
    PyObject_HEAD
    PyObject *extra; /* the base's slot */
    HubObject *hub;
    PyObject *dict, *weakrefs;
    PyObject *owner; /* until the end was reported to it */
    const struct pipe_owner_ops *owner_ops;
    PyObject *protocol; /* as set or asked for (pipe_protocol.c), or NULL */
    int number;         /* 0 is written, 1 and 2 are read */
    enum pipe_kind kind;
    bool disconnected; /* the end was reported */
    bool sized;        /* its capacity was chosen: by the caller, or once it had shown volume */
    bool counted;      /* in hub->roomy_pipes */
} PipeObject;

static inline bool pipe_is_terminal(const PipeObject *pipe)
{
    return pipe->kind != PIPE_PLAIN;
}

/* Whether the pipe's data goes to a protocol rather than to a reader of ours. */
bool pipe_has_listener(const PipeObject *pipe);
void pipe_data_received(PipeObject *pipe, PyObject *data);

/* Tells the owner or the pipe's reader that the pipe has ended, once. */
void pipe_end(PipeObject *pipe, PyObject *exception);
/* If the pipe was given a protocol, tells that of the pipe's end and returns true; else the end has
 * to be reported by pipe_end(). */
bool pipe_protocol_takes_end(PipeObject *pipe, PyObject *exception, bool at_eof);
/* These two call the protocol at once, because they are about the current state.  0, or -1 with an
 * exception that no loop may swallow. */
int pipe_pause_writing(PipeObject *pipe);
int pipe_resume_writing(PipeObject *pipe);
/* The same for the owner alone: a new reference or NULL. */
PyObject *pipe_tell_owner_flow(PipeObject *pipe, bool pause);

/* Makes the loop call the method of the pipe in its next turn; false if it cannot.  Raises nothing. */
bool pipe_call_soon(PipeObject *pipe, PyMethodDef *method);

/* Attributes and methods of both types. */
extern PyGetSetDef pipe_getset[];
extern PyMemberDef pipe_members[];

/* For tp_traverse and tp_clear. */
int pipe_traverse(PipeObject *pipe, visitproc visit, void *arg);
void pipe_clear(PipeObject *pipe);

#endif
