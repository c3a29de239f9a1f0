/* SPDX-License-Identifier: MIT
 *
 * See fd_room.h.
 */
#include "posix/fd_room.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>

int fp_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX)
        return (int)limit.rlim_cur;
    return INT_MAX;
}

int fp_fd_count(void)
{
#ifdef __linux__
    struct stat folder;
    int kept = errno;
    bool known =
        stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0 && folder.st_size <= INT_MAX;
    errno = kept;
    return known ? (int)folder.st_size : -1;
#else
    return -1;
#endif
}
