/* SPDX-License-Identifier: MIT
 *
 * Notices os.fork() and other forks that call the interpreter's hooks: in the new
 * process a hub and its children still belong to the parent (hub_is_forked_off).
 */
#ifndef FP_PYTHON_FORKS_H
#define FP_PYTHON_FORKS_H

#include "python/compat.h"

/* Makes the interpreter count each fork in fp_state.fork_generation of the new process.  0 or -1. */
int forks_count(PyObject *module);

#endif
