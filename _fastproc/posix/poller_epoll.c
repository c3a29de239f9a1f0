/* SPDX-License-Identifier: MIT
 *
 * poller.h on Linux's epoll, level-triggered.
 */
#include "posix/poller.h"

#include <errno.h>
#include <sys/epoll.h>

#include "posix/fd.h"
#include "posix/retry.h"

enum { BATCH = 64 };

int fp_poller_open(struct fp_poller *poller)
{
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    return poller->fd < 0 ? -errno : fp_fd_lift(&poller->fd);
}

static int control(struct fp_poller *poller, int op, int fd, unsigned interest, uint64_t cookie)
{
    struct epoll_event event = {
        .events =
            ((interest & FP_WANT_READ) ? EPOLLIN : 0) | ((interest & FP_WANT_WRITE) ? EPOLLOUT : 0),
        .data.u64 = cookie,
    };
    return epoll_ctl(poller->fd, op, fd, &event) < 0 ? -errno : 0;
}

int fp_poller_add(struct fp_poller *poller, int fd, unsigned interest, uint64_t cookie)
{
    return control(poller, EPOLL_CTL_ADD, fd, interest, cookie);
}

int fp_poller_modify(struct fp_poller *poller, int fd, unsigned interest, uint64_t cookie)
{
    return control(poller, EPOLL_CTL_MOD, fd, interest, cookie);
}

int fp_poller_remove(struct fp_poller *poller, int fd)
{
    return control(poller, EPOLL_CTL_DEL, fd, 0, 0);
}

int fp_poller_wait(struct fp_poller *poller, struct fp_event *events, int room)
{
    struct epoll_event native[BATCH];
    int count;
    FP_RETRY(count = epoll_wait(poller->fd, native, room < BATCH ? room : BATCH, 0));
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        uint32_t got = native[i].events;
        events[i].cookie = native[i].data.u64;
        events[i].ready = ((got & EPOLLIN) ? FP_READABLE : 0) |
                          ((got & EPOLLOUT) ? FP_WRITABLE : 0) |
                          ((got & EPOLLHUP) ? FP_HANGUP : 0) | ((got & EPOLLERR) ? FP_BROKEN : 0);
    }
    return count;
}

void fp_poller_close(struct fp_poller *poller)
{
    fp_fd_close(&poller->fd);
}
