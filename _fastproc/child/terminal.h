/* SPDX-License-Identifier: MIT
 *
 * The terminal of a child whose stdin, stdout or stderr is PTY, from this side: the
 * master.  The pipes of the child have copies of it, and the transport keeps one of
 * its own: to set the size, and because the terminal must not be hung up when a
 * pipe is closed, or when the child has closed the terminal and goes on without it.
 *
 * It is hung up, which sends SIGHUP to the child's session, when stdout and stdin
 * were both closed here, by close() of the process or of its transport, and when
 * the child and its outputs have ended.
 *
 * While the child has no stream for it, what the terminal shows is read and
 * dropped, because a child waits when its terminal is full.  That ends when for the
 * first time no process has the terminal open any more, or when the loop is closed.
 */
#ifndef FP_CHILD_TERMINAL_H
#define FP_CHILD_TERMINAL_H

#include "child/transport.h"

/* To be called when the child runs and its pipes are connected.  0 or -1. */
int terminal_begin(TransportObject *self);
/* To be called when one of the pipes has ended. */
void terminal_pipe_ended(TransportObject *self);
/* Does nothing if it was hung up before, or if there is no terminal. */
void terminal_hang_up(TransportObject *self);
/* To be called when the loop is gone.  The terminal stays open as long as there are references to
 * the child, unless `close`. */
void terminal_loop_closed(TransportObject *self, bool close);

/* A method of Process. */
PyObject *process_set_terminal_size(PyObject *process, PyObject *args, PyObject *kwargs);

#endif
