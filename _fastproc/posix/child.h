/* SPDX-License-Identifier: MIT
 *
 * The child's half of a spawn.
 */
#ifndef FP_POSIX_CHILD_H
#define FP_POSIX_CHILD_H

#include "posix/spawn.h"

/* Runs between clone and exec, and ends there. */
_Noreturn void fp_child_main(struct fp_spawn_request *request);
/* Exits with 0 if the child could leave a shared descriptor table and receive the descriptors of
 * the request's handover; else with 1. */
_Noreturn void fp_child_try_to_leave(void *request);

#endif
