/* SPDX-License-Identifier: MIT
 *
 * When the tasks that wait on a wakeup (wakeup.h) go on, and what calls them.
 */
#ifndef FP_LOOP_WOKEN_H
#define FP_LOOP_WOKEN_H

#include "loop/wakeup.h"

/* Completes it unless it is done or cancelled.  Raises nothing. */
void wakeup_set(WakeupObject *self);

/* Calls the tasks that the hub's events have woken; in debug mode lets the loop call them.  Raises
 * nothing; hub->interrupt may be set. */
void wakeup_run_woken(HubObject *hub);
/* The hub has ended: forgets them. */
void wakeup_drop_woken(HubObject *hub);

#endif
