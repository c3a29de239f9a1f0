/* SPDX-License-Identifier: MIT
 *
 * See end_of_input.h.
 */
#include "pipe/end_of_input.h"

#include "loop/exceptions.h"
#include "posix/pty.h"
#include "python/errors.h"

static int find_keys(const WritePipeObject *pipe, char keys[FP_PTY_MOST_KEYS])
{
    return fp_pty_end_of_file(pipe->fd, pipe->base.kind == PIPE_RAW_TERMINAL, pipe->latest, keys);
}

/* Types the end of file on a terminal that is open.  The number of keys, or -1 with an exception. */
static int type(WritePipeObject *pipe)
{
    char keys[FP_PTY_MOST_KEYS];
    int count = find_keys(pipe, keys);
    if (count <= 0)
        return count == 0 ? 0 : raise_errno(count);
    PyObject *bytes = PyBytes_FromStringAndSize(keys, count);
    int result = bytes != NULL ? write_pipe_write(pipe, bytes) : -1;
    Py_XDECREF(bytes);
    pipe->ended = result == 0;
    return result == 0 ? count : -1;
}

/* Not in a process that was forked off: the terminal is that of our parent's child. */
static bool may_type(const WritePipeObject *pipe)
{
    return !pipe->closing && !hub_is_forked_off(pipe->base.hub);
}

/* The same for callers that get no exception.  Does nothing after an end of file, or if data is
 * queued that no loop will write. */
static void type_once(WritePipeObject *pipe)
{
    PyObject *raised = compat_take_exception();
    bool is_stuck = pipe->base.hub->closed && pipe->out.pending > 0;
    if (may_type(pipe) && !pipe->ended && !is_stuck && type(pipe) < 0)
        hub_settle_exception(pipe->base.hub, (PyObject *)pipe);
    compat_raise(raised);
}

int end_of_input_write(WritePipeObject *pipe)
{
    if (!pipe_is_terminal(&pipe->base)) {
        write_pipe_close_soon(pipe);
        return 0;
    }
    if (!may_type(pipe))
        return 0;
    int count = type(pipe);
    if (count == 0)
        PyErr_SetString(PyExc_NotImplementedError, "a raw terminal has no end of file");
    return count > 0 ? 0 : -1;
}

bool end_of_input_is_there(const WritePipeObject *pipe)
{
    char keys[FP_PTY_MOST_KEYS];
    return !pipe_is_terminal(&pipe->base) || pipe->lost || find_keys(pipe, keys) > 0;
}

void end_of_input_and_close(WritePipeObject *pipe)
{
    if (pipe_is_terminal(&pipe->base))
        type_once(pipe);
    write_pipe_close_soon(pipe);
}

void end_of_input_and_close_now(WritePipeObject *pipe)
{
    if (pipe_is_terminal(&pipe->base))
        type_once(pipe);
    write_pipe_close(pipe);
}
