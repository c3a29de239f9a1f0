/* SPDX-License-Identifier: MIT
 *
 * The read end of a child's stdout or stderr: asyncio's ReadTransport.
 *
 * While it is being read the hub refers to it; while it is paused only its
 * child and its reader do, so one that nobody will read again can be collected.
 */
#include "binding/errors.h"
#include "binding/protocol.h"
#include "binding/reader.h"
#include "posix/fd.h"

/* How many gulps of what an ended child has left are taken in one turn of the loop. */
enum { GULPS_AT_HANGUP = 8 };

ReadPipeObject *read_pipe_new(struct fp_state *state, HubObject *hub, TransportObject *child,
                              int number)
{
    PyTypeObject *type = (PyTypeObject *)state->read_pipe_type;
    ReadPipeObject *self = (ReadPipeObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->base.hub = (HubObject *)Py_NewRef((PyObject *)hub);
    self->base.child = (TransportObject *)Py_NewRef((PyObject *)child);
    self->base.number = number;
    self->flow.fd = -1;
    self->slot = -1;
    return self;
}

static int start_reading(ReadPipeObject *self)
{
    self->slot = hub_add(self->base.hub, self->flow.fd, FP_WANT_READ, HUB_READ, (PyObject *)self);
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
}

/* The end, expected (exception is NULL) or not.  The caller holds a reference. */
static void lose(ReadPipeObject *self, PyObject *exception, bool at_eof)
{
    read_pipe_disconnect(self);
    if (!protocol_takes_end(&self->base, exception, at_eof))
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
    return self->flow.fd >= 0 ? start_reading(self) : 0;
}

/* What a reader is fed directly, a protocol is given as a bytes object of its own. */
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
    protocol_data_received(&self->base, data);
    Py_DECREF(data);
    return FP_FLOW_DATA;
}

static enum fp_flow read_for_reader(ReadPipeObject *self)
{
    ReaderObject *reader = self->reader;
    enum fp_flow flow =
        fp_inflow_read(&self->flow, &reader->buffer, &reader_memory, &self->base.hub->scratch);
    if (flow == FP_FLOW_DATA) {
        Py_INCREF(reader); /* a transport of its user's may do anything when it is paused */
        reader_fed(reader);
        Py_DECREF(reader);
    }
    return flow;
}

void read_pipe_ready(ReadPipeObject *self, unsigned ready)
{
    int gulps = ready & (FP_HANGUP | FP_BROKEN) ? GULPS_AT_HANGUP : 1;
    while (gulps-- > 0 && self->slot >= 0) {
        bool to_reader = self->reader != NULL && !protocol_has_pipe(&self->base);
        if (!to_reader) /* who may pause, close or be replaced before the next */
            gulps = 0;
        switch ((to_reader ? read_for_reader : read_for_protocol)(self)) {
        case FP_FLOW_DATA:
            break;
        case FP_FLOW_EOF:
            lose(self, NULL, true);
            return;
        case FP_FLOW_AGAIN:
            return;
        case FP_FLOW_ERROR: {
            PyObject *exception = exception_of_errno(-self->flow.err);
            lose(self, exception, false);
            Py_XDECREF(exception);
            return;
        }
        }
    }
}

void read_pipe_loop_closed(ReadPipeObject *self)
{
    if (self->closing)
        return;
    Py_INCREF(self);
    read_pipe_disconnect(self);
    Py_CLEAR(self->base.child);
    ReaderObject *reader = self->reader;
    self->reader = NULL;
    if (reader != NULL && !reader->eof) { /* truncated: not an end of file; nobody can be woken */
        if (reader->exception == NULL)
            reader->exception =
                PyObject_CallFunction(PyExc_RuntimeError, "s", "Event loop is closed");
        PyErr_Clear();
    }
    Py_XDECREF(reader);
    Py_DECREF(self);
}
