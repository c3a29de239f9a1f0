/* SPDX-License-Identifier: MIT
 *
 * posix/fd: what is opened is close-on-exec and above 2, failures leave nothing
 * open, and no interruption is ever seen by the caller.
 */
#include "check.h"
#include "posix/fd.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool is_close_on_exec(int fd)
{
    return fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

TEST(fd_take_leaves_minus_one)
{
    int fd = 17;
    CHECK(fp_fd_take(&fd) == 17);
    CHECK(fd == -1);
    CHECK(fp_fd_take(&fd) == -1);
}

TEST(fd_close_closes_once_and_keeps_errno)
{
    int fd = dup(STDERR_FILENO), number = fd;
    fp_fd_close(&fd);
    CHECK(fd == -1 && !is_open(number));
    errno = ERANGE;
    fp_fd_close(&fd);
    fd = 1 << 20; /* not open, so close() fails */
    fp_fd_close(&fd);
    CHECK(fd == -1);
    CHECK(errno == ERANGE);
}

TEST(fd_lift_leaves_a_high_descriptor_alone)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), number = fd;
    CHECK(fd > 2);
    CHECK(fp_fd_lift(&fd) == 0 && fd == number);
    fp_fd_close(&fd);
}

TEST(fd_lift_moves_a_low_descriptor)
{
    for (int low = 0; low < 3; low++) {
        close(low);
        int fd = open("/dev/null", O_RDWR);
        CHECK(fd == low);
        struct stat before, after;
        fstat(fd, &before);
        CHECK(fp_fd_lift(&fd) == 0);
        CHECK(fd > 2 && is_close_on_exec(fd) && !is_open(low));
        CHECK(fstat(fd, &after) == 0 && after.st_rdev == before.st_rdev);
        dup2(fd, low); /* for the tests' own count */
        close(fd);
    }
}

TEST(fd_lift_closes_when_it_cannot_move)
{
    close(0);
    int fd = open("/dev/null", O_RDWR);
    leave_free_descriptors(0);
    CHECK(fp_fd_lift(&fd) == -EMFILE);
    CHECK(fd == -1 && !is_open(0));
    free_descriptors();
    open("/dev/null", O_RDWR);
}

TEST(fd_pipe_goes_one_way_and_is_not_inherited)
{
    int fds[2];
    CHECK(fp_fd_pipe(fds) == 0);
    CHECK(fds[0] > 2 && fds[1] > 2);
    CHECK(is_close_on_exec(fds[0]) && is_close_on_exec(fds[1]));
    char c = 0;
    CHECK(write(fds[1], "x", 1) == 1 && read(fds[0], &c, 1) == 1 && c == 'x');
    fp_fd_close(&fds[0]);
    fp_fd_close(&fds[1]);
}

TEST(fd_pipe_is_above_2_whatever_is_closed)
{
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    for (int closed = 1; closed < 8; closed++) {
        for (int fd = 0; fd < 3; fd++)
            if (closed & 1 << fd)
                close(fd);
        int fds[2];
        int err = fp_fd_pipe(fds);
        bool low_is_free = true;
        for (int fd = 0; fd < 3; fd++)
            if (closed & 1 << fd) {
                low_is_free &= !is_open(fd);
                dup2(saved, fd);
            }
        CHECK(err == 0 && low_is_free);
        CHECK(fds[0] > 2 && fds[1] > 2 && fds[0] != fds[1]);
        CHECK(is_close_on_exec(fds[0]) && is_close_on_exec(fds[1]));
        fp_fd_close(&fds[0]);
        fp_fd_close(&fds[1]);
    }
    close(saved);
}

TEST(fd_pipe_without_descriptors_leaves_nothing_open)
{
    for (int low = 0; low < 2; low++) { /* with one below 3 free, the lifting fails */
        if (low)
            close(0);
        for (int left = 0; left < 2; left++) {
            leave_free_descriptors(left);
            int before = count_low_descriptors();
            int fds[2] = {7, 7};
            CHECK(fp_fd_pipe(fds) == -EMFILE);
            CHECK(fds[0] == -1 && fds[1] == -1);
            CHECK(count_low_descriptors() == before);
            free_descriptors();
        }
    }
    CHECK(open("/dev/null", O_RDWR) == 0);
}

TEST(fd_null_reads_nothing_and_swallows_all)
{
    close(1);
    int fd = fp_fd_null();
    dup2(STDERR_FILENO, 1);
    CHECK(fd > 2 && is_close_on_exec(fd));
    char byte;
    CHECK(read(fd, &byte, 1) == 0 && write(fd, "x", 1) == 1);
    fp_fd_close(&fd);
}

TEST(fd_null_is_not_inherited_when_nothing_is_closed_either)
{
    int fd = fp_fd_null();
    CHECK(fd > 2 && is_close_on_exec(fd)); /* from the beginning: nothing had to be lifted */
    fp_fd_close(&fd);
}

TEST(fd_null_without_descriptors_leaves_nothing_open)
{
    leave_free_descriptors(0);
    CHECK(fp_fd_null() == -EMFILE);
    close(0); /* so that only the lifting fails */
    CHECK(fp_fd_null() == -EMFILE);
    CHECK(!is_open(0));
    free_descriptors();
    open("/dev/null", O_RDWR);
}

TEST(fd_set_nonblocking_is_of_the_open_file)
{
    int fds[2];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    int path = dup(fds[1]);
    CHECK(fp_fd_set_nonblocking(fds[1]) == 0);
    CHECK((fcntl(path, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_WRONLY | O_NONBLOCK));
    CHECK(!(fcntl(fds[0], F_GETFL) & O_NONBLOCK));
    CHECK(is_close_on_exec(fds[1]));
    close(path);
    close(fds[0]);
    close(fds[1]);
    CHECK(fp_fd_set_nonblocking(fds[1]) == -EBADF);
}

#ifdef F_GETPIPE_SZ
TEST(fd_set_pipe_size_resizes_pipes_only)
{
    int fds[2];
    CHECK(fp_fd_pipe(fds) == 0);
    CHECK(fp_fd_set_pipe_size(fds[0], 8192) == 0);
    CHECK(fcntl(fds[1], F_GETPIPE_SZ) == 8192);
    fp_fd_close(&fds[0]);
    fp_fd_close(&fds[1]);
    int null = fp_fd_null();
    CHECK(fp_fd_set_pipe_size(null, 8192) == -EBADF);
    fp_fd_close(&null);
}
#endif

TEST(fd_read_gives_bytes_then_again_then_end)
{
    int fds[2];
    char to[8] = "";
    CHECK(fp_fd_pipe(fds) == 0 && fp_fd_set_nonblocking(fds[0]) == 0);
    CHECK(fp_fd_read(fds[0], to, sizeof to) == -EAGAIN);
    CHECK(write(fds[1], "abc", 3) == 3);
    CHECK(fp_fd_read(fds[0], to, 2) == 2 && memcmp(to, "ab", 3) == 0);
    CHECK(fp_fd_read(fds[0], to, sizeof to) == 1 && to[0] == 'c');
    fp_fd_close(&fds[1]);
    CHECK(fp_fd_read(fds[0], to, sizeof to) == 0);
    fp_fd_close(&fds[0]);
    CHECK(fp_fd_read(-1, to, sizeof to) == -EBADF);
}

TEST(fd_write_and_writev_report_errors_negated)
{
    signal(SIGPIPE, SIG_IGN);
    struct iovec parts[] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    int fds[2];
    char got[8] = "";
    CHECK(fp_fd_pipe(fds) == 0);
    CHECK(fp_fd_write(fds[1], "xy", 2) == 2);
    CHECK(fp_fd_writev(fds[1], parts, 3) == 5);
    CHECK(read(fds[0], got, sizeof got) == 7 && memcmp(got, "xyabcde", 8) == 0);
    fp_fd_close(&fds[0]);
    CHECK(fp_fd_write(fds[1], "x", 1) == -EPIPE);
    CHECK(fp_fd_writev(fds[1], parts, 3) == -EPIPE);
    fp_fd_close(&fds[1]);
    CHECK(fp_fd_write(-1, "x", 1) == -EBADF);
    CHECK(fp_fd_writev(-1, parts, 3) == -EBADF);
}

/* A timer interrupts the call that blocks a few times before its handler lets it go on. */
static int help_fd;
static bool help_reads;
static volatile sig_atomic_t ticks;

static void interrupt(int signum)
{
    (void)signum;
    static char page[65536];
    if (++ticks < 4)
        return;
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    ssize_t moved = help_reads ? read(help_fd, page, sizeof page) : write(help_fd, "!", 1);
    (void)moved;
}

static void interrupt_soon(int fd, bool reads)
{
    help_fd = fd;
    help_reads = reads;
    ticks = 0;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = interrupt}, NULL); /* no SA_RESTART */
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, 2000}}, NULL);
}

TEST(fd_read_survives_interruptions)
{
    int fds[2];
    char c = 0;
    CHECK(fp_fd_pipe(fds) == 0);
    interrupt_soon(fds[1], false);
    CHECK(fp_fd_read(fds[0], &c, 1) == 1 && c == '!');
    CHECK(ticks >= 4); /* one more may have been on its way */
    fp_fd_close(&fds[0]);
    fp_fd_close(&fds[1]);
}

TEST(fd_write_and_writev_survive_interruptions)
{
    static char page[65536];
    struct iovec part = {"x", 1};
    int fds[2];
    CHECK(fp_fd_pipe(fds) == 0 && fp_fd_set_nonblocking(fds[1]) == 0);
    for (int vector = 0; vector < 2; vector++) {
        while (write(fds[1], page, sizeof page) > 0)
            ;
        fcntl(fds[1], F_SETFL, 0);
        interrupt_soon(fds[0], true);
        CHECK((vector ? fp_fd_writev(fds[1], &part, 1) : fp_fd_write(fds[1], "x", 1)) == 1);
        CHECK(ticks >= 4); /* one more may have been on its way */
        fp_fd_set_nonblocking(fds[1]);
    }
    fp_fd_close(&fds[0]);
    fp_fd_close(&fds[1]);
}
