/* SPDX-License-Identifier: MIT
 *
 * See fd_room.h.
 */
#include "posix/fd_room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { MOST_LOOKS = 4096 };

int fp_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX)
        return (int)limit.rlim_cur;
    return INT_MAX;
}

/* How many are open; -1 if the kernel does not say. */
static int count_open(void)
{
#ifdef __linux__
    struct stat folder; /* the thread may have a table of its own (unshare) */
    if (stat("/proc/thread-self/fd", &folder) == 0 && folder.st_size > 0 &&
        folder.st_size <= INT_MAX)
        return (int)folder.st_size;
#endif
    return -1;
}

static bool finds_free(int count, int limit)
{
    for (int fd = limit - 1, looks = 0; fd >= 0 && looks < MOST_LOOKS && count > 0; fd--, looks++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            count--;
    return count <= 0;
}

bool fp_fd_has_room(int count)
{
    int limit = fp_fd_limit(), kept = errno;
    int open = count_open();
    bool has = open >= 0 ? limit - open >= count : finds_free(count, limit);
    errno = kept;
    return has;
}
