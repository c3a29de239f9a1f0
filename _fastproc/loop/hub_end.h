/* SPDX-License-Identifier: MIT
 *
 * The end of a hub, with its loop.
 */
#ifndef FP_LOOP_HUB_END_H
#define FP_LOOP_HUB_END_H

#include "loop/hub.h"

/* The loop is closed or gone: gives up all owners, closes the poller.  Raises nothing. */
void hub_end(HubObject *hub);

#endif
