/* SPDX-License-Identifier: MIT
 *
 * How much the kernel keeps for a pipe: more for those that have shown volume.
 */
#ifndef FP_PIPE_PIPE_CAPACITY_H
#define FP_PIPE_PIPE_CAPACITY_H

#include "pipe/pipe.h"

/* The pipe is full, or more is to be written than it holds: raises its capacity, once, unless that
 * was chosen already, because then the child and the loop take turns less often. */
void pipe_enlarge(PipeObject *pipe, int fd);
/* Call once the descriptor is closed: then another pipe may be enlarged. */
void pipe_give_room_back(PipeObject *pipe);

#endif
