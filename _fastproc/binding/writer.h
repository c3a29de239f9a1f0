/* SPDX-License-Identifier: MIT
 *
 * StreamWriter: the face of a write pipe that drain() belongs to.
 */
#ifndef FP_BINDING_WRITER_H
#define FP_BINDING_WRITER_H

#include "binding/pipes.h"

typedef struct {
    PyObject_HEAD
    PyObject *base_room; /* 3.11 keeps the weak references here */
    WritePipeObject *pipe;
} WriterObject;

WriterObject *writer_new(struct fp_state *state, WritePipeObject *pipe);

#endif
