/* SPDX-License-Identifier: MIT
 *
 * See handover.h.  The half that runs in the child is in child.c.
 */
#include "posix/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "posix/fd.h"
#include "posix/retry.h"

#ifdef __linux__
/* Room for the descriptors of one message. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(FP_HANDOVER_MOST * sizeof(int))];
};

int fp_handover_open(struct fp_handover *handover)
{
    int ends[2];
    *handover = (struct fp_handover){-1, -1};
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -errno;
    *handover = (struct fp_handover){ends[0], ends[1]};
    int err = fp_fd_lift(&handover->ours);
    if (err == 0)
        err = fp_fd_lift(&handover->childs);
    if (err < 0)
        fp_handover_close(handover);
    return err;
}

void fp_handover_close(struct fp_handover *handover)
{
    fp_fd_close(&handover->ours);
    fp_fd_close(&handover->childs);
}

int fp_handover_send(const struct fp_handover *handover, const int *fds, int count)
{
    size_t size = (size_t)count * sizeof *fds;
    union control control = {
        .header = {.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec byte = {"", 1};
    const struct msghdr message = {.msg_iov = &byte,
                                   .msg_iovlen = 1,
                                   .msg_control = &control,
                                   .msg_controllen = CMSG_SPACE(size)};
    memcpy(CMSG_DATA(&control.header), fds, size);
    ssize_t sent;
    FP_RETRY(sent = sendmsg(handover->ours, &message, MSG_NOSIGNAL));
    return sent < 0 ? -errno : 0;
}

int fp_handover_take_back(const struct fp_handover *handover)
{
    char byte;
    while (recv(handover->childs, &byte, 1, 0) >=
           0) /* descriptors there is no room for are closed */
        ;
    return errno == EAGAIN ? 0 : -errno;
}

#else

int fp_handover_open(struct fp_handover *handover)
{
    *handover = (struct fp_handover){-1, -1};
    return -ENOSYS;
}

void fp_handover_close(struct fp_handover *handover)
{
    (void)handover;
}

int fp_handover_send(const struct fp_handover *handover, const int *fds, int count)
{
    (void)handover;
    (void)fds;
    (void)count;
    return -ENOSYS;
}

int fp_handover_take_back(const struct fp_handover *handover)
{
    (void)handover;
    return -ENOSYS;
}
#endif
