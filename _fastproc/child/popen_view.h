/* SPDX-License-Identifier: MIT
 *
 * What get_extra_info('subprocess') of a transport gives: a child seen as a
 * subprocess.Popen.  It polls, waits and sends signals, and leaves the status to
 * the loop.
 */
#ifndef FP_CHILD_POPEN_VIEW_H
#define FP_CHILD_POPEN_VIEW_H

#include "child/transport.h"

/* A new reference or NULL. */
PyObject *popen_view_new(TransportObject *transport);

/* Kills the child by the view's kill() if somebody may have replaced it; else false. */
bool popen_view_kills(PyObject *view);

/* Whether only the transport refers to the view, and no attribute was set in it. */
bool popen_view_is_unused(PyObject *view);

int popen_view_init(PyObject *module, struct fp_state *state);

#endif
