/* SPDX-License-Identifier: MIT
 *
 * See terminal.h.
 */
#include "child/terminal.h"

#include "child/process.h"
#include "child/terminal_options.h"
#include "loop/exceptions.h"
#include "loop/watch.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"
#include "posix/fd.h"
#include "python/errors.h"

/* The pipe that reads the terminal, or NULL. */
static ReadPipeObject *output(const TransportObject *self)
{
    for (int fd = 1; fd < 3; fd++) {
        PyObject *pipe = self->pipes[fd];
        if (pipe != NULL && pipe_is_terminal((PipeObject *)pipe))
            return (ReadPipeObject *)pipe;
    }
    return NULL;
}

/* Whether stdin is the terminal and not closed. */
static bool has_open_input(const TransportObject *self)
{
    const WritePipeObject *input = (const WritePipeObject *)self->pipes[0];
    return input != NULL && pipe_is_terminal(&input->base) && !input->lost;
}

/* ---- what nobody reads ---- */

static bool drop_shown(PyObject *op, unsigned Py_UNUSED(ready))
{
    TransportObject *self = (TransportObject *)op;
    const struct fp_scratch *scratch = &self->hub->scratch;
    ssize_t size = fp_fd_read(self->terminal, scratch->bytes, scratch->size);
    if (size == -EAGAIN)
        return false;
    if (size <= 0) /* no process has it open any more */
        hub_remove(self->hub, &self->terminal_slot, self->terminal);
    return true;
}

static void loop_closed(PyObject *op, bool forked_off)
{
    terminal_loop_closed((TransportObject *)op, forked_off);
}

static const struct hub_owner_ops dropping_ops = {
    .ready = drop_shown,
    .loop_closed = loop_closed,
};

/* 0 or -1. */
static int drop_from_now_on(TransportObject *self)
{
    if (self->terminal_slot < 0)
        self->terminal_slot =
            hub_add(self->hub, self->terminal, FP_WANT_READ, &dropping_ops, (PyObject *)self);
    return self->terminal_slot < 0 ? -1 : 0;
}

/* ---- its life ---- */

int terminal_begin(TransportObject *self)
{
    self->terminal = fp_fd_take(&self->plan->master);
    return self->terminal >= 0 && output(self) == NULL ? drop_from_now_on(self) : 0;
}

void terminal_hang_up(TransportObject *self)
{
    Py_INCREF(self);
    hub_remove(self->hub, &self->terminal_slot, self->terminal);
    fp_fd_close(&self->terminal);
    Py_DECREF(self);
}

void terminal_pipe_ended(TransportObject *self)
{
    const ReadPipeObject *pipe = self->terminal >= 0 ? output(self) : NULL;
    if (pipe == NULL || !pipe->closing || pipe->at_eof) /* then we have not closed it */
        return;
    if (!has_open_input(self))
        terminal_hang_up(self);
    else if (hub_is_alive(self->hub) && drop_from_now_on(self) < 0)
        hub_settle_exception(self->hub, (PyObject *)self);
}

void terminal_loop_closed(TransportObject *self, bool close)
{
    Py_INCREF(self);
    hub_remove(self->hub, &self->terminal_slot, -1); /* the poller is gone */
    if (close)
        fp_fd_close(&self->terminal);
    Py_DECREF(self);
}

/* ---- its size ---- */

PyObject *process_set_terminal_size(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "columns", NULL};
    PyObject *rows, *columns;
    struct fp_pty_size size;
    TransportObject *child = ((ProcessObject *)op)->transport;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:set_terminal_size", names, &rows,
                                     &columns) ||
        terminal_size_read(rows, columns, "set_terminal_size()", &size) < 0)
        return NULL;
    if (!child->has_terminal) {
        PyErr_SetString(PyExc_ValueError, "the child has no terminal");
        return NULL;
    }
    if (child->terminal < 0 || hub_is_forked_off(child->hub)) {
        PyErr_SetString(PyExc_ProcessLookupError, "the terminal is closed");
        return NULL;
    }
    int err = fp_pty_set_size(child->terminal, size);
    if (err < 0) {
        raise_errno(err);
        return NULL;
    }
    Py_RETURN_NONE;
}
