/* SPDX-License-Identifier: MIT
 *
 * How long the outputs of a child that has exited are read on, and its input is
 * written on, when somebody else (a daemon, a background job) still holds their
 * pipes.
 */
#ifndef FP_CHILD_LINGER_H
#define FP_CHILD_LINGER_H

#include "child/transport.h"

/* From now on they end so many seconds after the exit, with what was written until then; negative:
 * when their pipes end, as asyncio's do. */
void linger_set(TransportObject *self, double seconds);

/* The child has exited. */
void linger_begin(TransportObject *self);

/* A duration in seconds; None is -1.  0, or -1 with TypeError or ValueError. */
int linger_read(PyObject *given, double *seconds);

#endif
