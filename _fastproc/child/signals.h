/* SPDX-License-Identifier: MIT
 *
 * Signals to a child.
 */
#ifndef FP_CHILD_SIGNALS_H
#define FP_CHILD_SIGNALS_H

#include "child/transport.h"

/* 0, or -1 with ProcessLookupError or another OSError. */
int transport_send_signal(TransportObject *self, int signum);

/* transport_type.c: the methods, for its other faces (Process, the Popen view). */
PyObject *transport_send_signal_method(PyObject *transport, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *names);
PyObject *transport_terminate(PyObject *transport, PyObject *ignored);
PyObject *transport_kill(PyObject *transport, PyObject *ignored);

#endif
