/* SPDX-License-Identifier: MIT
 *
 * StreamReader: a buffer, its limit, and the coroutine that waits for it to fill.
 */
#ifndef FP_PIPE_READER_H
#define FP_PIPE_READER_H

#include "loop/awaitable.h"
#include "loop/hub.h"
#include "stream/arrivals.h"

/* The functions of the pipe that feeds a reader, called directly. */
struct reader_source_ops {
    void (*pause)(PyObject *pipe);
    /* 0, or -1 with an exception and the pipe paused as before. */
    int (*resume)(PyObject *pipe);
    /* For a reader that has run dry: reads what is there already.  True if the reader has something
     * new: bytes, EOF or an exception. */
    bool (*pull)(PyObject *pipe);
    /* A borrowed reference. */
    HubObject *(*hub)(PyObject *pipe);
};

/* A limit as it was given, and in bytes; asyncio takes any object that can be compared. */
struct reader_limit {
    size_t bytes;    /* what is above this is above the limit */
    size_t mark;     /* the same of twice the limit: where the transport is paused */
    PyObject *given; /* NULL if it was just the int `bytes` */
};

typedef struct ReaderObject {
    PyObject_HEAD
    PyObject *base_room; /* 3.11 keeps the weak references here */
    struct fp_buffer buffer;
    PyObject *living;    /* the bytearray that holds the buffered bytes instead, or NULL */
    HubObject *hub;      /* of a child's pipe; NULL for a reader made by hand */
    PyObject *loop;      /* of a reader made by hand */
    PyObject *transport; /* what is paused and resumed, or NULL */
    PyObject *exception; /* set_exception() */
    PyObject *waiter;    /* the future of the one coroutine that waits */
    struct reader_limit limit;
    size_t wake_at;               /* buffered bytes that the waiter waits for */
    size_t scanned;               /* buffered bytes known to hold no scan_byte */
    size_t consumed;              /* bytes taken out so far, modulo SIZE_MAX + 1 */
    int scan_byte;                /* -1: none yet */
    struct fp_arrivals *arrivals; /* shared with another reader (output.c), or NULL */
    size_t noted;                 /* position in the stream up to which bytes are in arrivals */
    int stream;                   /* the number of this stream in arrivals */
    bool eof;
    bool paused;
    bool skips_newline;  /* the last line ended in "\r"; a "\n" behind it belongs to it */
    bool foreign_waiter; /* was set as an attribute, as asyncio's own functions do */

    const struct reader_source_ops *source; /* with a hub: the functions of its read pipes */
} ReaderObject;

extern const struct reader_limit reader_default_limit;

/* Finds out what a limit means; limit->given is a new reference or NULL.  0, or -1 with ValueError
 * if it is not above 0, or TypeError. */
int reader_limit_of(PyObject *given, struct reader_limit *limit);
/* Sets the reader's limit, and takes over the reference. */
void reader_take_limit(ReaderObject *self, const struct reader_limit *limit);

/* `pipe` is a read pipe, whose reference is stolen on success. */
ReaderObject *reader_new(struct fp_state *state, HubObject *hub, PyObject *pipe,
                         const struct reader_source_ops *source, const struct reader_limit *limit);

/* reader_buffer_attribute.c */
/* The living buffer, made if there is none yet: a new reference or NULL. */
PyObject *living_open(ReaderObject *self);
/* Makes another bytearray the living buffer, and forgets what was buffered. */
void living_replace(ReaderObject *self, PyObject *living);
/* Moves the new bytes into the living buffer.  0, or -1 with BufferError if somebody holds a view
 * of it; then nothing is lost. */
int living_absorb(ReaderObject *self);
/* Like the functions for a reader without a living buffer; the separator is searched from its start. */
size_t living_length(const ReaderObject *self);
ssize_t living_find(ReaderObject *self, const void *separator, size_t size);
PyObject *living_take(ReaderObject *self, size_t count);
int living_drop(ReaderObject *self, size_t count);

/* Bytes that are buffered. */
static inline size_t reader_length(const ReaderObject *self)
{
    return self->living == NULL ? fp_buffer_length(&self->buffer) : living_length(self);
}

/* Bytes were added to the buffer: wakes the waiter, pauses the transport. */
void reader_fed(ReaderObject *self);
void reader_set_eof(ReaderObject *self);
void reader_set_exception(ReaderObject *self, PyObject *exception);

/* Makes `future` the one that is completed at `wake_at` bytes, EOF or an exception.  Resumes a
 * paused transport.  0, or -1 if somebody waits already; `function` is for that message. */
int reader_wait(ReaderObject *self, const char *function, PyObject *future, size_t wake_at);
/* Instead of waiting: true if bytes, EOF or an exception could be had at once. */
bool reader_pull(ReaderObject *self);
/* Undoes reader_wait(), if `future` is still the waiter; pauses the transport if that is due and
 * nobody is going to wait again. */
void reader_forget(ReaderObject *self, PyObject *future, bool nobody_waits);

/* Takes the first `count` bytes, or what is there.  A new bytes object or NULL. */
PyObject *reader_take(ReaderObject *self, size_t count);
/* Drops bytes from the front, and resumes the transport if that is due.  0, or -1 with BufferError
 * (living_absorb). */
int reader_consume(ReaderObject *self, size_t count);

/* A future of the reader's loop, or NULL. */
PyObject *reader_create_future(ReaderObject *self);

/* For the steps of awaitables whose owner is a reader (reader_read_methods.c). */
/* Runs the step again if more can be read at once, else waits until `wake_at` bytes are
 * buffered. */
enum step reader_wait_for_bytes(AwaitableObject *self, PyObject **result, const char *function,
                                size_t wake_at);
void reader_forget_awaitable(AwaitableObject *self);
/* A reader that was made by hand has no hub, and a lock of its own. */
PyObject *reader_guard_of_awaitable(AwaitableObject *self);
/* Whether nothing can be read now: true with the exception of set_exception(), or BufferError. */
bool reader_is_hindered(ReaderObject *reader);

/* lines_of_any_length.c */
PyObject *reader_next_line(PyObject *self, PyObject *const *args, Py_ssize_t nargs);

/* reader_read_methods.c */
PyObject *reader_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names);
PyObject *reader_readline(PyObject *self, PyObject *ignored);
PyObject *reader_readexactly(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *names);
PyObject *reader_readuntil(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);
PyObject *reader_anext(PyObject *self);

/* reader_private.c */
extern PyGetSetDef reader_getset[];

int reader_init(PyObject *module, struct fp_state *state);

#endif
