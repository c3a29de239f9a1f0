/* SPDX-License-Identifier: MIT
 *
 * StreamWriter: the interface of a write pipe that has drain().
 */
#ifndef FP_PIPE_WRITER_H
#define FP_PIPE_WRITER_H

#include "pipe/write_pipe.h"

typedef struct {
    PyObject_HEAD
    PyObject *base_room; /* 3.11 keeps the weak references here */
    WritePipeObject *pipe;
} WriterObject;

WriterObject *writer_new(struct fp_state *state, WritePipeObject *pipe);

int writer_init(PyObject *module, struct fp_state *state);

#endif
