/* SPDX-License-Identifier: MIT
 *
 * What becomes of a child when its loop closes, and of one that has outlived its loop
 * when the last reference to it goes: it is killed and reaped at once.
 */
#ifndef FP_CHILD_END_WITHOUT_LOOP_H
#define FP_CHILD_END_WITHOUT_LOOP_H

#include "child/transport.h"

/* What is still on its way to exec is ended, because nobody has its Process yet; and so is what
 * run() or stop() were at. */
void transport_loop_closed(TransportObject *self, bool forked_off);

/* Nobody refers to it any more, and there is no loop that would reap the child. */
void transport_end_dropped(TransportObject *self);

#endif
