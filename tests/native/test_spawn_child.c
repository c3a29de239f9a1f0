/* SPDX-License-Identifier: MIT
 *
 * posix/child: what a child finds itself to be, whichever way it was started:
 * its descriptors, directory, signals, session, group and ids.
 */
#include "check.h"
#include "posix/fd.h"
#include "support.h"
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct trial trial;
static struct report report;

static uint64_t bit(int fd)
{
    return UINT64_C(1) << fd;
}

static uint64_t signal_bit(int signum)
{
    return UINT64_C(1) << (signum - 1);
}

static uint64_t inode(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 ? info.st_ino : 0;
}

/* Standard descriptors: three pipes that can be told apart, in place of the parent's 0, 1, 2. */
static int spare[3], unused_ends[3];

static void number_stdio(void)
{
    for (int fd = 0; fd < 3; fd++) {
        int ends[2];
        spare[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        CHECK(fp_fd_pipe(ends) == 0);
        unused_ends[fd] = ends[1];
        if (fd < 2) /* the tests complain on 2 */
            dup2(ends[0], fd);
        close(ends[0]);
    }
}

static void restore_stdio(void)
{
    for (int fd = 0; fd < 3; fd++) {
        dup2(spare[fd], fd);
        close(spare[fd]);
        close(unused_ends[fd]);
    }
}

static void shuffle(enum fp_spawn_method method, int in, int out, int err)
{
    trial_set_up(&trial, method);
    trial.request.stdio[0] = in;
    trial.request.stdio[1] = out;
    trial.request.stdio[2] = err;
    trial_report(&trial, &report);
    for (int fd = 0; fd < 3; fd++) {
        int from = trial.request.stdio[fd];
        CHECK(report.stdio[fd] == inode(from == -1 ? fd : from));
    }
    CHECK(report.descriptors == 4); /* these and the report's */
}

TEST(spawn_stdio_in_every_permutation)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    number_stdio();
    for (unsigned method = 0; method < METHODS; method++)
        for (int i = 0; i < 6; i++)
            shuffle(method, orders[i][0], orders[i][1], orders[i][2]);
    restore_stdio();
}

TEST(spawn_stdio_in_every_combination)
{
    number_stdio();
    for (int in = -1; in < 3; in++)
        for (int out = -1; out < 3; out++)
            for (int err = -1; err < 3; err++)
                shuffle(fp_spawn_best_method(), in, out, err);
    restore_stdio();
}

TEST(spawn_stdout_and_stderr_swap)
{
    number_stdio();
    for (unsigned method = 0; method < METHODS; method++)
        shuffle(method, -1, 2, 1);
    restore_stdio();
}

TEST(spawn_stdout_and_stderr_to_one_pipe)
{
    number_stdio();
    for (unsigned method = 0; method < METHODS; method++) {
        int ends[2];
        CHECK(fp_fd_pipe(ends) == 0);
        shuffle(method, -1, ends[1], ends[1]);
        shuffle(method, ends[0], ends[1], -1);
        shuffle(method, ends[0], 0, ends[1]);
        fp_fd_close(&ends[0]);
        fp_fd_close(&ends[1]);
    }
    restore_stdio();
}

/* With each set of 0, 1 and 2 closed in the parent, by each source a child can have. */
TEST(spawn_with_standard_descriptors_closed)
{
    number_stdio();
    for (unsigned method = 0; method < METHODS; method++)
        for (int closed = 1; closed < 8; closed++) {
            int ends[2], now[3];
            CHECK(fp_fd_pipe(ends) == 0);
            for (int fd = 0; fd < 3; fd++)
                now[fd] = closed & 1 << fd ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
            trial_set_up(&trial, method);
            trial.request.stdio[1] = ends[1];
            uint64_t expected = bit(1) | bit(trial.report_ends[1]);
            expected |= (uint64_t)(~closed & 7);
            for (int fd = 0; fd < 3; fd++)
                if (now[fd] >= 0)
                    close(fd);
            CHECK(trial_start(&trial) == 0);
            if (trial.child.pidfd >= 0)
                CHECK(fp_fd_lift(&trial.child.pidfd) == 0); /* as fp_exit_watch() does */
            for (int fd = 0; fd < 3; fd++)
                if (now[fd] >= 0) {
                    dup2(now[fd], fd);
                    close(now[fd]);
                }
            CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
            CHECK(read(trial.report_ends[0], &report, sizeof report) == sizeof report);
            CHECK(report.open == expected && report.stdio[1] == inode(ends[1]));
            trial_tear_down(&trial);
            fp_fd_close(&ends[0]);
            fp_fd_close(&ends[1]);
        }
    restore_stdio();
}

TEST(spawn_stdio_that_is_not_open)
{
    for (unsigned method = 0; method < METHODS; method++)
        for (int fd = 0; fd < 3; fd++) {
            trial_set_up(&trial, method);
            trial.request.stdio[fd] = 1 << 20;
            trial_fails(&trial, FP_STAGE_SETUP, EBADF);
        }
}

TEST(spawn_stdio_on_its_own_place_is_inherited)
{
    for (unsigned method = 0; method < METHODS; method++) {
        CHECK(fcntl(0, F_SETFD, FD_CLOEXEC) == 0);
        trial_set_up(&trial, method);
        trial.request.stdio[0] = 0;
        trial_report(&trial, &report);
        CHECK(report.stdio[0] == inode(0));
        CHECK(fcntl(0, F_GETFD) == FD_CLOEXEC); /* here it is as it was */
        CHECK(fcntl(0, F_SETFD, 0) == 0);
    }
}

TEST(spawn_close_fds_leaks_nothing)
{
    enum { MANY = 300 };
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = fcntl(2, F_DUPFD, 3 + i % 7);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        int passed = trial.report_ends[1];
        CHECK(passed >= MANY);
        trial_report(&trial, &report);
        CHECK(report.descriptors == 4 && report.open == 7);
        for (int i = 0; i < MANY; i++)
            CHECK(fcntl(fds[i], F_GETFD) == 0); /* here they are as they were */
    }
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

TEST(spawn_without_close_fds_leaks_what_is_inheritable)
{
    int inheritable = fcntl(2, F_DUPFD, 20), kept_back = fcntl(2, F_DUPFD_CLOEXEC, 30);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.close_fds = false;
        uint64_t expected = 7 | bit(inheritable) | bit(trial.report_ends[1]);
        trial_report(&trial, &report);
        CHECK((report.open & (expected | bit(kept_back))) == expected);
    }
    close(inheritable);
    close(kept_back);
}

TEST(spawn_pass_fds_keep_their_numbers)
{
    int between = fcntl(2, F_DUPFD, 20), also_between = fcntl(2, F_DUPFD, 30);
    int high = fcntl(2, F_DUPFD_CLOEXEC, 40);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        int passed[] = {trial.report_ends[1], between, high};
        trial.request.pass_fds = passed;
        trial.request.pass_fd_count = 3;
        uint64_t expected = 7 | bit(passed[0]) | bit(between) | bit(high);
        trial_report(&trial, &report);
        CHECK(report.open == expected && report.descriptors == 6);
        CHECK(fcntl(high, F_GETFD) == FD_CLOEXEC);
    }
    close(between);
    close(also_between);
    close(high);
}

TEST(spawn_pass_fds_may_name_standard_descriptors)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        int passed[] = {0, 2, trial.report_ends[1]};
        trial.request.pass_fds = passed;
        trial.request.pass_fd_count = 3;
        trial_report(&trial, &report);
        CHECK(report.descriptors == 4);
    }
}

TEST(spawn_pass_fds_that_are_not_open)
{
    const int missing = 1 << 20;
    for (unsigned method = 0; method < METHODS; method++)
        for (int close_fds = 0; close_fds < 2; close_fds++) {
            trial_set_up(&trial, method);
            trial.request.close_fds = close_fds;
            trial.request.pass_fds = &missing;
            trial_fails(&trial, FP_STAGE_SETUP, EBADF);
        }
}

TEST(spawn_goes_into_the_directory_before_it_looks_for_the_program)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.cwd = "/proc/self/attr/..";
        trial.paths[0] = "exe";
        CHECK(trial_start(&trial) == 0);
        char directory[64];
        snprintf(directory, sizeof directory, "/proc/%d", (int)trial.child.pid);
        CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
        CHECK(read(trial.report_ends[0], &report, sizeof report) == sizeof report);
        CHECK(strcmp(report.directory, directory) == 0);
        trial_tear_down(&trial);
    }
}

TEST(spawn_keeps_the_directory_of_the_parent_apart)
{
    char before[256], after[256];
    CHECK(getcwd(before, sizeof before) != NULL);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial_report(&trial, &report);
        CHECK(strcmp(report.directory, before) == 0);
        trial_set_up(&trial, method);
        trial.request.cwd = "/";
        trial_report(&trial, &report);
        CHECK(strcmp(report.directory, "/") == 0);
        CHECK(getcwd(after, sizeof after) != NULL && strcmp(before, after) == 0);
    }
}

TEST(spawn_umask_is_the_childs_alone)
{
    umask(027);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial_report(&trial, &report);
        CHECK(report.umask == 027);
        for (int mask = 0; mask <= 0123; mask += 0123) {
            trial_set_up(&trial, method);
            trial.request.umask = mask;
            trial_report(&trial, &report);
            CHECK(report.umask == (mode_t)mask);
        }
        CHECK(umask(027) == 027);
    }
}

static void handle(int signum)
{
    (void)signum;
}

TEST(spawn_resets_handlers_and_keeps_what_is_ignored)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    signal(SIGUSR1, handle);
    signal(SIGINT, handle);
    signal(SIGRTMIN + 3, handle);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGRTMIN + 4, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    const uint64_t handled = signal_bit(SIGUSR1) | signal_bit(SIGINT) | signal_bit(SIGRTMIN + 3);
    const uint64_t ignored = signal_bit(SIGUSR2) | signal_bit(SIGRTMIN + 4);
    const uint64_t restored = signal_bit(SIGPIPE) | signal_bit(SIGXFSZ);
    for (unsigned method = 0; method < METHODS; method++)
        for (int restore = 0; restore < 2; restore++) {
            trial_set_up(&trial, method);
            trial.request.restore_signals = restore;
            trial_report(&trial, &report);
            CHECK(report.blocked == (signal_bit(SIGTERM) | signal_bit(SIGRTMAX)));
            CHECK((report.handled & handled) == 0);
            CHECK((report.ignored & handled) == 0);
            CHECK((report.ignored & ignored) == ignored);
            CHECK((report.ignored & restored) == (restore ? 0 : restored));
        }
}

TEST(spawn_new_session_and_process_group)
{
    pid_t session = getsid(0), group = getpgid(0);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial_report(&trial, &report);
        CHECK(report.session == session && report.group == group);

        trial_set_up(&trial, method);
        trial.request.new_session = true;
        trial_report(&trial, &report);
        CHECK(report.session == report.pid && report.group == report.pid);

        trial_set_up(&trial, method);
        trial.request.process_group = 0;
        trial_report(&trial, &report);
        CHECK(report.session == session && report.group == report.pid);

        trial_set_up(&trial, method);
        trial.request.process_group = group;
        trial_report(&trial, &report);
        CHECK(report.group == group);
    }
}

TEST(spawn_into_a_process_group_that_is_none)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.process_group = getpid() == getpgid(0) ? getppid() : getpid();
        trial_fails(&trial, FP_STAGE_SETUP, EPERM);
    }
}

TEST(spawn_changes_ids_and_leaves_the_parent_dumpable)
{
    static const gid_t groups[] = {65531, 65532};
    if (geteuid() != 0)
        return;
    int dumpable = prctl(PR_GET_DUMPABLE);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.set_groups = trial.request.set_gid = trial.request.set_uid = true;
        trial.request.groups = groups;
        trial.request.group_count = 2;
        trial.request.gid = 65533;
        trial.request.uid = 65534;
        trial_report(&trial, &report);
        for (int i = 0; i < 2; i++)
            CHECK(report.uids[i] == 65534 && report.gids[i] == 65533);
        CHECK(report.uids[2] == 65534 && report.gids[2] == 65533);
        CHECK(report.supplementary_count == 2);
        CHECK(memcmp(report.supplementary, groups, sizeof groups) == 0);
        CHECK(prctl(PR_GET_DUMPABLE) == dumpable);
        CHECK(geteuid() == 0 && getegid() != 65533);
    }
}

TEST(spawn_sets_no_groups_at_all)
{
    if (geteuid() != 0)
        return;
    trial_set_up(&trial, fp_spawn_best_method());
    trial.request.set_groups = true;
    trial_report(&trial, &report);
    CHECK(report.supplementary_count == 0);
}

static void change_ids_without_the_right_to(void)
{
    if (geteuid() == 0)
        CHECK(setresgid(65533, 65533, 65533) == 0 && setresuid(65534, 65534, 65534) == 0);
    for (int which = 0; which < 3; which++) {
        trial_set_up(&trial, fp_spawn_best_method());
        trial.request.set_groups = which == 0;
        trial.request.set_gid = which == 1;
        trial.request.set_uid = which == 2;
        trial_fails(&trial, FP_STAGE_SETUP, EPERM);
    }
}

TEST(spawn_changing_ids_without_the_right_to)
{
    run_apart(change_ids_without_the_right_to);
}

/* A number that was closed when it was given may since have become the outcome pipe's. */
static void name_own_outcome(bool as_stdout)
{
    struct trial t;
    trial_set_up(&t, FP_SPAWN_CLONE);
    int probe[2];
    CHECK(fp_fd_pipe(probe) == 0);
    int number = probe[1];
    fp_fd_close(&probe[0]);
    fp_fd_close(&probe[1]);
    if (as_stdout)
        t.request.stdio[1] = number;
    else
        t.request.pass_fds = &number, t.request.pass_fd_count = 1;
    t.paths[0] = "/bin/sleep";
    t.argv[0] = "sleep";
    t.argv[1] = "30";
    CHECK(trial_start(&t) == 0);
    struct pollfd outcome = {.fd = t.child.outcome_fd, .events = POLLIN};
    CHECK(poll(&outcome, 1, 10000) == 1);
    kill(t.child.pid, SIGKILL);
    trial_finish(&t);
    CHECK(!as_stdout || (t.error.err == EBADF && t.error.stage == FP_STAGE_SETUP));
    trial_tear_down(&t);
}

TEST(spawn_never_passes_its_own_outcome_pipe)
{
    name_own_outcome(false);
}

TEST(spawn_never_redirects_to_its_own_outcome_pipe)
{
    name_own_outcome(true);
}
