/* SPDX-License-Identifier: MIT
 *
 * Calls of an asyncio protocol's methods.
 */
#ifndef FP_LOOP_PROTOCOL_CALLS_H
#define FP_LOOP_PROTOCOL_CALLS_H

#include "loop/hub.h"

/* Makes the loop call protocol.name(*args) in its next turn, in a copy of `context`, or of the
 * current one if that is NULL.  Errors are reported as the transport's.  Does nothing without a
 * protocol, or once the loop is closed.  Raises nothing. */
void loop_call_protocol(HubObject *hub, PyObject *context, PyObject *transport, PyObject *protocol,
                        PyObject *name, PyObject *const *args, size_t nargs);

#endif
