/* SPDX-License-Identifier: MIT
 *
 * The last step of a child: exec.
 */
#ifndef FP_POSIX_CHILD_EXEC_H
#define FP_POSIX_CHILD_EXEC_H

#include "posix/spawn.h"

/* Tries each of request->paths.  Returns only if none could be run: the -errno to report. */
long fp_child_exec(const struct fp_spawn_request *request);

#endif
