/* SPDX-License-Identifier: MIT
 *
 * The end of a pipe that is read: asyncio's ReadTransport.  It owns the descriptor;
 * a reader owns what was read.
 */
#ifndef FP_PIPE_READ_PIPE_H
#define FP_PIPE_READ_PIPE_H

#include "pipe/pipe.h"

struct ReaderObject;
struct reader_limit;

typedef struct {
    PipeObject base;
    struct ReaderObject *reader; /* fed by this pipe, if it is one of ours; until the end */
    struct fp_inflow flow;       /* with the descriptor, which is ours; -1 once closed */
    int slot;                    /* in the hub, while it is being read */
    bool paused;
    bool closing;
    bool at_eof; /* no process has the other end open any more */
} ReadPipeObject;

/* `number` is 1 or 2; `sized` if the caller has asked for a capacity. */
ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub, PyObject *owner,
                              const struct pipe_owner_ops *ops, int number, bool sized);

/* Takes the descriptor, even on failure, and begins to read.  0 or -1. */
int read_pipe_connect(ReadPipeObject *self, int fd);

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
/* Reads no more, and closes in the loop's next turn, as asyncio's close() does: what the caller
 * does to the child in between comes first. */
void read_pipe_close_soon(ReadPipeObject *self);
/* Closes the descriptor; tells nobody. */
void read_pipe_disconnect(ReadPipeObject *self);

/* There is no loop any more.  Nobody is told.  The descriptor stays open, as long as there are
 * references to the pipe, unless `close`: the child may live on and use it. */
void read_pipe_loop_closed(ReadPipeObject *self, bool close);

int read_pipe_init(PyObject *module, struct fp_state *state);

#endif
