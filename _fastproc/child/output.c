/* SPDX-License-Identifier: MIT
 *
 * Process._next_output(): what a child writes to stdout and stderr, in the
 * order of arrival; and Process.close(), which ends both and stdin.
 */
#include <assert.h>

#include "child/linger.h"
#include "child/process.h"
#include "child/terminal.h"
#include "loop/exceptions.h"
#include "loop/future.h"
#include "pipe/read_pipe.h"
#include "pipe/write_pipe.h"

/* AwaitableObject.argument: a pair of the readers as they were at the call, or None. */
static ReaderObject *output(const AwaitableObject *self, int which)
{
    PyObject *reader = PyTuple_GET_ITEM(self->argument, which);
    return reader != Py_None ? (ReaderObject *)reader : NULL;
}

/* Makes both readers note the order of arrival from now on, behind the bytes that are there
 * already.  0 or -1. */
static int note_arrivals(ReaderObject *first, ReaderObject *second)
{
    if (first == NULL || second == NULL || first->arrivals != NULL || second->arrivals != NULL)
        return 0;
    struct fp_arrivals *arrivals = fp_arrivals_new();
    if (arrivals == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    arrivals->owners = 2;
    ReaderObject *const readers[] = {first, second};
    for (int which = 0; which < 2; which++) {
        ReaderObject *reader = readers[which];
        size_t length = reader_length(reader);
        reader->arrivals = arrivals;
        reader->stream = which;
        reader->noted = reader->consumed + length;
        if (length > 0)
            fp_arrivals_add(arrivals, which, length);
    }
    return 0;
}

/* Which reader has the oldest bytes, and how many of them in one run; -1 if there are none. */
static int find_oldest(AwaitableObject *self, size_t *count)
{
    struct fp_arrivals *arrivals = NULL;
    for (int which = 0; which < 2; which++)
        if (output(self, which) != NULL && output(self, which)->arrivals != NULL)
            arrivals = output(self, which)->arrivals;
    const struct fp_run *run;
    while (arrivals != NULL && (run = fp_arrivals_oldest(arrivals)) != NULL) {
        ReaderObject *reader = output(self, run->stream);
        *count = reader != NULL ? reader_length(reader) : 0;
        if (*count > run->count)
            *count = run->count;
        if (*count > 0)
            return run->stream;
        fp_arrivals_take(arrivals, run->count); /* somebody else has read them */
    }
    for (int which = 0; which < 2; which++)
        if (output(self, which) != NULL && (*count = reader_length(output(self, which))) > 0)
            return which;
    return -1;
}

/* The pair (1 or 2, bytes); or NULL. */
static PyObject *take_from(AwaitableObject *self, int which, size_t count)
{
    ReaderObject *reader = output(self, which);
    assert(reader != NULL); /* it has something */
    if (count > (size_t)self->count)
        count = (size_t)self->count;
    PyObject *bytes = reader_take(reader, count);
    if (bytes == NULL)
        return NULL;
    if (reader->arrivals != NULL)
        fp_arrivals_take(reader->arrivals, (size_t)PyBytes_GET_SIZE(bytes));
    PyObject *pair = Py_BuildValue("(iO)", which + 1, bytes);
    Py_DECREF(bytes);
    return pair;
}

static enum step wait_for_output(AwaitableObject *self)
{
    HubObject *hub = ((ProcessObject *)self->owner)->transport->hub;
    self->future = future_new(hub);
    if (self->future == NULL)
        return STEP_FAILED;
    for (int which = 0; which < 2; which++) {
        ReaderObject *reader = output(self, which);
        if (reader != NULL && !reader->eof && reader_wait(reader, "lines", self->future, 1) < 0)
            return STEP_FAILED;
    }
    return STEP_WAIT;
}

static enum step next_output_step(AwaitableObject *self, PyObject **result)
{
    size_t count;
    if (note_arrivals(output(self, 0), output(self, 1)) < 0)
        return STEP_FAILED;
    for (;;) {
        int which = find_oldest(self, &count);
        if (which >= 0) {
            *result = take_from(self, which, count);
            return *result != NULL ? STEP_DONE : STEP_FAILED;
        }
        bool open = false, pulled = false;
        for (which = 0; which < 2; which++) {
            ReaderObject *reader = output(self, which);
            if (reader != NULL && reader->exception != NULL) {
                hub_raise_kept(reader->hub, reader->exception);
                return STEP_FAILED;
            }
            if (reader != NULL && !reader->eof) {
                open = true;
                pulled = reader_pull(reader) || pulled;
            }
        }
        if (open && !pulled)
            return wait_for_output(self);
        if (!open) {
            *result = Py_NewRef(Py_None);
            return STEP_DONE;
        }
    }
}

static void next_output_forget(AwaitableObject *self)
{
    if (self->owner == NULL || self->argument == NULL)
        return;
    for (int which = 0; which < 2; which++)
        if (output(self, which) != NULL)
            reader_forget(output(self, which), self->future, self->phase == AWAITABLE_FINISHED);
}

static PyObject *next_output_guard(AwaitableObject *self)
{
    return (PyObject *)((ProcessObject *)self->owner)->transport->hub;
}

static const struct awaitable_ops next_output_ops = {
    .name = "Process._next_output",
    .step = next_output_step,
    .forget = next_output_forget,
    .guard = next_output_guard,
};

PyObject *process_next_output(PyObject *op, PyObject *size)
{
    ProcessObject *process = (ProcessObject *)op;
    Py_ssize_t most = PyNumber_AsSsize_t(size, NULL);
    if (most == -1 && PyErr_Occurred())
        return NULL;
    PyObject *readers = PyTuple_Pack(2, process->stdout_reader, process->stderr_reader);
    if (readers == NULL)
        return NULL;
    PyObject *awaitable = awaitable_new(process->transport->hub->state, &next_output_ops, op,
                                        readers, most > 0 ? most : 1);
    Py_DECREF(readers);
    return awaitable;
}

PyObject *process_set_linger(PyObject *op, PyObject *seconds)
{
    double linger;
    if (linger_read(seconds, &linger) < 0)
        return NULL;
    linger_set(((ProcessObject *)op)->transport, linger);
    Py_RETURN_NONE;
}

PyObject *process_get_lingered(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((ProcessObject *)op)->transport->lingered);
}

PyObject *process_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    TransportObject *transport = ((ProcessObject *)op)->transport;
    if (hub_is_forked_off(transport->hub)) /* the pipes are our parent's */
        Py_RETURN_NONE;
    if (transport->pipes[0] != NULL)
        write_pipe_abort((WritePipeObject *)transport->pipes[0]);
    for (int fd = 1; fd < 3; fd++)
        if (transport->pipes[fd] != NULL)
            read_pipe_close((ReadPipeObject *)transport->pipes[fd]);
    if (transport->has_terminal)
        terminal_hang_up(transport);
    Py_RETURN_NONE;
}
