/* SPDX-License-Identifier: MIT
 *
 * Closes the descriptors that a child must not inherit.  Runs between clone and
 * exec, by the rules of child.c.
 */
#ifndef FP_POSIX_CHILD_CLOSE_FDS_H
#define FP_POSIX_CHILD_CLOSE_FDS_H

#include "posix/spawn.h"

/* Closes all descriptors from 3 on except the outcome pipe and request->pass_fds, at exec if the
 * kernel can do that. */
void fp_child_close_fds(const struct fp_spawn_request *request);

#endif
