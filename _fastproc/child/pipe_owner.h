/* SPDX-License-Identifier: MIT
 *
 * A child as the owner of its pipes.
 */
#ifndef FP_CHILD_PIPE_OWNER_H
#define FP_CHILD_PIPE_OWNER_H

#include "pipe/pipe.h"

/* For pipes whose owner is a transport. */
extern const struct pipe_owner_ops child_owns_pipe;

#endif
