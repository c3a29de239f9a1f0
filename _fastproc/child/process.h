/* SPDX-License-Identifier: MIT
 *
 * Process: a transport and the streams of its pipes.
 */
#ifndef FP_CHILD_PROCESS_H
#define FP_CHILD_PROCESS_H

#include "child/transport.h"
#include "pipe/reader.h"

typedef struct {
    PyObject_HEAD
    PyObject *base_room; /* 3.11 keeps the weak references here */
    TransportObject *transport;
    PyObject *stdin_writer;                  /* our StreamWriter, or None */
    PyObject *stdout_reader, *stderr_reader; /* our StreamReaders, or None */
    bool cut_short;                          /* communicate() has begun and has not finished */
} ProcessObject;

/* Makes the streams of the transport's pipes too.  `limit` is the readers', in bytes. */
ProcessObject *process_new(struct fp_state *state, TransportObject *transport,
                           const struct reader_limit *limit);

int process_init(PyObject *module, struct fp_state *state);

/* communicate.c */
PyObject *process_communicate(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names);

/* output.c */
PyObject *process_next_output(PyObject *self, PyObject *size);
PyObject *process_set_linger(PyObject *self, PyObject *seconds);
PyObject *process_get_lingered(PyObject *self, void *closure);
PyObject *process_close(PyObject *self, PyObject *ignored);

#endif
