/* SPDX-License-Identifier: MIT
 *
 * The attributes of an awaitable: those of a coroutine, for debuggers and for the
 * stacks of tasks.  An awaitable says by __class__ that it is a coroutine, so it
 * has everything that Python code then looks for.
 */
#ifndef FP_LOOP_AWAITABLE_LOOKS_H
#define FP_LOOP_AWAITABLE_LOOKS_H

#include "python/compat.h"

extern PyGetSetDef awaitable_looks[];

PyObject *awaitable_repr(PyObject *op);

#endif
