/* SPDX-License-Identifier: MIT
 *
 * Pseudo-terminals.  Bytes written to the master are typed at the terminal, and
 * bytes read from it are the terminal's output; the slave is the terminal
 * itself, for a child.
 *
 * Neither end is inherited by a program, and this process never gets the
 * terminal as its own.  When no process has the terminal open any more, reading
 * the master fails with EIO once all output was read.
 */
#ifndef FP_POSIX_PTY_H
#define FP_POSIX_PTY_H

#include <stdbool.h>

#ifdef __linux__
#define FP_HAVE_PTY 1
#else
#define FP_HAVE_PTY 0
#endif

#define FP_PTY_MASTER "/dev/ptmx" /* what is opened, for error messages */

struct fp_pty_size {
    unsigned short rows, columns;
};

/* Makes a terminal of this size; a raw one passes on every byte as it is.  Both ends are above 2,
 * the master does not block.  0, or -errno with both -1. */
int fp_pty_open(struct fp_pty_size size, bool raw, int *master, int *slave);

/* The foreground processes get SIGWINCH if the size changes.  0 or -errno. */
int fp_pty_set_size(int master, struct fp_pty_size size);

enum { FP_PTY_MOST_KEYS = 2 };

/* The keys that mean end of file to a reader of the terminal, by its current settings.  Returns the
 * number of keys, 0 if no key means it, or -errno.  In the middle of a line the key only ends the
 * line, so it is typed twice there; `latest` is the byte that was typed last, or -1.  A program
 * that reads single keys gets the key once.  On a terminal that was made raw for the caller (`raw`)
 * no key means end of file. */
int fp_pty_end_of_file(int master, bool raw, int latest, char keys[FP_PTY_MOST_KEYS]);

#endif
