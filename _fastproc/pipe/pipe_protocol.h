/* SPDX-License-Identifier: MIT
 *
 * The object that a pipe's transport gives as its protocol.
 */
#ifndef FP_PIPE_PIPE_PROTOCOL_H
#define FP_PIPE_PIPE_PROTOCOL_H

#include "python/state.h"

/* Methods of both types of pipes. */

PyObject *pipe_get_protocol(PyObject *pipe, PyObject *ignored);
PyObject *pipe_set_protocol(PyObject *pipe, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *names);

int pipe_protocol_init(PyObject *module, struct fp_state *state);

#endif
