/* SPDX-License-Identifier: MIT
 *
 * The first part of a child's life: until it has exec'd or failed to.
 */
#ifndef FP_CHILD_START_H
#define FP_CHILD_START_H

#include "child/transport.h"

/* Starts the child or queues it.  0 or -1. */
int transport_begin(TransportObject *self);

#endif
