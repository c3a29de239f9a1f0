/* SPDX-License-Identifier: MIT
 *
 * Functions in C that say they are coroutine functions.
 *
 * inspect.iscoroutinefunction(), which unittest.mock and others call, is true
 * for a callable that looks like a Python function with a suitable code object.
 * A CoroutineFunction is a C function with the looks of the asyncio function
 * that it stands for.
 */
#ifndef FP_PYTHON_COROUTINE_FUNCTION_H
#define FP_PYTHON_COROUTINE_FUNCTION_H

#include "python/state.h"

/* Gives these looks to each method of `type` that is a coroutine function in `base`.  0 or -1. */
int coroutine_functions_in_type(struct fp_state *state, PyObject *type, PyObject *base);

/* Gives them to functions of the module that are in asyncio too.  0 or -1. */
int coroutine_functions_in_module(struct fp_state *state, PyObject *module);

int coroutine_function_init(PyObject *module, struct fp_state *state);

#endif
