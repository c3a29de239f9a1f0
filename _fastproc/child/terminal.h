/* SPDX-License-Identifier: MIT
 *
 * The terminal of a child whose stdin, stdout or stderr is PTY, from this side: the
 * master.  The pipes of the child have copies of it, and the child keeps one of its
 * own: for the size, and so that the terminal is not hung up when a pipe is closed,
 * or when the child has closed the terminal and goes on without.
 *
 * It is hung up, and so the child's session gets SIGHUP, when stdout and stdin were
 * both closed here, by close() of the process or of its transport, and when the
 * child has ended and its outputs as well.
 *
 * What the terminal shows is read and dropped while the child has no stream for it,
 * because a child waits when its terminal is full; until no process has it open any
 * more for the first time, or the loop is closed.
 */
#ifndef FP_CHILD_TERMINAL_H
#define FP_CHILD_TERMINAL_H

#include "child/transport.h"

/* When the child runs and its pipes are connected.  0 or -1. */
int terminal_begin(TransportObject *self);
/* One of the pipes has ended. */
void terminal_pipe_ended(TransportObject *self);
/* Does nothing if that was done, or if there is no terminal. */
void terminal_hang_up(TransportObject *self);
/* There is no loop any more.  It stays open as long as there are references to the child, unless
 * `close`. */
void terminal_loop_closed(TransportObject *self, bool close);

/* A method of Process. */
PyObject *process_set_terminal_size(PyObject *process, PyObject *args, PyObject *kwargs);

#endif
