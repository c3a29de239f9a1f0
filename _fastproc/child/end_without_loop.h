/* SPDX-License-Identifier: MIT
 *
 * What happens to a child when its loop closes.  A child that has outlived its
 * loop is killed and reaped at once when the last reference to it goes.
 */
#ifndef FP_CHILD_END_WITHOUT_LOOP_H
#define FP_CHILD_END_WITHOUT_LOOP_H

#include "child/transport.h"

/* Ends a child that is still on its way to exec, because nobody has its Process yet, and a child
 * that a call of run() or stop() was working on. */
void transport_loop_closed(TransportObject *self, bool forked_off);

/* Kills and reaps a child that has no loop, when nobody refers to it any more. */
void transport_end_dropped(TransportObject *self);

#endif
