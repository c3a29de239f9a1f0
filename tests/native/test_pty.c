/* SPDX-License-Identifier: MIT
 *
 * posix/pty: pseudo-terminals, and a child that takes one, whichever way it was
 * started.
 */
#include "check.h"
#include "posix/fd.h"
#include "posix/pty.h"
#include "support.h"
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static const struct fp_pty_size size = {.rows = 3, .columns = 4};

static int flags(int fd)
{
    return fcntl(fd, F_GETFD);
}

TEST(pty_is_a_terminal_that_nobody_inherits)
{
    int master, slave;
    struct winsize found;
    CHECK(fp_pty_open(size, false, &master, &slave) == 0);
    CHECK(master > 2 && slave > 2 && isatty(slave));
    CHECK(flags(master) == FD_CLOEXEC && flags(slave) == FD_CLOEXEC);
    CHECK((fcntl(master, F_GETFL) & O_NONBLOCK) && !(fcntl(slave, F_GETFL) & O_NONBLOCK));
    CHECK(ioctl(slave, TIOCGWINSZ, &found) == 0 && found.ws_row == 3 && found.ws_col == 4);
    CHECK(fp_pty_set_size(master, (struct fp_pty_size){5, 6}) == 0);
    CHECK(ioctl(slave, TIOCGWINSZ, &found) == 0 && found.ws_row == 5 && found.ws_col == 6);
    fp_fd_close(&master);
    fp_fd_close(&slave);
}

TEST(pty_with_low_descriptors_closed)
{
    int master, slave;
    for (int fd = 0; fd < 2; fd++)
        close(fd);
    CHECK(fp_pty_open(size, false, &master, &slave) == 0);
    CHECK(master > 2 && slave > 2);
    fp_fd_close(&master);
    fp_fd_close(&slave);
    for (int fd = 0; fd < 2; fd++) /* as they were */
        CHECK(dup2(2, fd) == fd);
}

TEST(pty_end_is_an_error_after_all_that_was_written)
{
    char shown[64];
    int master, slave;
    CHECK(fp_pty_open(size, false, &master, &slave) == 0);
    CHECK(fp_fd_read(master, shown, sizeof shown) == -EAGAIN);
    CHECK(fp_fd_write(slave, "end\n", 4) == 4);
    fp_fd_close(&slave);
    ssize_t size = 0, more; /* it may come in pieces */
    while ((more = fp_fd_read(master, shown + size, sizeof shown - (size_t)size)) > 0 ||
           more == -EAGAIN)
        size += more > 0 ? more : 0;
    CHECK(more == -EIO && size == 5 && memcmp(shown, "end\r\n", 5) == 0);
    fp_fd_close(&master);
}

TEST(pty_raw_passes_bytes)
{
    static const char bytes[] = "\x03\x04\r\n\x11\x13\x1a\x7f";
    char found[64];
    int master, slave;
    CHECK(fp_pty_open(size, true, &master, &slave) == 0);
    CHECK(fp_fd_write(master, bytes, sizeof bytes) == sizeof bytes);
    CHECK(fp_fd_read(slave, found, sizeof found) == sizeof bytes);
    CHECK(memcmp(found, bytes, sizeof bytes) == 0);
    CHECK(fp_fd_read(master, found, sizeof found) == -EAGAIN); /* no echo */
    CHECK(fp_fd_write(slave, "\n", 1) == 1);
    CHECK(fp_fd_read(master, found, sizeof found) == 1);
    fp_fd_close(&master);
    fp_fd_close(&slave);
}

static void change(int slave, tcflag_t lines, tcflag_t input, int end)
{
    struct termios settings;
    CHECK(tcgetattr(slave, &settings) == 0);
    settings.c_lflag = lines;
    settings.c_iflag = input;
    settings.c_cc[VEOF] = (cc_t)end;
    CHECK(tcsetattr(slave, TCSANOW, &settings) == 0);
}

/* How many keys it takes after that byte, each the one of the settings. */
static int keys_after(int master, bool raw, int latest, char end)
{
    char keys[FP_PTY_MOST_KEYS] = {0};
    int count = fp_pty_end_of_file(master, raw, latest, keys);
    CHECK(count <= FP_PTY_MOST_KEYS);
    for (int i = 0; i < count; i++)
        CHECK(keys[i] == end);
    return count;
}

TEST(pty_end_of_file_by_the_settings)
{
    int master, slave;
    CHECK(fp_pty_open(size, false, &master, &slave) == 0);
    CHECK(keys_after(master, false, -1, 4) == 1);
    CHECK(keys_after(master, false, 'x', 4) == 2);
    CHECK(keys_after(master, false, 0, 4) == 2);
    CHECK(keys_after(master, false, 255, 4) == 2);
    for (const char *ends = "\n\r\x03\x04\x15\x1a\x1c"; *ends != '\0'; ends++)
        CHECK(keys_after(master, false, *ends, 4) == 1);

    change(slave, ICANON | ISIG | NOFLSH, 0, 5);
    CHECK(keys_after(master, false, '\r', 5) == 2); /* no newline now */
    CHECK(keys_after(master, false, '\n', 5) == 1);
    CHECK(keys_after(master, false, 4, 5) == 2);
    CHECK(keys_after(master, false, 5, 5) == 1);
    CHECK(keys_after(master, false, 3, 5) == 2); /* does not drop the line */
    change(slave, ICANON, INLCR, 4);
    CHECK(keys_after(master, false, '\n', 4) == 2); /* a carriage return now */
    CHECK(keys_after(master, false, 3, 4) == 2);
    change(slave, ICANON, 0, _POSIX_VDISABLE);
    CHECK(keys_after(master, false, -1, 0) == 0);

    change(slave, ISIG, ICRNL, 4); /* a program that reads keys */
    CHECK(keys_after(master, false, 'x', 4) == 1);
    CHECK(keys_after(master, true, 'x', 4) == 0);
    fp_fd_close(&master);
    fp_fd_close(&slave);
    CHECK(keys_after(-1, false, -1, 4) == -EBADF);
}

TEST(pty_with_too_few_descriptors)
{
    /* valgrind has a limit of its own, of which TIOCGPTPEER knows nothing. */
    int enough = fp_spawn_best_method() == FP_SPAWN_FORK ? 1 : 2;
    for (int count = 0; count < enough; count++) {
        int master, slave;
        leave_free_descriptors(count);
        int before = count_low_descriptors();
        CHECK(fp_pty_open(size, false, &master, &slave) == -EMFILE);
        CHECK(master == -1 && slave == -1 && count_low_descriptors() == before);
        free_descriptors();
    }
}

/* Before Linux 4.13, and in sandboxes. */
static void open_by_name(void)
{
    int master, slave;
    if (!refuse_call_if(SYS_ioctl, 1, ~0U, TIOCGPTPEER, ENOTTY))
        return;
    CHECK(fp_pty_open(size, false, &master, &slave) == 0);
    CHECK(isatty(slave) && flags(slave) == FD_CLOEXEC);
    fp_fd_close(&master);
    fp_fd_close(&slave);
}

TEST(pty_slave_by_its_name)
{
    run_apart(open_by_name);
}

TEST(spawn_child_takes_the_terminal)
{
    static struct trial trial;
    static struct report report;
    for (unsigned method = 0; method < METHODS; method++)
        for (int where = 0; where < 3; where++) {
            int master, slave;
            CHECK(fp_pty_open(size, false, &master, &slave) == 0);
            trial_set_up(&trial, method);
            trial.request.stdio[where] = slave;
            trial.request.new_session = trial.request.takes_terminal = true;
            trial.request.terminal = where;
            trial_report(&trial, &report);
            CHECK(report.session == report.pid && report.group == report.pid);
            CHECK(report.foreground == report.pid);
            fp_fd_close(&master);
            fp_fd_close(&slave);
        }
}

TEST(spawn_child_that_cannot_take_the_terminal)
{
    static struct trial trial;
    for (unsigned method = 0; method < METHODS; method++) {
        int ends[2];
        CHECK(fp_fd_pipe(ends) == 0);
        trial_set_up(&trial, method);
        trial.request.stdio[0] = ends[0];
        trial.request.new_session = trial.request.takes_terminal = true;
        trial_fails(&trial, FP_STAGE_TERMINAL, ENOTTY);
        fp_fd_close(&ends[0]);
        fp_fd_close(&ends[1]);
    }
}
