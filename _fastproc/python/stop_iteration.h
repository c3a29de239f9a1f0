/* SPDX-License-Identifier: MIT
 *
 * How an awaitable of ours hands its result to the interpreter.
 */
#ifndef FP_PYTHON_STOP_ITERATION_H
#define FP_PYTHON_STOP_ITERATION_H

#include "python/state.h"

/* Raises StopIteration(value), or MemoryError; `value` is stolen. */
void stop_iteration_raise(struct fp_state *state, PyObject *value);

int stop_iteration_init(PyObject *module, struct fp_state *state);

#endif
