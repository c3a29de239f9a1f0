/* SPDX-License-Identifier: MIT
 *
 * The memory of a reader's buffer: the payload of a bytes object, so that all of it
 * can be handed out without a copy.
 */
#ifndef FP_PIPE_READER_MEMORY_H
#define FP_PIPE_READER_MEMORY_H

#include "python/compat.h"
#include "stream/buffer.h"

/* The memory of a reader's buffer: the payload of a bytes object. */
extern const struct fp_memory reader_memory;
/* The same, with its pages provided in advance as soon as much is read (posix/pages.h). */
extern const struct fp_memory reader_memory_in_volume;

/* A block is the payload of a bytes object that nobody else has seen. */
static inline PyObject *reader_object_of_block(void *block)
{
    return (PyObject *)((char *)block - offsetof(PyBytesObject, ob_sval));
}

#endif
