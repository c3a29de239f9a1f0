/* SPDX-License-Identifier: MIT
 *
 * Process.communicate(): feeds stdin, lets the pipes fill their readers without
 * pausing, and looks at each step what is still missing.  Whatever was read is
 * in the readers until the end, so a cancelled call loses nothing.
 */
#include "binding/arguments.h"
#include "binding/awaitable.h"
#include "binding/future.h"
#include "binding/process.h"

#include <string.h>

/* AwaitableObject.number */
enum {
    INPUT_WRITTEN = 1,
    INPUT_DONE = 2,
};

/* What is still to come. */
struct missing {
    bool input, output[2], exit;
};

/* 0 or -1. */
static int feed_input(AwaitableObject *self, ProcessObject *process, struct missing *missing)
{
    if (process->stdin_writer == Py_None || (self->number & INPUT_DONE))
        return 0;
    WritePipeObject *pipe = ((WriterObject *)process->stdin_writer)->pipe;
    if (!(self->number & INPUT_WRITTEN)) {
        self->number |= INPUT_WRITTEN;
        if (self->argument != NULL && write_pipe_write(pipe, self->argument) < 0)
            return -1;
    }
    if (pipe->paused && !pipe->lost) {
        missing->input = true;
        return 0;
    }
    self->number |= INPUT_DONE;
    write_pipe_close(pipe); /* what is still queued goes out first */
    return 0;
}

static ReaderObject *reader_or_null(PyObject *stream)
{
    return stream != Py_None ? (ReaderObject *)stream : NULL;
}

static ReaderObject *output_of(ProcessObject *process, int which)
{
    return reader_or_null(which == 0 ? process->stdout_reader : process->stderr_reader);
}

/* 0 or -1. */
static int look_at_outputs(ProcessObject *process, struct missing *missing)
{
    for (int which = 0; which < 2; which++) {
        ReaderObject *reader = output_of(process, which);
        if (reader == NULL)
            continue;
        if (reader->exception != NULL) {
            compat_raise(Py_NewRef(reader->exception));
            return -1;
        }
        missing->output[which] = !reader->eof;
    }
    return 0;
}

/* One future for all; the exit is waited for last, as it is mostly the last to come. */
static enum step wait_for_missing(AwaitableObject *self, ProcessObject *process,
                                  const struct missing *missing)
{
    TransportObject *transport = process->transport;
    self->future = future_new(transport->hub);
    if (self->future == NULL)
        return STEP_FAILED;
    if (missing->input) {
        WritePipeObject *pipe = ((WriterObject *)process->stdin_writer)->pipe;
        if (waiters_add(&pipe->drain_waiters, self->future) < 0)
            return STEP_FAILED;
    }
    for (int which = 0; which < 2; which++)
        if (missing->output[which] &&
            reader_wait(output_of(process, which), "read", self->future, SIZE_MAX) < 0)
            return STEP_FAILED;
    bool pipes_open = missing->input || missing->output[0] || missing->output[1];
    if (!pipes_open && waiters_add(&transport->exit_waiters, self->future) < 0)
        return STEP_FAILED;
    return STEP_WAIT;
}

static PyObject *take_output(ProcessObject *process, int which)
{
    ReaderObject *reader = output_of(process, which);
    if (reader == NULL)
        Py_RETURN_NONE;
    return reader_take(reader, fp_buffer_length(&reader->buffer));
}

static enum step communicate_step(AwaitableObject *self, PyObject **result)
{
    ProcessObject *process = (ProcessObject *)self->owner;
    struct missing missing = {.exit = !transport_has_ended(process->transport)};
    if (feed_input(self, process, &missing) < 0 || look_at_outputs(process, &missing) < 0)
        return STEP_FAILED;
    if (missing.input || missing.output[0] || missing.output[1] || missing.exit)
        return wait_for_missing(self, process, &missing);
    *result = PyTuple_New(2);
    for (int which = 0; *result != NULL && which < 2; which++) {
        PyObject *output = take_output(process, which);
        if (output == NULL)
            Py_CLEAR(*result);
        else
            PyTuple_SET_ITEM(*result, which, output);
    }
    return *result != NULL ? STEP_DONE : STEP_FAILED;
}

static void communicate_forget(AwaitableObject *self)
{
    ProcessObject *process = (ProcessObject *)self->owner;
    if (process == NULL)
        return;
    if (self->future != NULL) {
        WritePipeObject *pipe = (WritePipeObject *)process->transport->pipes[0];
        if (pipe != NULL)
            waiters_discard(pipe->drain_waiters, self->future);
        waiters_discard(process->transport->exit_waiters, self->future);
    }
    for (int which = 0; which < 2; which++) {
        ReaderObject *reader = output_of(process, which);
        if (reader != NULL)
            reader_forget(reader, self->future, self->phase == AWAITABLE_FINISHED);
    }
}

static const struct awaitable_ops communicate_ops = {
    .name = "Process.communicate",
    .step = communicate_step,
    .forget = communicate_forget,
};

PyObject *process_communicate(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    PyObject *input = arguments_one("communicate", "input", false, args, nargs, names);
    if (input == NULL && PyErr_Occurred())
        return NULL;
    if (input == Py_None)
        input = NULL;
    struct fp_state *state = ((ProcessObject *)self)->transport->hub->state;
    return awaitable_new(state, &communicate_ops, self, input, 0);
}
