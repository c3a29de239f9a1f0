/* SPDX-License-Identifier: MIT
 *
 * posix/fd_room: the limit and the number of open descriptors, with holes among them.
 */
#include "check.h"
#include "posix/fd_room.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

TEST(fd_limit_is_the_soft_one)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 123;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(fp_fd_limit() == 123);
    if (limit.rlim_max > INT_MAX) {
        limit.rlim_cur = limit.rlim_max;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHECK(fp_fd_limit() == INT_MAX);
    }
}

TEST(fd_count_is_exact_or_unknown)
{
    int before = fp_fd_count();
    if (before < 0)
        return; /* before Linux 6.2 */
    int fds[20];
    for (int i = 0; i < 20; i++)
        CHECK((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    CHECK(fp_fd_count() == before + 20);
    for (int i = 0; i < 19; i++) /* all but the highest */
        close(fds[i]);
    CHECK(fp_fd_count() == before + 1);
    close(fds[19]);
    CHECK(fp_fd_count() == before);
}
