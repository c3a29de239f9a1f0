/* SPDX-License-Identifier: MIT
 *
 * posix/kept_fds: copies are shared as long as that is right, and gone with the last
 * who holds one; also where the kernel cannot say which open files are the same.
 */
#include "check.h"
#include "posix/fd.h"
#include "posix/kept_fds.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fp_kept_fds set;

static int same_as_fd(int fd, const struct fp_kept_fd *kept)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && fstat(kept->fd, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

TEST(kept_copy_is_shared_and_goes_with_the_last)
{
    struct fp_kept_fd *first = NULL, *second = NULL;
    int before = check_open_descriptors();
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int number = fp_kept_fd_take(&set, fd, &first);
    CHECK(number > 2 && number == first->fd && number != fd);
    CHECK(fcntl(number, F_GETFD) == FD_CLOEXEC);
    CHECK(fp_kept_fd_take(&set, fd, &second) == 0 && second == first);
    CHECK(fp_kept_fd_is_current(first));
    fp_fd_close(&fd);
    CHECK(!fp_kept_fd_is_current(first));
    fp_kept_fd_release(&set, &first);
    CHECK(first == NULL && fcntl(number, F_GETFD) >= 0);
    fp_kept_fd_release(&set, &second);
    fp_kept_fd_release(&set, &second); /* is nothing */
    CHECK(set.latest == NULL && check_open_descriptors() == before);
}

TEST(kept_number_that_became_another_file_is_copied_again)
{
    struct fp_kept_fd *first = NULL, *second = NULL, *third = NULL;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), other = open("/dev/zero", O_RDWR | O_CLOEXEC);
    CHECK(fp_kept_fd_take(&set, fd, &first) > 2);
    CHECK(dup3(other, fd, O_CLOEXEC) == fd);
    CHECK(fp_kept_fd_take(&set, fd, &second) > 2 && second != first);
    CHECK(fp_kept_fd_take(&set, fd, &third) == 0 && third == second);
    CHECK(same_as_fd(other, second) && !same_as_fd(other, first));
    fp_kept_fd_release(&set, &first); /* not the latest */
    CHECK(set.latest == second && second->next == NULL);
    fp_kept_fd_release(&set, &second);
    fp_kept_fd_release(&set, &third);
    CHECK(set.latest == NULL);
    fp_fd_close(&fd);
    fp_fd_close(&other);
}

TEST(kept_of_what_is_closed)
{
    struct fp_kept_fd *kept = NULL;
    CHECK(fp_kept_fd_take(&set, 1000, &kept) == -EBADF && kept == NULL && set.latest == NULL);
}

TEST(kept_without_descriptors)
{
    struct fp_kept_fd *kept = NULL;
    leave_free_descriptors(0);
    CHECK(fp_kept_fd_take(&set, 2, &kept) == -EMFILE && kept == NULL);
    CHECK(fp_kept_fd_take(&set, FP_KEPT_DIRECTORY, &kept) == -EMFILE && kept == NULL);
    free_descriptors();
    CHECK(set.latest == NULL);
}

TEST(kept_directory_is_shared_until_the_process_goes_to_another)
{
    struct fp_kept_fd *kept[4] = {NULL};
    struct stat info, copy;
    CHECK(chdir("/usr") == 0);
    CHECK(fp_kept_fd_take(&set, FP_KEPT_DIRECTORY, &kept[0]) > 2);
    CHECK(fp_kept_fd_take(&set, FP_KEPT_DIRECTORY, &kept[1]) == 0 && kept[1] == kept[0]);
    CHECK(stat("/usr", &info) == 0 && fstat(kept[0]->fd, &copy) == 0);
    CHECK(info.st_ino == copy.st_ino && info.st_dev == copy.st_dev);
    CHECK(fcntl(kept[0]->fd, F_GETFD) == FD_CLOEXEC);
    CHECK(chdir("/usr/bin") == 0);
    CHECK(!fp_kept_fd_is_current(kept[0]));
    CHECK(fp_kept_fd_take(&set, FP_KEPT_DIRECTORY, &kept[2]) > 2);
    CHECK(fp_kept_fd_take(&set, 1, &kept[3]) > 2);
    for (int i = 0; i < 4; i++)
        fp_kept_fd_release(&set, &kept[i]);
    CHECK(set.latest == NULL);
}

/* What can be told: `certain` where the kernel says it. */
static void compare(bool certain)
{
    char name[] = "/tmp/fp-kept-XXXXXX";
    int ends[2], more[2], pair[2];
    int file = mkstemp(name), again = open(name, O_RDWR | O_CLOEXEC);
    unlink(name);
    CHECK(file > 2 && again > 2 && fp_fd_pipe(ends) == 0 && fp_fd_pipe(more) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int copy = dup(file), writer = dup(ends[1]), socket = dup(pair[0]);
    int null = open("/dev/null", O_RDWR), null_copy = dup(null),
        reading = open("/dev/null", O_RDONLY);
    CHECK(fp_kept_fd_is_same(file, copy) == certain);
    CHECK(!fp_kept_fd_is_same(file, again)); /* two offsets */
    CHECK(fp_kept_fd_is_same(ends[1], writer) && fp_kept_fd_is_same(pair[0], socket));
    CHECK(fp_kept_fd_is_same(null, null_copy) && !fp_kept_fd_is_same(null, reading));
    CHECK(!fp_kept_fd_is_same(ends[0], ends[1]) && !fp_kept_fd_is_same(pair[0], pair[1]));
    CHECK(!fp_kept_fd_is_same(ends[1], more[1]) && !fp_kept_fd_is_same(null, file));
    CHECK(!fp_kept_fd_is_same(file, 1000) && !fp_kept_fd_is_same(1000, file));
    _exit(0); /* with all that is open */
}

static void compare_by_kernel(void)
{
    int fd = open("/dev/null", O_RDONLY), copy = dup(fd);
    compare(fcntl(fd, 1027, copy) == 1 || syscall(SYS_kcmp, getpid(), getpid(), 0, fd, copy) == 0);
}

TEST(kept_files_are_compared_by_the_kernel)
{
    run_apart(compare_by_kernel);
}

static void compare_by_kcmp(void)
{
    int fd = open("/dev/null", O_RDONLY), copy = dup(fd);
    if (syscall(SYS_kcmp, getpid(), getpid(), 0, fd, copy) == 0 &&
        refuse_call_if(SYS_fcntl, 1, ~0U, 1027, EINVAL))
        compare(true);
}

TEST(kept_files_are_compared_by_kcmp)
{
    run_apart(compare_by_kcmp);
}

static void compare_by_looks(void)
{
    if (refuse_call_if(SYS_fcntl, 1, ~0U, 1027, EINVAL) && refuse_call(SYS_kcmp, EPERM))
        compare(false);
}

TEST(kept_files_are_compared_by_their_looks)
{
    run_apart(compare_by_looks);
}
