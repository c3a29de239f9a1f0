/* SPDX-License-Identifier: MIT
 *
 * See fd.h.
 */
#include "posix/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "posix/retry.h"

void fp_fd_close(int *fd)
{
    int closing = fp_fd_take(fd);
    if (closing >= 0) {
        int saved = errno;
        close(closing); /* EINTR too means closed, on Linux and in POSIX 2024 */
        errno = saved;
    }
}

int fp_fd_lift(int *fd)
{
    if (*fd > 2)
        return 0;
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    int err = high < 0 ? -errno : 0;
    fp_fd_close(fd);
    *fd = high;
    return err;
}

int fp_fd_copy(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? -errno : copy;
}

static int open_pipe(int fds[2], int flags)
{
#ifdef __linux__
    if (pipe2(fds, O_CLOEXEC | flags) < 0)
        goto failed;
#else
    if (pipe(fds) < 0)
        goto failed;
    for (int end = 0; end < 2; end++) {
        fcntl(fds[end], F_SETFD, FD_CLOEXEC);
        fcntl(fds[end], F_SETFL, fcntl(fds[end], F_GETFL) | flags);
    }
#endif
    int err = fp_fd_lift(&fds[0]);
    if (err == 0)
        err = fp_fd_lift(&fds[1]);
    if (err < 0) {
        fp_fd_close(&fds[0]);
        fp_fd_close(&fds[1]);
    }
    return err;

failed:
    fds[0] = fds[1] = -1;
    return -errno;
}

int fp_fd_pipe(int fds[2])
{
    return open_pipe(fds, 0);
}

int fp_fd_pipe_nonblocking(int fds[2])
{
    return open_pipe(fds, O_NONBLOCK);
}

int fp_fd_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = fp_fd_lift(&fd);
    return err < 0 ? err : fd;
}

int fp_fd_set_nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int fp_fd_set_pipe_size(int fd, int bytes)
{
#ifdef F_SETPIPE_SZ
    return fcntl(fd, F_SETPIPE_SZ, bytes) < 0 ? -errno : 0;
#else
    (void)fd;
    (void)bytes;
    return 0;
#endif
}

ssize_t fp_fd_read(int fd, void *to, size_t size)
{
    ssize_t n;
    FP_RETRY(n = read(fd, to, size));
    return n < 0 ? -errno : n;
}

ssize_t fp_fd_write(int fd, const void *from, size_t size)
{
    ssize_t n;
    FP_RETRY(n = write(fd, from, size));
    return n < 0 ? -errno : n;
}

ssize_t fp_fd_writev(int fd, const struct iovec *parts, int count)
{
    ssize_t n;
    FP_RETRY(n = writev(fd, parts, count));
    return n < 0 ? -errno : n;
}
