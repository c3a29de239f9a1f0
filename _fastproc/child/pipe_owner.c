/* SPDX-License-Identifier: MIT
 *
 * See pipe_owner.h.  A child passes what happens to its pipes on to its protocol,
 * if it has one.  A Process has none, and its readers are fed directly.
 */
#include "child/pipe_owner.h"

#include "child/protocol.h"
#include "child/reap.h"
#include "child/terminal.h"

static bool listens(PyObject *owner)
{
    return ((TransportObject *)owner)->protocol != NULL;
}

static void data(PyObject *owner, int number, PyObject *bytes)
{
    protocol_tell_data((TransportObject *)owner, number, bytes);
}

static void end(PyObject *owner, int number, PyObject *exception)
{
    protocol_tell_lost((TransportObject *)owner, number, exception);
}

static void done(PyObject *owner)
{
    TransportObject *child = (TransportObject *)owner;
    if (child->has_terminal)
        terminal_pipe_ended(child);
    transport_maybe_finish(child);
}

static PyObject *pause_writing(PyObject *owner)
{
    TransportObject *child = (TransportObject *)owner;
    return protocol_tell_flow(child, child->hub->state->names.pause_writing);
}

static PyObject *resume_writing(PyObject *owner)
{
    TransportObject *child = (TransportObject *)owner;
    return protocol_tell_flow(child, child->hub->state->names.resume_writing);
}

static PyObject *context(PyObject *owner)
{
    return ((TransportObject *)owner)->context;
}

const struct pipe_owner_ops child_owns_pipe = {
    .listens = listens,
    .data = data,
    .end = end,
    .done = done,
    .pause_writing = pause_writing,
    .resume_writing = resume_writing,
    .context = context,
};
