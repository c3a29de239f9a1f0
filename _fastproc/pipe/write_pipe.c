/* SPDX-License-Identifier: MIT
 *
 * The write end of a child's stdin: asyncio's WriteTransport.  For a terminal the
 * descriptor is a copy of the master.
 *
 * While nothing is queued it stays registered with no interest in anything,
 * because then the poller still tells when the child closes its stdin.
 */
#include "pipe/write_pipe.h"

#include "loop/exceptions.h"
#include "loop/future.h"
#include "loop/watch.h"
#include "pipe/pipe_capacity.h"
#include "posix/fd.h"
#include "python/errors.h"
#include "python/guard.h"

enum { WORTH_ROOM = 1024 * 1024 }; /* queued bytes from which on a larger pipe pays */

static void release_owner(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

WritePipeObject *write_pipe_new(struct fp_state *state, HubObject *hub, PyObject *owner,
                                const struct pipe_owner_ops *ops, bool sized)
{
    PyTypeObject *type = (PyTypeObject *)state->write_pipe_type;
    WritePipeObject *self = (WritePipeObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->base.hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->base.owner = Py_NewRef(owner);
    self->base.owner_ops = ops;
    self->base.sized = sized || !state->shortcuts;
    self->fd = -1;
    self->slot = -1;
    self->latest = -1;
    fp_outflow_init(&self->out, release_owner);
    return self;
}

static bool write_pipe_ready(PyObject *op, unsigned ready);
static void loop_closed(PyObject *op, bool forked_off);

static const struct hub_owner_ops hub_ops = {
    .ready = write_pipe_ready,
    .loop_closed = loop_closed,
};

int write_pipe_connect(WritePipeObject *self, int fd)
{
    if (self->lost) {
        fp_fd_close(&fd);
        return 0;
    }
    self->fd = fd;
    self->interest = self->out.pending > 0 ? FP_WANT_WRITE : FP_WANT_NOTHING;
    self->slot = hub_add(self->base.hub, fd, self->interest, &hub_ops, (PyObject *)self);
    return self->slot < 0 ? -1 : 0;
}

void write_pipe_disconnect(WritePipeObject *self)
{
    self->closing = self->lost = true;
    hub_remove(self->base.hub, &self->slot, self->fd);
    fp_fd_close(&self->fd);
    pipe_give_room_back(&self->base);
    fp_outflow_clear(&self->out);
}

/* The end, expected (exception is NULL) or not.  The caller holds a reference. */
static void lose(WritePipeObject *self, PyObject *exception)
{
    if (self->lost)
        return;
    write_pipe_disconnect(self);
    self->lost_to = Py_XNewRef(exception);
    future_wake_all(self->base.hub->state, &self->drain_waiters);
    future_wake_all(self->base.hub->state, &self->close_waiters);
    if (!pipe_protocol_takes_end(&self->base, exception, false))
        pipe_end(&self->base, exception);
    hub_ask_for_rest(self->base.hub);
}

/* Ends with the OSError of -err.  A terminal's EIO (no process has it open any more) becomes EPIPE. */
static void lose_to_errno(WritePipeObject *self, int err)
{
    PyObject *exception =
        exception_of_errno(pipe_is_terminal(&self->base) && err == -EIO ? -EPIPE : err);
    lose(self, exception);
    Py_XDECREF(exception);
}

/* 0 or -1. */
static int set_interest(WritePipeObject *self, unsigned interest)
{
    if (self->interest == interest || self->slot < 0)
        return 0;
    if (hub_modify(self->base.hub, self->slot, self->fd, interest) < 0)
        return -1;
    self->interest = interest;
    return 0;
}

int write_pipe_update_flow(WritePipeObject *self)
{
    if (!self->paused && self->out.pending > self->out.high_water) {
        self->paused = true;
        return pipe_pause_writing(&self->base);
    }
    if (self->paused && self->out.pending <= self->out.low_water) {
        self->paused = false;
        future_wake_all(self->base.hub->state, &self->drain_waiters);
        return pipe_resume_writing(&self->base);
    }
    return 0;
}

/* Queues what is left of a write.  0 or -1. */
static int queue_rest(WritePipeObject *self, PyObject *data, const char *bytes, size_t count)
{
    int err;
    if (self->base.hub->closed) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed"); /* nobody would write it */
        return -1;
    }
    if (PyBytes_CheckExact(data) && count >= FP_WORTH_A_REFERENCE) {
        err = fp_outflow_refer(&self->out, bytes, count, Py_NewRef(data));
        if (err < 0)
            Py_DECREF(data);
    } else {
        err = fp_outflow_copy(&self->out, bytes, count);
    }
    if (err < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (self->out.pending >= WORTH_ROOM && self->fd >= 0)
        pipe_enlarge(&self->base, self->fd);
    if (set_interest(self, FP_WANT_WRITE) < 0)
        return -1;
    return write_pipe_update_flow(self);
}

/* 0 or -1. */
static int write_bytes(WritePipeObject *self, PyObject *data, const char *bytes, size_t count)
{
    if (self->closing || count == 0)
        return 0;
    if (pipe_is_terminal(&self->base)) {
        self->latest = (unsigned char)bytes[count - 1];
        self->ended = false;
    }
    size_t written = 0;
    if (self->out.pending == 0 && self->fd >= 0) {
        ssize_t n = fp_fd_write(self->fd, bytes, count);
        if (n < 0 && n != -EAGAIN) {
            lose_to_errno(self, (int)n);
            return 0; /* drain() and wait_closed() report it */
        }
        written = n > 0 ? (size_t)n : 0;
        if (written == count)
            return 0;
    }
    return queue_rest(self, data, bytes + written, count - written);
}

int write_pipe_write(WritePipeObject *self, PyObject *data)
{
    if (PyBytes_CheckExact(data))
        return write_bytes(self, data, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_FULL_RO) < 0)
        return -1;
    int result = -1;
    if (PyBuffer_IsContiguous(&view, 'C')) {
        result = write_bytes(self, data, view.buf, (size_t)view.len);
    } else {
        PyObject *copy = PyBytes_FromStringAndSize(NULL, view.len);
        if (copy != NULL &&
            PyBuffer_ToContiguous(PyBytes_AS_STRING(copy), &view, view.len, 'C') == 0)
            result = write_bytes(self, copy, PyBytes_AS_STRING(copy), (size_t)view.len);
        Py_XDECREF(copy);
    }
    PyBuffer_Release(&view);
    return result;
}

int write_pipe_writelines(WritePipeObject *self, PyObject *lines)
{
    struct fp_state *state = self->base.hub->state;
    PyObject *joined = PyObject_CallMethodOneArg(state->empty_bytes, state->names.join, lines);
    int result = joined != NULL ? write_pipe_write(self, joined) : -1;
    Py_XDECREF(joined);
    return result;
}

void write_pipe_close(WritePipeObject *self)
{
    if (self->closing)
        return;
    self->closing = true;
    if (self->out.pending > 0)
        return;
    Py_INCREF(self);
    lose(self, NULL);
    Py_DECREF(self);
}

void write_pipe_abort(WritePipeObject *self)
{
    Py_INCREF(self);
    lose(self, NULL);
    Py_DECREF(self);
}

/* Called by the loop, in the turn that was asked for. */
static PyObject *end_now(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    GUARD_BEGIN(((PipeObject *)op)->hub);
    lose((WritePipeObject *)op, NULL);
    GUARD_END();
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef end_method = {"close", end_now, METH_NOARGS, NULL};

static void end_soon(WritePipeObject *self)
{
    if (self->fd >= 0 && pipe_call_soon(&self->base, &end_method))
        return;
    write_pipe_abort(self);
}

void write_pipe_close_soon(WritePipeObject *self)
{
    if (self->closing)
        return;
    self->closing = true;
    if (self->out.pending == 0)
        end_soon(self);
}

void write_pipe_abort_soon(WritePipeObject *self)
{
    if (self->lost)
        return;
    self->closing = true;
    fp_outflow_clear(&self->out);
    if (set_interest(self, FP_WANT_NOTHING) < 0)
        hub_settle_exception(self->base.hub, (PyObject *)self);
    end_soon(self);
}

/* All that was queued is written, but whether the child closes its stdin cannot be watched. */
static void lose_sight(WritePipeObject *self)
{
    PyObject *exception = compat_take_exception();
    lose(self, exception);
    Py_XDECREF(exception);
}

static bool write_pipe_ready(PyObject *op, unsigned ready)
{
    WritePipeObject *self = (WritePipeObject *)op;
    bool hung_up = pipe_is_terminal(&self->base) && (ready & FP_HANGUP);
    if ((ready & FP_BROKEN) || hung_up) { /* the child has closed its stdin */
        PyObject *exception = NULL;
        if (self->out.pending > 0 &&
            (exception = PyObject_CallNoArgs(PyExc_BrokenPipeError)) == NULL)
            exception = compat_take_exception(); /* MemoryError, say */
        lose(self, exception);
        Py_XDECREF(exception);
        return true;
    }
    if (!(ready & FP_WRITABLE))
        return false;
    ssize_t written = fp_outflow_flush(&self->out, self->fd);
    if (written == -EAGAIN)
        return false;
    if (written < 0) {
        lose_to_errno(self, (int)written);
        return true;
    }
    if (self->out.pending == 0 && set_interest(self, FP_WANT_NOTHING) < 0) {
        lose_sight(self);
        return true;
    }
    write_pipe_update_flow(self); /* may write or close; what it raises is for the hub */
    if (self->out.pending == 0 && self->closing)
        lose(self, NULL);
    return true;
}

void write_pipe_loop_closed(WritePipeObject *self, bool close)
{
    if (self->lost)
        return;
    Py_INCREF(self);
    if (close || self->closing) /* what is queued will not be written any more */
        write_pipe_disconnect(self);
    else
        hub_remove(self->base.hub, &self->slot, self->fd);
    Py_CLEAR(self->base.owner);
    Py_DECREF(self);
}

static void loop_closed(PyObject *op, bool forked_off)
{
    write_pipe_loop_closed((WritePipeObject *)op, forked_off);
}
