/* SPDX-License-Identifier: MIT
 *
 * See reader.h.  The buffer and its flow control; the methods that wait are in
 * reader_read_methods.c, the type in reader_type.c.
 */
#include "pipe/reader.h"

#include "loop/exceptions.h"
#include "loop/loop_methods.h"
#include "loop/future.h"
#include "pipe/reader_memory.h"
#include "python/numbers.h"

enum {
    DEFAULT_LIMIT = 64 * 1024, /* bytes, as asyncio's */
    WORTH_GIVING = 4096,       /* from here on a block is handed out rather than copied */
    WORTH_KEEPING = 8 * 1024,  /* an empty buffer up to this size waits for the next data */
};

const struct reader_limit reader_default_limit = {.bytes = DEFAULT_LIMIT,
                                                  .mark = 2 * (size_t)DEFAULT_LIMIT};

int reader_limit_of(PyObject *given, struct reader_limit *limit)
{
    if (given == Py_None) { /* lines of any length, with the flow control of the default */
        *limit = (struct reader_limit){SIZE_MAX, reader_default_limit.mark, Py_NewRef(given)};
        return 0;
    }
    Py_ssize_t plain = 0;
    bool is_plain = number_is_plain(given, &plain);
    int too_low = is_plain ? plain <= 0 : number_compare(given, 0, Py_LE);
    if (too_low > 0)
        PyErr_SetString(PyExc_ValueError, "Limit cannot be <= 0");
    if (too_low != 0)
        return -1;
    if (is_plain) {
        *limit = (struct reader_limit){.bytes = (size_t)plain, .mark = 2 * (size_t)plain};
        return 0;
    }
    PyObject *two = PyLong_FromLong(2);
    PyObject *twice = two != NULL ? PyNumber_Multiply(two, given) : NULL;
    int result = -1;
    if (twice != NULL && number_floor(given, &limit->bytes) == 0)
        result = number_floor(twice, &limit->mark);
    limit->given = result == 0 ? Py_NewRef(given) : NULL;
    Py_XDECREF(two);
    Py_XDECREF(twice);
    return result;
}

void reader_take_limit(ReaderObject *self, const struct reader_limit *limit)
{
    PyObject *old = self->limit.given;
    self->limit = *limit;
    Py_XDECREF(old);
}

ReaderObject *reader_new(struct fp_state *state, HubObject *hub, PyObject *pipe,
                         const struct reader_source_ops *source, const struct reader_limit *limit)
{
    PyTypeObject *type = (PyTypeObject *)state->reader_type;
    ReaderObject *self = (ReaderObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->transport = pipe;
    self->source = source;
    self->limit = *limit;
    Py_XINCREF(limit->given);
    self->scan_byte = -1;
    return self;
}

PyObject *reader_create_future(ReaderObject *self)
{
    if (self->hub != NULL)
        return future_new(self->hub);
    if (self->loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "StreamReader.__init__() was not called");
        return NULL;
    }
    return loop_create_future(state_of(self), self->loop);
}

/* ---- flow control ---- */

/* Whether the transport is a read pipe that may be called directly; a pipe of another loop has
 * another lock (guard.h). */
static bool is_read_pipe(const ReaderObject *self)
{
    return self->hub != NULL &&
           Py_IS_TYPE(self->transport, (PyTypeObject *)self->hub->state->read_pipe_type) &&
           (COMPAT_HAS_GIL || self->source->hub(self->transport) == self->hub);
}

static void settle_exception(ReaderObject *self)
{
    if (self->hub != NULL)
        hub_settle_exception(self->hub, (PyObject *)self);
    else
        hub_report((PyObject *)self);
}

static void pause_transport(ReaderObject *self)
{
    if (is_read_pipe(self)) {
        self->paused = true;
        self->source->pause(self->transport);
        return;
    }
    PyObject *transport = Py_NewRef(self->transport);
    PyObject *done = PyObject_CallMethodNoArgs(transport, state_of(self)->names.pause_reading);
    if (done != NULL) {
        self->paused = true;
    } else if (PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
        PyErr_Clear(); /* it cannot be paused, so all of it will be buffered */
        Py_CLEAR(self->transport);
    } else {
        settle_exception(self);
    }
    Py_XDECREF(done);
    Py_DECREF(transport);
}

/* 0, or -1: a pipe that could not be resumed is to be tried again. */
static int resume_transport(ReaderObject *self)
{
    if (self->transport != NULL && is_read_pipe(self)) {
        if (self->source->resume(self->transport) < 0)
            return -1;
        self->paused = false;
        return 0;
    }
    self->paused = false;
    if (self->transport == NULL)
        return 0;
    PyObject *transport = Py_NewRef(self->transport);
    PyObject *done = PyObject_CallMethodNoArgs(transport, state_of(self)->names.resume_reading);
    Py_DECREF(transport);
    Py_XDECREF(done);
    return done != NULL ? 0 : -1;
}

static bool is_over_the_mark(const ReaderObject *self)
{
    return reader_length(self) > self->limit.mark;
}

static void pause_if_due(ReaderObject *self)
{
    if (self->transport == NULL || self->paused || self->eof || !is_over_the_mark(self))
        return;
    if (self->waiter != NULL && reader_length(self) < self->wake_at)
        return; /* somebody waits for more than the mark allows */
    pause_transport(self);
}

static void resume_if_due(ReaderObject *self)
{
    if (self->hub != NULL && self->hub->closed) /* there is nobody who would read on */
        return;
    size_t low = self->limit.bytes < self->limit.mark ? self->limit.bytes : self->limit.mark / 2;
    if (self->paused && reader_length(self) <= low && resume_transport(self) < 0)
        settle_exception(self);
}

/* ---- what comes in ---- */

static void note_arrival(ReaderObject *self)
{
    size_t now = self->consumed + reader_length(self), more = now - self->noted;
    if (more <= SIZE_MAX / 2) /* else somebody has shortened a living buffer */
        fp_arrivals_add(self->arrivals, self->stream, more);
    self->noted = now;
}

/* Whatever comes into a living buffer wakes a coroutine that waits for a separator, because
 * somebody may have shortened that buffer since. */
static bool has_enough(const ReaderObject *self)
{
    return reader_length(self) >= self->wake_at ||
           (self->living != NULL && self->wake_at != SIZE_MAX);
}

void reader_fed(ReaderObject *self)
{
    if (self->arrivals != NULL)
        note_arrival(self);
    if (self->living != NULL && living_absorb(self) < 0)
        PyErr_Clear(); /* it is tried again before anybody reads */
    if (self->waiter != NULL && has_enough(self))
        future_wake(state_of(self), &self->waiter);
    pause_if_due(self);
}

void reader_set_eof(ReaderObject *self)
{
    self->eof = true;
    future_wake(state_of(self), &self->waiter);
}

void reader_set_exception(ReaderObject *self, PyObject *exception)
{
    Py_XSETREF(self->exception, Py_NewRef(exception));
    if (self->waiter != NULL && self->foreign_waiter)
        future_fail(state_of(self), &self->waiter, exception);
    else
        future_wake(state_of(self), &self->waiter); /* the step finds the exception */
}

bool reader_pull(ReaderObject *self)
{
    return self->transport != NULL && is_read_pipe(self) && self->source->pull(self->transport);
}

static int refuse_second(const char *function)
{
    PyErr_Format(PyExc_RuntimeError,
                 "%s() called while another coroutine is already waiting for incoming data",
                 function);
    return -1;
}

int reader_wait(ReaderObject *self, const char *function, PyObject *future, size_t wake_at)
{
    if (self->waiter != NULL)
        return refuse_second(function);
    if (self->paused && resume_transport(self) < 0) /* else data would never come */
        return -1;
    if (self->waiter != NULL) /* a transport set by the user may do anything when it is resumed */
        return refuse_second(function);
    self->wake_at = wake_at;
    self->waiter = Py_NewRef(future);
    self->foreign_waiter = false;
    return 0;
}

void reader_forget(ReaderObject *self, PyObject *future, bool nobody_waits)
{
    if (future != NULL && self->waiter == future)
        Py_CLEAR(self->waiter);
    if (nobody_waits)
        pause_if_due(self);
}

/* ---- what goes out ---- */

static int consume_living(ReaderObject *self, size_t count)
{
    if (living_drop(self, count) < 0)
        return -1;
    self->consumed += count;
    resume_if_due(self);
    return 0;
}

int reader_consume(ReaderObject *self, size_t count)
{
    if (self->living != NULL)
        return consume_living(self, count);
    fp_buffer_consume(&self->buffer, count);
    self->consumed += count;
    self->scanned = self->scanned > count ? self->scanned - count : 0;
    if (self->waiter != NULL && self->wake_at != SIZE_MAX)
        self->wake_at = self->wake_at > count ? self->wake_at - count : 1;
    if (fp_buffer_length(&self->buffer) == 0 && self->buffer.size > WORTH_KEEPING)
        fp_buffer_free(&self->buffer, &reader_memory);
    resume_if_due(self);
    return 0;
}

/* The whole block, cut to its length in place. */
static PyObject *give_block(ReaderObject *self)
{
    size_t length = fp_buffer_length(&self->buffer);
    bool fits = self->buffer.size == length;
    PyObject *bytes = reader_object_of_block(fp_buffer_take_block(&self->buffer));
    self->scanned = 0;
    self->consumed += length;
    if (self->waiter != NULL && self->wake_at != SIZE_MAX)
        self->wake_at = 1;
    if (!fits)
        _PyBytes_Resize(&bytes, (Py_ssize_t)length);
    resume_if_due(self);
    return bytes;
}

static PyObject *take_living(ReaderObject *self, size_t count)
{
    PyObject *bytes = living_take(self, count);
    if (bytes != NULL) {
        self->consumed += (size_t)PyBytes_GET_SIZE(bytes);
        resume_if_due(self);
    }
    return bytes;
}

PyObject *reader_take(ReaderObject *self, size_t count)
{
    if (self->living != NULL)
        return take_living(self, count);
    if (count > fp_buffer_length(&self->buffer)) /* the caller was interrupted by a reader */
        count = fp_buffer_length(&self->buffer);
    if (count == 0)
        return Py_NewRef(state_of(self)->empty_bytes);
    const struct fp_buffer *buffer = &self->buffer;
    if (buffer->start == 0 && count == buffer->end && count >= WORTH_GIVING &&
        count >= buffer->size / 2)
        return give_block(self);
    PyObject *bytes =
        PyBytes_FromStringAndSize((const char *)fp_buffer_bytes(buffer), (Py_ssize_t)count);
    if (bytes != NULL)
        (void)reader_consume(self, count); /* without a living buffer it cannot fail */
    return bytes;
}
