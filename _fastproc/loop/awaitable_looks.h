/* SPDX-License-Identifier: MIT
 *
 * The attributes of an awaitable: those of a coroutine, for debuggers and for the
 * stacks of tasks.  An awaitable says by __class__ that it is a coroutine, so it
 * has everything that Python code then looks for.
 */
#ifndef FP_LOOP_AWAITABLE_LOOKS_H
#define FP_LOOP_AWAITABLE_LOOKS_H

#include "loop/awaitable.h"

extern PyGetSetDef awaitable_looks[];

/* Keeps the Process, or (transport, protocol), that a call had begun when it was cut short, for the
 * attribute _begun.  0 or -1. */
int awaitable_keep_begun(AwaitableObject *self, PyObject *begun);

PyObject *awaitable_repr(PyObject *op);

#endif
