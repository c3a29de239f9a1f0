/* SPDX-License-Identifier: MIT
 *
 * posix/exit: a child's end is seen, its status is the true one or known to be
 * lost, and no signal goes astray; on every rung of the ladder.
 */
#include "check.h"
#include "posix/exit.h"
#include "posix/fd.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUN_ON = 1000 }; /* instead of an exit code */

static const enum fp_exit_mode modes[] = {FP_EXIT_AUTO, FP_EXIT_PIDFD_ONLY, FP_EXIT_THREAD};
enum { MODES = sizeof modes / sizeof *modes };

static struct fp_exit child;
static struct fp_exit_status status;

/* A child that exits with a code, ends by signal -N, or runs until it is killed. */
static pid_t start(int end)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody running */
    if (end < 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(-end, SIG_DFL);
        kill(getpid(), -end);
    }
    while (end == RUN_ON)
        pause();
    _exit(end);
}

/* Of children that were started without one; valgrind knows clone()'s pidfds and not this call. */
static bool pidfds_can_be_opened(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    bool can = fd >= 0;
    fp_fd_close(&fd);
    return can;
}

static void start_and_watch(int end, enum fp_exit_mode mode)
{
    CHECK(fp_exit_watch(&child, start(end), -1, mode) == 0);
    CHECK(child.fd > 2 && fcntl(child.fd, F_GETFD) == FD_CLOEXEC);
    CHECK(child.is_pidfd == (mode != FP_EXIT_THREAD && pidfds_can_be_opened()));
}

static enum fp_reap reap_at_end(void)
{
    wait_readable(child.fd);
    memset(&status, 0xff, sizeof status);
    return fp_exit_reap(&child, &status);
}

static bool usage_is_zero(void)
{
    static const struct rusage zero;
    return memcmp(&status.usage, &zero, sizeof zero) == 0;
}

/* What is to be expected of a reap after somebody else's. */
static enum fp_reap reap_of_stolen(enum fp_exit_mode mode)
{
    return mode == FP_EXIT_AUTO && pidfds_can_be_opened() && fp_exit_has_info() ? FP_REAP_INFO
                                                                                : FP_REAP_LOST;
}

TEST(exit_tells_the_code_or_the_signal)
{
    const int ends[] = {0, 1, 7, 127, 128, 255, -SIGKILL, -SIGTERM, -SIGABRT, -SIGSEGV, -SIGHUP};
    for (size_t m = 0; m < MODES; m++)
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
            start_and_watch(ends[e], modes[m]);
            CHECK(reap_at_end() == FP_REAP_DONE);
            CHECK(status.returncode == ends[e] && child.reaped);
            fp_fd_close(&child.fd);
        }
}

TEST(exit_keeps_the_resource_usage)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(0, modes[m]);
        CHECK(reap_at_end() == FP_REAP_DONE);
        CHECK(status.usage.ru_maxrss > 0);
        fp_fd_close(&child.fd);
    }
}

TEST(exit_of_a_running_child_is_not_there)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(RUN_ON, modes[m]);
        struct pollfd ended = {.fd = child.fd, .events = POLLIN};
        CHECK(poll(&ended, 1, 0) == 0);
        CHECK(fp_exit_reap(&child, &status) == FP_REAP_RUNNING && !child.reaped);
        CHECK(fp_exit_reap(&child, &status) == FP_REAP_RUNNING);
        CHECK(fp_exit_signal(&child, SIGTERM) == 0);
        CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == -SIGTERM);
        fp_fd_close(&child.fd);
    }
}

TEST(exit_reap_leaves_the_descriptor_open)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(0, modes[m]);
        int fd = child.fd;
        CHECK(reap_at_end() == FP_REAP_DONE);
        CHECK(child.fd == fd && fcntl(fd, F_GETFD) >= 0);
        fp_fd_close(&child.fd);
    }
}

TEST(exit_of_a_stopped_child_is_not_there)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(RUN_ON, modes[m]);
        siginfo_t info;
        CHECK(fp_exit_signal(&child, SIGSTOP) == 0);
        CHECK(waitid(P_PID, (id_t)child.pid, &info, WSTOPPED | WNOWAIT) == 0);
        CHECK(fp_exit_reap(&child, &status) == FP_REAP_RUNNING);
        CHECK(fp_exit_destroy(&child, &status) == 0 && status.returncode == -SIGKILL);
    }
}

TEST(exit_status_that_somebody_else_took)
{
    const int ends[] = {7, -SIGTERM, 0};
    for (size_t m = 0; m < MODES; m++)
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
            start_and_watch(ends[e], modes[m]);
            CHECK(waitpid(child.pid, NULL, 0) == child.pid);
            enum fp_reap reap = reap_at_end();
            CHECK(reap == reap_of_stolen(modes[m]) && child.reaped);
            CHECK(status.returncode == (reap == FP_REAP_INFO ? ends[e] : 0));
            CHECK(usage_is_zero());
            fp_fd_close(&child.fd);
        }
}

TEST(exit_status_that_the_kernel_was_told_to_forget)
{
    signal(SIGCHLD, SIG_IGN);
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(RUN_ON, modes[m]);
        CHECK(fp_exit_reap(&child, &status) == FP_REAP_RUNNING);
        CHECK(fp_exit_signal(&child, SIGUSR1) == 0);
        enum fp_reap reap = reap_at_end();
        CHECK(reap == reap_of_stolen(modes[m]));
        CHECK(status.returncode == (reap == FP_REAP_INFO ? -SIGUSR1 : 0));
        fp_fd_close(&child.fd);
    }
}

TEST(exit_signal_after_the_reap_finds_nobody)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(0, modes[m]);
        CHECK(reap_at_end() == FP_REAP_DONE);
        CHECK(fp_exit_signal(&child, SIGTERM) == -ESRCH);
        fp_fd_close(&child.fd);
        CHECK(fp_exit_signal(&child, 0) == -ESRCH);
    }
}

TEST(exit_signal_to_a_zombie_is_no_error)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(3, modes[m]);
        wait_readable(child.fd);
        CHECK(fp_exit_signal(&child, SIGTERM) == 0);
        CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == 3);
        fp_fd_close(&child.fd);
    }
}

TEST(exit_signal_after_an_unnoticed_reap_is_no_error)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(3, modes[m]);
        CHECK(waitpid(child.pid, NULL, 0) == child.pid);
        wait_readable(child.fd);
        CHECK(fp_exit_signal(&child, SIGTERM) == 0);
        CHECK(fp_exit_reap(&child, &status) == reap_of_stolen(modes[m]));
        fp_fd_close(&child.fd);
    }
}

TEST(exit_signal_that_does_not_exist_is_refused)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(RUN_ON, modes[m]);
        CHECK(fp_exit_signal(&child, 12345) == -EINVAL);
        CHECK(fp_exit_signal(&child, 0) == 0);
        CHECK(fp_exit_destroy(&child, &status) == 0);
    }
}

TEST(exit_destroy_kills_a_running_child)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(RUN_ON, modes[m]);
        CHECK(fp_exit_destroy(&child, &status) == 0);
        CHECK(status.returncode == -SIGKILL && child.fd == -1 && child.reaped);
        CHECK(fp_exit_signal(&child, SIGTERM) == -ESRCH);
    }
}

TEST(exit_destroy_tells_the_status_of_a_child_that_had_ended)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(9, modes[m]);
        wait_readable(child.fd);
        CHECK(fp_exit_destroy(&child, &status) == 0);
        CHECK(status.returncode == 9 && child.fd == -1);
    }
}

TEST(exit_destroy_of_a_child_that_somebody_else_reaped)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(9, modes[m]);
        CHECK(waitpid(child.pid, NULL, 0) == child.pid);
        CHECK(fp_exit_destroy(&child, &status) == 0);
        bool known = reap_of_stolen(modes[m]) == FP_REAP_INFO;
        CHECK(status.returncode == (known ? 9 : -SIGKILL));
        CHECK(child.fd == -1);
    }
}

TEST(exit_destroy_after_the_reap_only_closes)
{
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(9, modes[m]);
        CHECK(reap_at_end() == FP_REAP_DONE);
        CHECK(fp_exit_destroy(&child, &status) == -ESRCH && child.fd == -1);
        CHECK(fp_exit_destroy(&child, &status) == -ESRCH);
    }
}

/* A child of root's, and a parent that is nobody any more; the child leaves when told to. */
static void destroy_what_may_not_be_killed(void)
{
    for (size_t m = 0; m < MODES; m++) {
        int ends[2], before = check_open_descriptors();
        CHECK(fp_fd_pipe(ends) == 0);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            char byte;
            fp_fd_close(&ends[1]);
            CHECK(read(ends[0], &byte, 1) == 0);
            _exit(0);
        }
        fp_fd_close(&ends[0]);
        CHECK(fp_exit_watch(&child, pid, -1, modes[m]) == 0);
        CHECK(seteuid(65534) == 0 && setresuid(65534, 65534, 0) == 0);
        CHECK(fp_exit_signal(&child, SIGTERM) == -EPERM);
        int watched = dup(child.fd);
        CHECK(fp_exit_destroy(&child, &status) == -EPERM && child.fd == -1 && !child.reaped);
        CHECK(setresuid(0, 0, 0) == 0);
        fp_fd_close(&ends[1]);
        wait_readable(watched);
        close(watched);
        CHECK(waitpid(pid, NULL, 0) == pid);
        for (int tries = 0; tries < 5000 && check_open_descriptors() != before; tries++)
            usleep(1000); /* the thread, left to itself, has to close its end */
    }
}

TEST(exit_destroy_of_a_child_that_may_not_be_killed_gives_up)
{
    if (geteuid() == 0)
        run_apart(destroy_what_may_not_be_killed);
}

TEST(exit_watch_takes_the_pidfd_it_is_given)
{
    for (size_t m = 0; m < MODES; m++) {
        pid_t pid = start(4);
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        CHECK(fp_exit_watch(&child, pid, pidfd, modes[m]) == 0);
        if (pidfd >= 0 && modes[m] != FP_EXIT_THREAD)
            CHECK(child.fd == pidfd && child.is_pidfd);
        CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == 4);
        fp_fd_close(&child.fd);
    }
}

TEST(exit_watch_lifts_a_low_descriptor)
{
    for (size_t m = 0; m < MODES; m++)
        for (int given = 0; given < 2; given++) {
            pid_t pid = start(4);
            close(0);
            int pidfd = given ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
            CHECK(fp_exit_watch(&child, pid, pidfd, modes[m]) == 0);
            CHECK(child.fd > 2 && fcntl(0, F_GETFD) == -1);
            CHECK(open("/dev/null", O_RDWR) == 0);
            CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == 4);
            fp_fd_close(&child.fd);
        }
}

TEST(exit_watch_without_descriptors_leaves_nothing_open)
{
    for (size_t m = 0; m < MODES; m++)
        for (int left = 0; left < (modes[m] == FP_EXIT_THREAD ? 2 : 1); left++) {
            pid_t pid = start(RUN_ON);
            leave_free_descriptors(left);
            int before = count_low_descriptors();
            CHECK(fp_exit_watch(&child, pid, -1, modes[m]) == -EMFILE);
            CHECK(child.fd == -1 && count_low_descriptors() == before);
            CHECK(fp_exit_destroy(&child, &status) == 0); /* blindly */
            CHECK(status.returncode == -SIGKILL);
            free_descriptors();
        }
}

TEST(exit_watch_takes_the_pidfd_in_failure_too)
{
    pid_t pid = start(RUN_ON);
    close(0);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    leave_free_descriptors(0);
    if (pidfd == 0) { /* low, and cannot be lifted */
        CHECK(fp_exit_watch(&child, pid, pidfd, FP_EXIT_AUTO) == -EMFILE);
        CHECK(child.fd == -1 && fcntl(pidfd, F_GETFD) == -1);
    } else { /* none to be had here */
        CHECK(fp_exit_watch(&child, pid, -1, FP_EXIT_AUTO) == -EMFILE);
    }
    free_descriptors();
    CHECK(open("/dev/null", O_RDWR) == 0);
    CHECK(fp_exit_destroy(&child, &status) == 0 && status.returncode == -SIGKILL);
}

TEST(exit_thread_takes_no_signals)
{
    start_and_watch(RUN_ON, FP_EXIT_THREAD);
    sigset_t usr1, pending;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0); /* the thread would die of it, and so would we */
    CHECK(fp_exit_destroy(&child, &status) == 0 && status.returncode == -SIGKILL);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
}

TEST(exit_many_children_at_once_are_told_apart)
{
    enum { MANY = 12 };
    struct fp_exit children[MANY];
    for (int i = 0; i < MANY; i++)
        CHECK(fp_exit_watch(&children[i], start(RUN_ON), -1, modes[i % MODES]) == 0);
    for (int i = MANY - 1; i >= 0; i--) {
        CHECK(fp_exit_signal(&children[i], i % 2 ? SIGTERM : SIGUSR1) == 0);
        wait_readable(children[i].fd);
        CHECK(fp_exit_reap(&children[i], &status) == FP_REAP_DONE);
        CHECK(status.returncode == (i % 2 ? -SIGTERM : -SIGUSR1));
        for (int other = 0; other < i; other++)
            CHECK(fp_exit_reap(&children[other], &status) == FP_REAP_RUNNING);
        fp_fd_close(&children[i].fd);
    }
}

TEST(exit_has_pidfd_is_what_the_kernel_says)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    CHECK(fp_exit_has_pidfd() || fd < 0); /* clone() may give them where they cannot be opened */
    fp_fd_close(&fd);
}

TEST(exit_has_info_leaves_nothing_behind_whatever_sigchld_does)
{
    bool has = fp_exit_has_info();
    signal(SIGCHLD, SIG_IGN);
    CHECK(fp_exit_has_info() == has);
}

/* A kernel or a sandbox that lacks some of it. */

static const int refusals[] = {ENOSYS, EPERM, EACCES, EINVAL};
enum { REFUSALS = sizeof refusals / sizeof *refusals };
enum { PIDFD_FROM_CLONE = 0x1000, BY_PIDFD = 3 };

static void have_pidfds_from_clone_alone(void)
{
    if (!fp_exit_has_pidfd() || !refuse_call(SYS_pidfd_open, EPERM))
        return;
    CHECK(fp_exit_has_pidfd());
}

TEST(exit_has_pidfd_where_only_clone_gives_one)
{
    run_apart(have_pidfds_from_clone_alone);
}

/* Everything that is asked of a child, with whatever there is for it. */
static void live_and_die(enum fp_exit_mode mode, bool can_look)
{
    int code;
    start_and_watch(RUN_ON, mode);
    CHECK(fp_exit_reap(&child, &status) == FP_REAP_RUNNING && !child.reaped);
    CHECK(fp_exit_peek(&child, &code) == FP_REAP_RUNNING);
    CHECK(fp_exit_signal(&child, 0) == 0 && fp_exit_signal(&child, SIGTERM) == 0);
    wait_readable(child.fd);
    enum fp_reap seen = fp_exit_peek(&child, &code);
    CHECK(can_look ? seen == FP_REAP_DONE && code == -SIGTERM : seen == FP_REAP_LOST);
    CHECK(fp_exit_signal(&child, SIGKILL) == 0);
    CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == -SIGTERM && child.reaped);
    CHECK(fp_exit_signal(&child, SIGKILL) == -ESRCH);
    fp_fd_close(&child.fd);
    start_and_watch(23, mode);
    CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == 23);
    fp_fd_close(&child.fd);
    start_and_watch(RUN_ON, mode);
    CHECK(fp_exit_destroy(&child, &status) == 0 && status.returncode == -SIGKILL);
    child = (struct fp_exit){.pid = start(RUN_ON), .fd = -1}; /* as after a watch that failed */
    CHECK(fp_exit_destroy(&child, &status) == 0 && status.returncode == -SIGKILL);
}

static int refused_with;

static void signal_by_pid(void)
{
    if (refuse_call(SYS_pidfd_send_signal, refused_with))
        for (size_t m = 0; m < MODES; m++)
            live_and_die(modes[m], true);
}

static void reap_by_pid(void)
{
    if (refuse_call_if(SYS_waitid, 0, UINT32_MAX, BY_PIDFD, refused_with))
        for (size_t m = 0; m < MODES; m++)
            live_and_die(modes[m], true);
}

static void reap_without_waitid(void)
{
    if (refuse_call(SYS_waitid, refused_with))
        for (size_t m = 0; m < MODES; m++)
            live_and_die(modes[m], false);
}

static void know_who_has_reaped(void)
{
    if (!refuse_call(SYS_waitid, refused_with))
        return;
    for (size_t m = 0; m < MODES; m++) {
        start_and_watch(7, modes[m]);
        bool by_thread = !child.is_pidfd;
        if (by_thread) /* its own waits in that thread */
            wait_readable(child.fd);
        else
            CHECK(waitpid(child.pid, NULL, 0) == child.pid);
        enum fp_reap reap = reap_at_end();
        CHECK(reap == (by_thread ? FP_REAP_DONE : reap_of_stolen(modes[m])));
        fp_fd_close(&child.fd);
    }
}

TEST(exit_in_a_sandbox_that_refuses_some_of_it)
{
    void (*const lives[])(void) = {signal_by_pid, reap_by_pid, reap_without_waitid,
                                   know_who_has_reaped};
    for (int i = 0; i < REFUSALS; i++)
        for (size_t life = 0; life < sizeof lives / sizeof *lives; life++) {
            refused_with = refusals[i];
            run_apart(lives[life]);
        }
}

/* Not ours to signal, because of its user; of a sandbox it could not be told otherwise. */
static void signal_of_another_user(void)
{
    pid_t pid = start(RUN_ON);
    CHECK(fp_exit_watch(&child, pid, -1, FP_EXIT_AUTO) == 0);
    CHECK(setresuid(65534, 65534, 0) == 0);
    CHECK(fp_exit_signal(&child, SIGTERM) == -EPERM);
    CHECK(seteuid(0) == 0 && setuid(0) == 0);
    CHECK(fp_exit_destroy(&child, &status) == 0);
}

TEST(exit_of_a_child_that_is_not_ours_to_signal)
{
    if (geteuid() == 0)
        run_apart(signal_of_another_user);
}

static void watch_without_pidfds(void)
{
    for (int i = 0; i < REFUSALS; i++) {
        if (!refuse_call(SYS_pidfd_open, refusals[i]) ||
            !refuse_call_if(SYS_clone, 0, PIDFD_FROM_CLONE, PIDFD_FROM_CLONE, refusals[i]))
            return;
        CHECK(!fp_exit_has_pidfd() && !fp_exit_has_info());
        start_and_watch(RUN_ON, FP_EXIT_AUTO);
        CHECK(!child.is_pidfd);
        CHECK(fp_exit_signal(&child, SIGTERM) == 0);
        CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == -SIGTERM);
        fp_fd_close(&child.fd);
    }
}

TEST(exit_without_pidfds_is_watched_by_a_thread)
{
    run_apart(watch_without_pidfds);
}

TEST(exit_reap_within_waits_and_counts)
{
    int left = 40;
    start_and_watch(RUN_ON, FP_EXIT_AUTO);
    CHECK(fp_exit_reap_within(&child, &status, &left) == FP_REAP_RUNNING && left == 0);
    CHECK(fp_exit_signal(&child, SIGTERM) == 0);
    left = 10000;
    CHECK(fp_exit_reap_within(&child, &status, &left) == FP_REAP_DONE);
    CHECK(status.returncode == -SIGTERM && left > 5000);
    fp_fd_close(&child.fd);
}

static void reap_without_pidfds(void)
{
    if (!refuse_call_if(SYS_waitid, 0, UINT32_MAX, BY_PIDFD, EINVAL) ||
        !refuse_call(SYS_pidfd_send_signal, ENOSYS))
        return;
    start_and_watch(RUN_ON, FP_EXIT_AUTO);
    CHECK(fp_exit_reap(&child, &status) == FP_REAP_RUNNING);
    CHECK(fp_exit_signal(&child, SIGTERM) == 0);
    CHECK(reap_at_end() == FP_REAP_DONE && status.returncode == -SIGTERM);
    CHECK(fp_exit_destroy(&child, &status) == -ESRCH);
    start_and_watch(RUN_ON, FP_EXIT_AUTO);
    CHECK(fp_exit_destroy(&child, &status) == 0 && status.returncode == -SIGKILL);
}

TEST(exit_with_pidfds_that_can_only_be_polled_goes_by_pid)
{
    run_apart(reap_without_pidfds);
}

/* The pid of a dead child that somebody else has reaped is another process' by now. */
static void signal_nobody_else(void)
{
    if (!pidfds_can_be_opened()) /* the thread's own is never reaped by another */
        return;
    if (!refuse_call(SYS_waitid, EPERM) || !refuse_call(SYS_pidfd_send_signal, EPERM))
        return;
    start_and_watch(7, FP_EXIT_AUTO);
    CHECK(waitpid(child.pid, NULL, 0) == child.pid);
    pid_t other = fork();
    if (other == 0) {
        for (;;)
            pause();
    }
    child.pid = other;
    CHECK(fp_exit_signal(&child, SIGHUP) == 0);
    kill(other, SIGTERM); /* the first that comes kills it */
    int wait_status;
    CHECK(waitpid(other, &wait_status, 0) == other);
    CHECK(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGTERM);
    fp_fd_close(&child.fd);
}

TEST(exit_signal_without_waitid_hits_nobody_else)
{
    run_apart(signal_nobody_else);
}

static void lose_without_info(void)
{
    if (!refuse_call(SYS_ioctl, ENOTTY))
        return;
    CHECK(!fp_exit_has_info());
    start_and_watch(7, FP_EXIT_AUTO);
    CHECK(waitpid(child.pid, NULL, 0) == child.pid);
    CHECK(reap_at_end() == FP_REAP_LOST && status.returncode == 0 && child.reaped);
    fp_fd_close(&child.fd);
}

TEST(exit_stolen_where_the_kernel_cannot_tell_is_lost)
{
    run_apart(lose_without_info);
}
