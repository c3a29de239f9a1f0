/* SPDX-License-Identifier: MIT
 *
 * Descriptors: the few calls the other files make on them, EINTR-safe, with
 * -errno instead of errno.  Everything opened here is close-on-exec and never
 * one of 0, 1, 2, so that no redirection in a child can collide with it.
 */
#ifndef FP_POSIX_FD_H
#define FP_POSIX_FD_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Returns *fd and leaves -1 behind. */
static inline int fp_fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* Closes *fd unless it is -1, and leaves -1 behind.  Keeps errno. */
void fp_fd_close(int *fd);

/* Moves *fd above 2 if it is not there.  0, or -errno with *fd closed. */
int fp_fd_lift(int *fd);

/* Duplicates a descriptor; the copy is close-on-exec and above 2.  The copy or -errno. */
int fp_fd_copy(int fd);

/* fds[0] to read, fds[1] to write; both close-on-exec and above 2.  0 or -errno. */
int fp_fd_pipe(int fds[2]);
/* The same with both ends non-blocking. */
int fp_fd_pipe_nonblocking(int fds[2]);

/* /dev/null for reading and writing, close-on-exec, above 2.  The fd or -errno. */
int fp_fd_null(void);

/* For a descriptor that has no other status flag, such as a new pipe.  0 or -errno. */
int fp_fd_set_nonblocking(int fd);

/* Asks for a pipe buffer of this many bytes.  0 or -errno; 0 where pipes have a fixed size. */
int fp_fd_set_pipe_size(int fd, int bytes);

/* Bytes transferred or -errno; never -EINTR. */
ssize_t fp_fd_read(int fd, void *to, size_t size);
ssize_t fp_fd_write(int fd, const void *from, size_t size);
ssize_t fp_fd_writev(int fd, const struct iovec *parts, int count);

#endif
