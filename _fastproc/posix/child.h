/* SPDX-License-Identifier: MIT
 *
 * The child's half of a spawn.
 */
#ifndef FP_POSIX_CHILD_H
#define FP_POSIX_CHILD_H

#include "posix/spawn.h"

/* Runs between clone and exec, and ends there. */
_Noreturn void fp_child_main(struct fp_spawn_request *request);
/* Ends with 0 if it could leave a table of descriptors that it shared, and receive what the request's
 * handover has for it; with 1 if not. */
_Noreturn void fp_child_try_to_leave(void *request);

#endif
