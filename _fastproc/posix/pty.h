/* SPDX-License-Identifier: MIT
 *
 * Pseudo-terminals.  What is written to the master is typed at the terminal, and
 * what is read from it is what the terminal shows; the slave is the terminal itself,
 * for a child.
 *
 * Neither end is inherited by a program, and this process never gets the terminal
 * as its own.  The end of the terminal, when no process has it open any more, is EIO
 * for those who read the master, after all that was shown.
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

/* The processes in the foreground get SIGWINCH if that is another size.  0 or -errno. */
int fp_pty_set_size(int master, struct fp_pty_size size);

enum { FP_PTY_MOST_KEYS = 2 };

/* The keys that a reader of the terminal takes for the end of the file, by the settings of now.  Returns
 * how many, 0 if no key means it, or -errno.  In the middle of a line the key only ends the line, so it is
 * typed twice there; `latest` is the byte that was typed last, or -1.  A program that reads single keys
 * gets it once.  On a terminal that was made raw for the caller (`raw`) no key means it. */
int fp_pty_end_of_file(int master, bool raw, int latest, char keys[FP_PTY_MOST_KEYS]);

#endif
