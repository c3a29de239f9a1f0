/* SPDX-License-Identifier: MIT
 *
 * Process.communicate(): feeds stdin, lets the pipes fill their readers without
 * pausing, and checks at each step what is still missing.  All that was read
 * stays in the readers until the end, so a cancelled call loses nothing.
 */
#include "child/linger.h"
#include "child/process.h"
#include "loop/exceptions.h"
#include "loop/future.h"
#include "pipe/end_of_input.h"
#include "pipe/read_pipe.h"
#include "pipe/writer.h"
#include "python/arguments.h"

#include <string.h>

/* AwaitableObject.argument: a tuple of the input and of the streams as they were at the call,
 * because they may be set to None meanwhile. */
enum { INPUT, STDIN, STDOUT, STDERR, LINGER };

/* AwaitableObject.done */
enum {
    INPUT_WRITTEN = 1,
    INPUT_DONE = 2,
    LINGER_SET = 8,
    TURN_GIVEN = 4, /* to a reader that may have been cancelled, and has not noticed yet */
};

/* What is still to come. */
struct missing {
    bool input, output[2], exit;
};

static PyObject *part(const AwaitableObject *self, int which)
{
    PyObject *value = PyTuple_GET_ITEM(self->argument, which);
    return value != Py_None ? value : NULL;
}

static WritePipeObject *input_pipe(const AwaitableObject *self)
{
    WriterObject *writer = (WriterObject *)part(self, STDIN);
    return writer != NULL ? writer->pipe : NULL;
}

static ReaderObject *output(const AwaitableObject *self, int which)
{
    return (ReaderObject *)part(self, STDOUT + which);
}

/* 0 or -1. */
static int feed_input(AwaitableObject *self, struct missing *missing)
{
    WritePipeObject *pipe = input_pipe(self);
    if (pipe == NULL || (self->done & INPUT_DONE))
        return 0;
    if (!(self->done & INPUT_WRITTEN)) {
        self->done |= INPUT_WRITTEN;
        if (part(self, INPUT) != NULL && write_pipe_write(pipe, part(self, INPUT)) < 0)
            return -1;
    }
    if (pipe->paused && !pipe->lost) {
        missing->input = true;
        return 0;
    }
    self->done |= INPUT_DONE;
    end_of_input_and_close_now(pipe); /* what is still queued goes out first */
    return 0;
}

/* 0 or -1. */
static int look_at_outputs(const AwaitableObject *self, struct missing *missing)
{
    for (int which = 0; which < 2; which++) {
        ReaderObject *reader = output(self, which);
        if (reader == NULL)
            continue;
        if (reader->exception != NULL) {
            hub_raise_kept(reader->hub, reader->exception);
            return -1;
        }
        missing->output[which] = !reader->eof;
        PyObject *pipe = ((ProcessObject *)self->owner)->transport->pipes[1 + which];
        if (reader->eof && pipe != NULL) /* still open if the end was fed by hand */
            read_pipe_close((ReadPipeObject *)pipe);
    }
    return 0;
}

/* One future for all; the exit is waited for last, because it usually comes last. */
static enum step wait_for_missing(AwaitableObject *self, const struct missing *missing)
{
    TransportObject *transport = ((ProcessObject *)self->owner)->transport;
    self->future = future_new(transport->hub);
    if (self->future == NULL)
        return STEP_FAILED;
    if (missing->input && waiters_add(&input_pipe(self)->drain_waiters, self->future) < 0)
        return STEP_FAILED;
    for (int which = 0; which < 2; which++)
        if (missing->output[which] &&
            reader_wait(output(self, which), "read", self->future, SIZE_MAX) < 0)
            return STEP_FAILED;
    bool pipes_open = missing->input || missing->output[0] || missing->output[1];
    if (!pipes_open && waiters_add(&transport->exit_waiters, self->future) < 0)
        return STEP_FAILED;
    return STEP_WAIT;
}

static bool somebody_reads(const AwaitableObject *self)
{
    return (output(self, 0) != NULL && output(self, 0)->waiter != NULL) ||
           (output(self, 1) != NULL && output(self, 1)->waiter != NULL);
}

static PyObject *take_output(const AwaitableObject *self, int which)
{
    ReaderObject *reader = output(self, which);
    if (reader == NULL)
        Py_RETURN_NONE;
    return reader_take(reader, reader_length(reader));
}

/* Refuses new input after a call that was cut short, because the input of that call has been sent
 * or is queued, and stdin is closed behind it.  0, or -1 with ValueError, as CPython has decided
 * (gh-139373). */
static int refuse_more_input(const AwaitableObject *self)
{
    PyObject *more = part(self, INPUT);
    if (!((ProcessObject *)self->owner)->cut_short || input_pipe(self) == NULL || more == NULL ||
        (self->done & INPUT_WRITTEN) || somebody_reads(self)) /* two readers are another error */
        return 0;
    Py_ssize_t length = PyObject_Size(more);
    PyErr_Clear(); /* whatever that is: it is refused */
    if (length == 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, "Cannot send input after starting communication");
    return -1;
}

static enum step communicate_step(AwaitableObject *self, PyObject **result)
{
    ProcessObject *process = (ProcessObject *)self->owner;
    struct missing missing = {.exit = !transport_has_ended(process->transport)};
    if (part(self, LINGER) != NULL && !(self->done & LINGER_SET)) {
        self->done |= LINGER_SET;
        linger_set(process->transport, PyFloat_AS_DOUBLE(part(self, LINGER)));
    }
    if (!(self->done & TURN_GIVEN) && somebody_reads(self)) {
        self->done |= TURN_GIVEN; /* before all else, because this call may be refused then */
        return STEP_WAIT;
    }
    if (refuse_more_input(self) < 0)
        return STEP_FAILED;
    process->cut_short = true;
    if (feed_input(self, &missing) < 0 || look_at_outputs(self, &missing) < 0)
        return STEP_FAILED;
    if (missing.input || missing.output[0] || missing.output[1] || missing.exit)
        return wait_for_missing(self, &missing);
    *result = PyTuple_New(2);
    for (int which = 0; *result != NULL && which < 2; which++) {
        PyObject *bytes = take_output(self, which);
        if (bytes == NULL)
            Py_CLEAR(*result);
        else
            PyTuple_SET_ITEM(*result, which, bytes);
    }
    process->cut_short = *result == NULL;
    return *result != NULL ? STEP_DONE : STEP_FAILED;
}

static void communicate_forget(AwaitableObject *self)
{
    if (self->owner == NULL || self->argument == NULL)
        return;
    if (self->future != NULL) {
        if (input_pipe(self) != NULL)
            waiters_discard(input_pipe(self)->drain_waiters, self->future);
        waiters_discard(((ProcessObject *)self->owner)->transport->exit_waiters, self->future);
    }
    if ((self->done & LINGER_SET) && self->phase == AWAITABLE_FINISHED)
        linger_set(((ProcessObject *)self->owner)->transport, -1);
    for (int which = 0; which < 2; which++)
        if (output(self, which) != NULL)
            reader_forget(output(self, which), self->future, self->phase == AWAITABLE_FINISHED);
}

static PyObject *communicate_guard(AwaitableObject *self)
{
    return (PyObject *)((ProcessObject *)self->owner)->transport->hub;
}

static const struct awaitable_ops communicate_ops = {
    .name = "Process.communicate",
    .step = communicate_step,
    .forget = communicate_forget,
    .guard = communicate_guard,
};

/* The index of the keyword among the names, or -1. */
static Py_ssize_t find_linger(PyObject *names)
{
    for (Py_ssize_t i = names != NULL ? PyTuple_GET_SIZE(names) - 1 : -1; i >= 0; i--)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "linger") == 0)
            return i;
    return -1;
}

/* The input, a borrowed reference; NULL if none was given, or with an exception. */
static PyObject *read_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                                double *linger)
{
    Py_ssize_t at = find_linger(names);
    *linger = -1;
    if (at < 0)
        return arguments_one("communicate", "input", false, args, nargs, names);
    if (linger_read(args[nargs + at], linger) < 0)
        return NULL;
    if (PyTuple_GET_SIZE(names) == 1)
        return arguments_one("communicate", "input", false, args, nargs, NULL);
    /* The other keyword, unless there are too many arguments. */
    PyObject *name = PyTuple_GET_ITEM(names, 1 - at % 2);
    if (nargs > 0 || PyTuple_GET_SIZE(names) > 2 ||
        PyUnicode_CompareWithASCIIString(name, "input") != 0) {
        PyErr_SetString(PyExc_TypeError, "communicate() takes input and linger");
        return NULL;
    }
    return args[1 - at];
}

PyObject *process_communicate(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    ProcessObject *process = (ProcessObject *)self;
    double linger;
    PyObject *input = read_arguments(args, nargs, names, &linger);
    if (input == NULL && PyErr_Occurred())
        return NULL;
    PyObject *seconds = linger >= 0 ? PyFloat_FromDouble(linger) : Py_NewRef(Py_None);
    PyObject *parts = NULL, *awaitable = NULL;
    if (seconds != NULL)
        parts = PyTuple_Pack(5, input != NULL ? input : Py_None, process->stdin_writer,
                             process->stdout_reader, process->stderr_reader, seconds);
    if (parts != NULL)
        awaitable = awaitable_new(process->transport->hub->state, &communicate_ops, self, parts, 0);
    Py_XDECREF(seconds);
    Py_XDECREF(parts);
    return awaitable;
}
