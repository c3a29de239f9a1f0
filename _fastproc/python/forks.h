/* SPDX-License-Identifier: MIT
 *
 * Notices os.fork() and whatever else calls the interpreter's hooks: a hub, and the
 * children that it knows, are the parent's then (hub_is_forked_off).
 */
#ifndef FP_PYTHON_FORKS_H
#define FP_PYTHON_FORKS_H

#include "python/compat.h"

/* Has each fork counted in fp_state.fork_generation of the forked-off process.  0 or -1. */
int forks_count(PyObject *module);

#endif
