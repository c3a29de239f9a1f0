/* SPDX-License-Identifier: MIT
 *
 * The read end of a child's stdout or stderr: asyncio's ReadTransport.  For a
 * terminal the descriptor is a copy of the master, which reports EIO at the end.
 *
 * While it is being read the hub refers to it; while it is paused only its
 * child and its reader do, so one that nobody will read again can be collected.
 */
#include "pipe/read_pipe.h"

#include "loop/watch.h"
#include "pipe/reader.h"
#include "pipe/reader_memory.h"
#include "pipe/pipe_capacity.h"
#include "posix/clock.h"
#include "posix/fd.h"
#include "python/errors.h"
#include "python/guard.h"

enum {
    /* How many gulps are taken in one turn of the loop: after a hangup, and if a reader waits for
     * more than one. */
    GULPS_AT_HANGUP = 8,
    GULPS_FOR_A_WAITER = 4,
    GULPS_OF_A_PIPE = 16, /* 1 MiB: the most that an unprivileged user can make it hold */
};

ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub, PyObject *owner,
                              const struct pipe_owner_ops *ops, int number, bool sized)
{
    PyTypeObject *type = (PyTypeObject *)state->read_pipe_type;
    ReadPipeObject *self = (ReadPipeObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->base.hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->base.owner = Py_NewRef(owner);
    self->base.owner_ops = ops;
    self->base.number = number;
    self->base.sized = sized || !state->shortcuts;
    self->flow.fd = -1;
    self->slot = -1;
    return self;
}

static bool read_pipe_ready(PyObject *op, unsigned ready);
static void loop_closed(PyObject *op, bool forked_off);

static const struct hub_owner_ops hub_ops = {
    .ready = read_pipe_ready,
    .loop_closed = loop_closed,
};

/* A hub that is woken calls the loop, and meanwhile another thread may close or pause the pipe, or do
 * the same.  0 or -1. */
static int start_reading(ReadPipeObject *self)
{
    if (hub_is_alive(self->base.hub) && hub_wake(self->base.hub) < 0)
        return -1;
    if (self->closing || self->paused || self->slot >= 0)
        return 0;
    self->slot = hub_add(self->base.hub, self->flow.fd, FP_WANT_READ, &hub_ops, (PyObject *)self);
    return self->slot < 0 ? -1 : 0;
}

int read_pipe_connect(ReadPipeObject *self, int fd)
{
    if (self->closing) {
        fp_fd_close(&fd);
        return 0;
    }
    self->flow.fd = fd;
    return self->paused ? 0 : start_reading(self);
}

void read_pipe_disconnect(ReadPipeObject *self)
{
    self->closing = true;
    hub_remove(self->base.hub, &self->slot, self->flow.fd);
    fp_fd_close(&self->flow.fd);
    pipe_give_room_back(&self->base);
}

/* The end, expected (exception is NULL) or not.  The caller holds a reference. */
static void lose(ReadPipeObject *self, PyObject *exception, bool at_eof)
{
    self->at_eof = at_eof;
    read_pipe_disconnect(self);
    if (!pipe_protocol_takes_end(&self->base, exception, at_eof))
        pipe_end(&self->base, exception);
    hub_ask_for_rest(self->base.hub);
}

void read_pipe_close(ReadPipeObject *self)
{
    if (self->closing)
        return;
    Py_INCREF(self);
    lose(self, NULL, false);
    Py_DECREF(self);
}

/* Called by the loop, in the turn that was asked for. */
static PyObject *end_now(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    GUARD_BEGIN(self->base.hub);
    if (self->flow.fd >= 0)
        lose(self, NULL, false);
    GUARD_END();
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef end_method = {"close", end_now, METH_NOARGS, NULL};

void read_pipe_close_soon(ReadPipeObject *self)
{
    if (self->closing)
        return;
    if (self->flow.fd < 0 || !pipe_call_soon(&self->base, &end_method)) {
        read_pipe_close(self);
        return;
    }
    self->closing = true;
    hub_remove(self->base.hub, &self->slot, self->flow.fd);
}

void read_pipe_pause(ReadPipeObject *self)
{
    if (self->closing || self->paused)
        return;
    self->paused = true;
    hub_remove(self->base.hub, &self->slot, self->flow.fd);
}

int read_pipe_resume(ReadPipeObject *self)
{
    if (self->closing || !self->paused)
        return 0;
    self->paused = false;
    if (self->flow.fd < 0 || start_reading(self) == 0)
        return 0;
    self->paused = true;
    return -1;
}

/* A protocol gets the data as a new bytes object; a reader is fed directly. */
static enum fp_flow read_for_protocol(ReadPipeObject *self)
{
    const struct fp_scratch *scratch = &self->base.hub->scratch;
    ssize_t size = fp_fd_read(self->flow.fd, scratch->bytes, scratch->size);
    if (size <= 0) {
        self->flow.err = (int)-size;
        return size == 0 ? FP_FLOW_EOF : size == -EAGAIN ? FP_FLOW_AGAIN : FP_FLOW_ERROR;
    }
    PyObject *data = PyBytes_FromStringAndSize((const char *)scratch->bytes, size);
    if (data == NULL) {
        PyErr_Clear();
        self->flow.err = ENOMEM;
        return FP_FLOW_ERROR;
    }
    pipe_data_received(&self->base, data);
    Py_DECREF(data);
    return FP_FLOW_DATA;
}

static enum fp_flow read_for_reader(ReadPipeObject *self)
{
    HubObject *hub = self->base.hub;
    ReaderObject *reader = self->reader;
    const struct fp_memory *memory =
        hub->state->shortcuts ? &reader_memory_in_volume : &reader_memory;
    enum fp_flow flow = fp_inflow_read(&self->flow, &reader->buffer, memory, &hub->scratch);
    if (flow == FP_FLOW_DATA) {
        if (fp_inflow_is_full(&self->flow))
            pipe_enlarge(&self->base, self->flow.fd);
        Py_INCREF(reader); /* a transport set by the user may do anything when it is paused */
        reader_fed(reader);
        Py_DECREF(reader);
    }
    return flow;
}

/* Handles the end and errors of a read; true if the pipe has ended. */
static bool ended(ReadPipeObject *self, enum fp_flow flow)
{
    bool hung_up = flow == FP_FLOW_ERROR && self->flow.err == EIO && pipe_is_terminal(&self->base);
    if (flow == FP_FLOW_EOF || hung_up) {
        lose(self, NULL, true);
    } else if (flow == FP_FLOW_ERROR) {
        PyObject *exception = exception_of_read(-self->flow.err);
        lose(self, exception, false);
        Py_XDECREF(exception);
    } else {
        return false;
    }
    return true;
}

static bool feeds_reader(ReadPipeObject *self)
{
    return self->reader != NULL && !pipe_has_listener(&self->base);
}

static bool read_pipe_ready(PyObject *op, unsigned ready)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    bool hangup = (ready & (FP_HANGUP | FP_BROKEN)) != 0;
    bool progress = false;
    int gulps = hangup ? GULPS_AT_HANGUP : GULPS_FOR_A_WAITER;
    while (gulps-- > 0 && self->slot >= 0) {
        bool to_reader = feeds_reader(self);
        if (!to_reader) /* a protocol may pause, close or be replaced before the next */
            gulps = 0;
        enum fp_flow flow = (to_reader ? read_for_reader : read_for_protocol)(self);
        if (flow == FP_FLOW_AGAIN)
            return progress;
        if (ended(self, flow))
            return true;
        progress = true;
        bool wanted = self->reader != NULL && self->reader->waiter != NULL;
        if (!hangup && !(fp_inflow_is_full(&self->flow) && wanted))
            return true;
    }
    return true;
}

static bool may_pull(ReadPipeObject *self)
{
    const HubObject *hub = self->base.hub;
    return fp_inflow_goes_on(&self->flow) && self->slot >= 0 && hub->pulls > 0 &&
           hub_is_alive(hub) && feeds_reader(self) && self->reader->waiter == NULL &&
           fp_clock_ns() < hub->pulls_until;
}

/* Reads out of turn, if more is likely to be there and the hub allows it. */
static bool pull(PyObject *op)
{
    ReadPipeObject *self = (ReadPipeObject *)op;
    HubObject *hub = self->base.hub;
    if (!may_pull(self))
        return false;
    hub->pulls--;
    Py_INCREF(self);
    enum fp_flow flow = read_for_reader(self);
    bool pulled = ended(self, flow) || flow == FP_FLOW_DATA;
    Py_DECREF(self);
    return pulled;
}

static void pause_for_reader(PyObject *pipe)
{
    read_pipe_pause((ReadPipeObject *)pipe);
}

static int resume_for_reader(PyObject *pipe)
{
    return read_pipe_resume((ReadPipeObject *)pipe);
}

static HubObject *hub_for_reader(PyObject *pipe)
{
    return ((PipeObject *)pipe)->hub;
}

static const struct reader_source_ops source_ops = {
    .pause = pause_for_reader,
    .resume = resume_for_reader,
    .pull = pull,
    .hub = hub_for_reader,
};

ReaderObject *read_pipe_make_reader(ReadPipeObject *self, const struct reader_limit *limit)
{
    HubObject *hub = self->base.hub;
    PyObject *pipe = Py_NewRef((PyObject *)self);
    ReaderObject *reader = reader_new(hub->state, hub, pipe, &source_ops, limit);
    if (reader == NULL)
        Py_DECREF(pipe);
    else
        Py_XSETREF(self->reader, (ReaderObject *)Py_NewRef((PyObject *)reader));
    return reader;
}

void read_pipe_finish(ReadPipeObject *self)
{
    Py_INCREF(self);
    for (int gulps = GULPS_OF_A_PIPE; gulps > 0 && !self->closing && self->flow.fd >= 0; gulps--) {
        enum fp_flow flow = feeds_reader(self) ? read_for_reader(self) : FP_FLOW_AGAIN;
        if (ended(self, flow) || flow == FP_FLOW_AGAIN)
            break;
    }
    read_pipe_close(self);
    Py_DECREF(self);
}

void read_pipe_loop_closed(ReadPipeObject *self, bool close)
{
    if (self->closing && self->flow.fd < 0)
        return;
    Py_INCREF(self);
    if (close || self->closing)
        read_pipe_disconnect(self);
    else
        hub_remove(self->base.hub, &self->slot, self->flow.fd);
    Py_CLEAR(self->base.owner); /* these two are cycles */
    Py_CLEAR(self->reader);
    Py_DECREF(self);
}

static void loop_closed(PyObject *op, bool forked_off)
{
    read_pipe_loop_closed((ReadPipeObject *)op, forked_off);
}
