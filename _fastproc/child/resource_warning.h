/* SPDX-License-Identifier: MIT
 *
 * The ResourceWarning of a child that runs when nobody refers to it any more.
 */
#ifndef FP_CHILD_RESOURCE_WARNING_H
#define FP_CHILD_RESOURCE_WARNING_H

#include "child/transport.h"

/* Raises nothing, even if the warnings filter makes warnings errors. */
void resource_warning_of_running(TransportObject *self);

#endif
