/* SPDX-License-Identifier: MIT
 *
 * What a child is not to inherit.  Runs between clone and exec, by the rules of child.c.
 */
#ifndef FP_POSIX_CHILD_CLOSE_FDS_H
#define FP_POSIX_CHILD_CLOSE_FDS_H

#include "posix/spawn.h"

/* Closes, at exec if the kernel can do that, all from 3 on but the outcome pipe and request->pass_fds. */
void fp_child_close_fds(const struct fp_spawn_request *request);

#endif
