/* SPDX-License-Identifier: MIT
 *
 * The exit of a child, and its status.
 */
#ifndef FP_CHILD_REAP_H
#define FP_CHILD_REAP_H

#include "child/transport.h"

enum { LOST_RETURNCODE = 255 }; /* asyncio's, for a status that other code took */

/* Once the child has exited and its pipes have ended, tells the protocol; without one closes the
 * transport, as asyncio's streams do. */
void transport_maybe_finish(TransportObject *self);

/* To be called when the pidfd of a child that has exec'd, or has failed to, is readable.  False if
 * there is nothing to be done now. */
bool transport_exit_ready(TransportObject *self);

#endif
