/* SPDX-License-Identifier: MIT
 *
 * How children are made: functions for tests to force it and for users to see it.
 */
#ifndef FP_CONFIGURE_H
#define FP_CONFIGURE_H

#include "python/state.h"

/* The functions of the module. */
PyObject *configure(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *configure_machine(PyObject *module, PyObject *ignored);

/* Chooses what suits this machine, unless FASTPROC_SPAWN or FASTPROC_REAP say otherwise, so that a
 * whole test suite can be run on another path.  0 or -1. */
int configure_from_environment(struct fp_state *state);

#endif
