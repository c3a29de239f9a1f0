/* SPDX-License-Identifier: MIT
 *
 * How long we go on reading the outputs of a child that has exited, and writing
 * its input, when another process (a daemon, a background job) still holds the
 * pipes.
 */
#ifndef FP_CHILD_LINGER_H
#define FP_CHILD_LINGER_H

#include "child/transport.h"

/* From now on the pipes end `seconds` after the exit, with the data written until then; if it is
 * negative, when their other ends are closed, as in asyncio. */
void linger_set(TransportObject *self, double seconds);

/* To be called when the child has exited. */
void linger_begin(TransportObject *self);

/* A duration in seconds; None is -1.  0, or -1 with TypeError or ValueError. */
int linger_read(PyObject *given, double *seconds);

#endif
