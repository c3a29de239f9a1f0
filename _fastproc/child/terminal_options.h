/* SPDX-License-Identifier: MIT
 *
 * The keywords for a child's terminal: terminal_size, terminal_raw, and which
 * other keywords can go with them.
 */
#ifndef FP_CHILD_TERMINAL_OPTIONS_H
#define FP_CHILD_TERMINAL_OPTIONS_H

#include "child/options.h"

/* Reads them into a plan that has its stdio and flags.  0 or -1. */
int terminal_options_read(const struct options *options, struct spawn_plan *plan);

/* Two ints between 0 and 65535.  0, or -1 with TypeError or ValueError, which name `what`. */
int terminal_size_read(PyObject *rows, PyObject *columns, const char *what,
                       struct fp_pty_size *size);

#endif
