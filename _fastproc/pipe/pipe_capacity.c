/* SPDX-License-Identifier: MIT
 *
 * See pipe_capacity.h.
 */
#include "pipe/pipe_capacity.h"

#include "posix/fd.h"

/* The capacity of a pipe that was full, and how many pipes of a loop may have it: all pipes of an
 * unprivileged user may have 64 MiB together. */
enum { ROOMY = 256 * 1024, ROOMY_PIPES = 16 };

void pipe_enlarge(PipeObject *pipe, int fd)
{
    if (pipe->sized)
        return;
    pipe->sized = true;
    if (pipe->hub->roomy_pipes == ROOMY_PIPES || fp_fd_set_pipe_size(fd, ROOMY) < 0)
        return;
    pipe->hub->roomy_pipes++;
    pipe->counted = true;
}

void pipe_give_room_back(PipeObject *pipe)
{
    if (pipe->counted)
        pipe->hub->roomy_pipes--;
    pipe->counted = false;
}
