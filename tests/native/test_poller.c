/* SPDX-License-Identifier: MIT
 *
 * posix/poller: which events come, with which cookie, and that none come for
 * what was removed.
 */
#include "check.h"
#include "posix/fd.h"
#include "posix/poller.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 8 };

static struct fp_poller poller;
static struct fp_event events[ROOM];
static int ends[2]; /* of a non-blocking pipe */

static void set_up(void)
{
    CHECK(fp_poller_open(&poller) == 0);
    CHECK(fp_fd_pipe(ends) == 0);
    CHECK(fp_fd_set_nonblocking(ends[0]) == 0 && fp_fd_set_nonblocking(ends[1]) == 0);
}

static void tear_down(void)
{
    fp_poller_close(&poller);
    fp_fd_close(&ends[0]);
    fp_fd_close(&ends[1]);
}

static int wait_now(void)
{
    return fp_poller_wait(&poller, events, ROOM);
}

/* What one registered descriptor has to say; -1 if not exactly it says something. */
static int readiness(uint64_t cookie)
{
    int count = wait_now();
    if (count == 0)
        return 0;
    return count == 1 && events[0].cookie == cookie ? (int)events[0].ready : -1;
}

static void fill_pipe(void)
{
    static const char page[4096];
    while (write(ends[1], page, sizeof page) > 0)
        ;
    CHECK(errno == EAGAIN);
}

static void drain_pipe(void)
{
    char page[4096];
    while (read(ends[0], page, sizeof page) > 0)
        ;
}

TEST(poller_is_not_inherited_and_above_2)
{
    struct fp_poller high, low;
    CHECK(fp_poller_open(&high) == 0); /* nothing has to be lifted */
    CHECK(high.fd > 2 && fcntl(high.fd, F_GETFD) == FD_CLOEXEC);
    fp_poller_close(&high);
    close(0);
    CHECK(fp_poller_open(&low) == 0);
    CHECK(low.fd > 2 && fcntl(low.fd, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(0, F_GETFD) == -1);
    fp_poller_close(&low);
    CHECK(low.fd == -1);
    fp_poller_close(&low);
    CHECK(open("/dev/null", O_RDWR) == 0);
}

TEST(poller_open_without_descriptors_leaves_nothing_open)
{
    struct fp_poller none;
    leave_free_descriptors(0);
    int before = count_low_descriptors();
    CHECK(fp_poller_open(&none) == -EMFILE);
    close(0); /* now only the lifting fails */
    CHECK(fp_poller_open(&none) == -EMFILE);
    CHECK(count_low_descriptors() == before - 1);
    fp_poller_close(&none);
    free_descriptors();
    CHECK(open("/dev/null", O_RDWR) == 0);
}

TEST(poller_wait_never_waits)
{
    set_up();
    CHECK(wait_now() == 0);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(wait_now() == 0);
    tear_down();
}

TEST(poller_gives_back_all_64_bits_of_a_cookie)
{
    set_up();
    CHECK(fp_poller_add(&poller, ends[1], FP_WANT_WRITE, UINT64_MAX - 1) == 0);
    CHECK(readiness(UINT64_MAX - 1) == FP_WRITABLE);
    CHECK(fp_poller_modify(&poller, ends[1], FP_WANT_WRITE, UINT64_C(0x0123456789abcdef)) == 0);
    CHECK(readiness(UINT64_C(0x0123456789abcdef)) == FP_WRITABLE);
    tear_down();
}

TEST(poller_says_readable_as_long_as_there_is_data)
{
    set_up();
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 5) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(readiness(5) == FP_READABLE);
    CHECK(readiness(5) == FP_READABLE);
    drain_pipe();
    CHECK(readiness(5) == 0);
    tear_down();
}

TEST(poller_says_writable_as_long_as_there_is_room)
{
    set_up();
    CHECK(fp_poller_add(&poller, ends[1], FP_WANT_WRITE, 6) == 0);
    CHECK(readiness(6) == FP_WRITABLE);
    fill_pipe();
    CHECK(readiness(6) == 0);
    drain_pipe();
    CHECK(readiness(6) == FP_WRITABLE);
    tear_down();
}

TEST(poller_hears_of_both_directions_of_a_socket)
{
    set_up();
    int sockets[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    CHECK(fp_poller_add(&poller, sockets[0], FP_WANT_READ | FP_WANT_WRITE, 7) == 0);
    CHECK(readiness(7) == FP_WRITABLE);
    CHECK(write(sockets[1], "x", 1) == 1);
    CHECK(readiness(7) == (FP_READABLE | FP_WRITABLE));
    CHECK(fp_poller_modify(&poller, sockets[0], FP_WANT_READ, 8) == 0);
    CHECK(readiness(8) == FP_READABLE);
    close(sockets[0]);
    close(sockets[1]);
    tear_down();
}

TEST(poller_modify_to_nothing_silences_data)
{
    set_up();
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(readiness(1) == FP_READABLE);
    CHECK(fp_poller_modify(&poller, ends[0], FP_WANT_NOTHING, 2) == 0);
    CHECK(readiness(2) == 0);
    CHECK(fp_poller_modify(&poller, ends[0], FP_WANT_READ, 3) == 0);
    CHECK(readiness(3) == FP_READABLE);
    tear_down();
}

TEST(poller_says_hang_up_with_or_without_data)
{
    set_up();
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    fp_fd_close(&ends[1]);
    CHECK(readiness(1) == (FP_READABLE | FP_HANGUP));
    drain_pipe();
    CHECK(readiness(1) == FP_HANGUP);
    tear_down();
}

TEST(poller_says_hang_up_even_if_nothing_is_wanted)
{
    set_up();
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_NOTHING, 1) == 0);
    fp_fd_close(&ends[1]);
    CHECK(readiness(1) == FP_HANGUP);
    tear_down();
}

TEST(poller_says_broken_when_the_reader_is_gone)
{
    set_up();
    fill_pipe();
    CHECK(fp_poller_add(&poller, ends[1], FP_WANT_NOTHING, 1) == 0);
    CHECK(readiness(1) == 0);
    fp_fd_close(&ends[0]);
    CHECK(readiness(1) == FP_BROKEN);
    CHECK(fp_poller_modify(&poller, ends[1], FP_WANT_WRITE, 1) == 0);
    CHECK(readiness(1) & FP_BROKEN);
    tear_down();
}

TEST(poller_is_silent_about_what_was_removed)
{
    set_up();
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(fp_poller_remove(&poller, ends[0]) == 0);
    CHECK(wait_now() == 0);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 2) == 0);
    CHECK(readiness(2) == FP_READABLE);
    tear_down();
}

TEST(poller_removal_before_close_silences_a_copy_elsewhere)
{
    set_up();
    int copy = dup(ends[0]); /* as a child between clone and exec holds one */
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(fp_poller_remove(&poller, ends[0]) == 0);
    fp_fd_close(&ends[0]);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(wait_now() == 0);
    close(copy);
    tear_down();
}

TEST(poller_refuses_what_cannot_be)
{
    set_up();
    CHECK(fp_poller_modify(&poller, ends[0], FP_WANT_READ, 1) == -ENOENT);
    CHECK(fp_poller_remove(&poller, ends[0]) == -ENOENT);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 2) == -EEXIST);
    CHECK(fp_poller_add(&poller, -1, FP_WANT_READ, 1) == -EBADF);
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC); /* a file that is always ready */
    CHECK(fp_poller_add(&poller, file, FP_WANT_READ, 1) == -EPERM);
    close(file);
    fp_poller_close(&poller);
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == -EBADF);
    CHECK(wait_now() == -EBADF);
    tear_down();
}

TEST(poller_is_readable_itself_while_events_are_pending)
{
    set_up();
    struct pollfd outer = {.fd = poller.fd, .events = POLLIN};
    CHECK(fp_poller_add(&poller, ends[0], FP_WANT_READ, 1) == 0);
    CHECK(poll(&outer, 1, 0) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(poll(&outer, 1, 0) == 1);
    drain_pipe();
    CHECK(poll(&outer, 1, 0) == 0);
    tear_down();
}

TEST(poller_wait_fills_no_more_than_the_room_and_loses_nothing)
{
    enum { MANY = 150, FEW = 100 };
    static struct fp_event got[FEW + 1];
    int fds[MANY];
    bool seen[MANY] = {false};
    set_up();
    for (int i = 0; i < MANY; i++) {
        fds[i] = dup(ends[1]);
        CHECK(fp_poller_add(&poller, fds[i], FP_WANT_WRITE, (uint64_t)i) == 0);
    }
    got[3].cookie = 12345;
    CHECK(fp_poller_wait(&poller, got, 3) == 3);
    CHECK(got[3].cookie == 12345);
    int total = 0, count;
    while ((count = fp_poller_wait(&poller, got, FEW)) > 0) {
        CHECK(count <= FEW);
        for (int i = 0; i < count; i++) {
            CHECK(got[i].cookie < MANY && got[i].ready == FP_WRITABLE);
            CHECK(!seen[got[i].cookie]);
            seen[got[i].cookie] = true;
            CHECK(fp_poller_remove(&poller, fds[got[i].cookie]) == 0);
        }
        total += count;
    }
    CHECK(count == 0 && total == MANY);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    tear_down();
}
