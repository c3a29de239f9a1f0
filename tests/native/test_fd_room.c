/* SPDX-License-Identifier: MIT
 *
 * posix/fd_room: the limit and the number of open descriptors, with holes among them.
 */
#include "check.h"
#include "posix/fd_room.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* With a limit below which 100 are free: some low numbers, and the highest ones. */
static void has_room_for_exactly_100(void)
{
    int fds[200];
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 1024;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int highest = 0, used = 0;
    for (int i = 0; i < 200; i++) {
        CHECK((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
        highest = fds[i];
    }
    for (int i = 0; i < 60; i++)
        close(fds[i]);
    for (int fd = 0; fd <= highest; fd++)
        used += fcntl(fd, F_GETFD) >= 0;
    limit.rlim_cur = (rlim_t)(used + 100);
    CHECK(limit.rlim_cur > (rlim_t)highest && setrlimit(RLIMIT_NOFILE, &limit) == 0);
    errno = 4321;
    CHECK(fp_fd_has_room(0) && fp_fd_has_room(99) && fp_fd_has_room(100));
    CHECK(!fp_fd_has_room(101) && errno == 4321);
    for (int i = 60; i < 200; i++)
        close(fds[i]);
}

TEST(fd_room_is_counted_exactly)
{
    has_room_for_exactly_100();
}

static void when_refused(void)
{
#ifdef SYS_newfstatat
    if (!refuse_call_if(SYS_newfstatat, 3, AT_EMPTY_PATH, 0, ENOENT)) /* stat(), but not fstat() */
        return;
#endif
    has_room_for_exactly_100();
}

TEST(fd_room_is_counted_exactly_where_the_kernel_does_not_say)
{
    run_apart(when_refused);
}

#ifdef __linux__
static void *counts_its_own_table(void *unused)
{
    int fds[50], used = 0;
    (void)unused;
    CHECK(unshare(CLONE_FILES) == 0);
    for (int i = 0; i < 50; i++)
        CHECK((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    for (int fd = 0; fd <= fds[49]; fd++)
        used += fcntl(fd, F_GETFD) >= 0;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t)(used + 10);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(fp_fd_has_room(10) && !fp_fd_has_room(11));
    return NULL;
}

TEST(fd_room_is_that_of_the_thread)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, counts_its_own_table, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}
#endif
