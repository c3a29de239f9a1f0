/* SPDX-License-Identifier: MIT
 *
 * posix/spawn, the parent's side: every method starts a child or says where and
 * why it could not, leaves nothing behind, and does not wait for the exec.
 * What a child finds itself to be is in test_spawn_child.c, and machines that
 * refuse something are in test_spawn_refused.c.
 */
#include "check.h"
#include "posix/exit.h"
#include "posix/fd.h"
#include "posix/sys.h" /* SYS_clone3, where the C library lacks it */
#include "support.h"
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct trial trial;
static struct report report;

TEST(spawn_starts_the_program_by_every_method)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.argv[1] = "two words";
        trial.argv[2] = "";
        *trial.next_variable = "FP_WORD=given";
        setenv("FP_WORD", "of the parent", 1);
        trial_report(&trial, &report);
        CHECK(memcmp(report.arguments, "fp-reporter\0two words\0\0", 24) == 0);
        CHECK(strcmp(report.word, "given") == 0);
    }
}

TEST(spawn_uses_the_method_it_was_told)
{
    if (fp_spawn_best_method() != FP_SPAWN_CLONE)
        return;
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        CHECK(trial_start(&trial) == 0);
        CHECK(trial.method == method);
        CHECK((trial.child.pidfd >= 0) == fp_exit_has_pidfd());
        trial_finish(&trial);
        trial_tear_down(&trial);
    }
}

TEST(spawn_descriptors_are_not_inherited_and_the_outcome_does_not_block)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        CHECK(trial_start(&trial) == 0);
        CHECK(fcntl(trial.child.outcome_fd, F_GETFD) == FD_CLOEXEC);
        CHECK(fcntl(trial.child.outcome_fd, F_GETFL) & O_NONBLOCK);
        if (trial.child.pidfd >= 0)
            CHECK(fcntl(trial.child.pidfd, F_GETFD) == FD_CLOEXEC);
        trial_finish(&trial);
        trial_tear_down(&trial);
    }
}

TEST(spawn_pidfd_is_that_of_the_child)
{
    for (unsigned method = 0; method < METHODS; method++) {
        struct fp_exit child;
        struct fp_exit_status status;
        trial_set_up(&trial, method);
        CHECK(trial_start(&trial) == 0);
        CHECK(fp_exit_watch(&child, trial.child.pid, trial.child.pidfd, FP_EXIT_AUTO) == 0);
        wait_readable(child.fd);
        CHECK(fp_exit_reap(&child, &status) == FP_REAP_DONE);
        CHECK(status.returncode == REPORTER_CODE);
        CHECK(fp_spawn_outcome(trial.child.outcome_fd, &trial.error) == FP_OUTCOME_GONE);
        CHECK(trial.error.err == 0);
        fp_fd_close(&child.fd);
        fp_fd_close(&trial.child.outcome_fd);
        trial_tear_down(&trial);
    }
}

TEST(spawn_of_a_missing_program)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.paths[0] = "/nonexistent";
        trial_fails(&trial, FP_STAGE_EXEC, ENOENT);
    }
}

TEST(spawn_of_what_is_no_program)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.paths[0] = "/";
        trial_fails(&trial, FP_STAGE_EXEC, EACCES);
    }
}

TEST(spawn_below_what_is_no_directory)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.paths[0] = "/dev/null/program";
        trial_fails(&trial, FP_STAGE_EXEC, ENOTDIR);
    }
}

/* Two errors say only "not here"; of the others, the first is reported. */
static void fails_over(const char *first, const char *second, const char *third, int err)
{
    trial_set_up(&trial, fp_spawn_best_method());
    trial.paths[0] = (char *)first;
    trial.paths[1] = (char *)second;
    trial.paths[2] = (char *)third;
    trial_fails(&trial, FP_STAGE_EXEC, err);
}

TEST(spawn_over_several_candidates_tells_the_first_telling_error)
{
    static const char missing[] = "/nonexistent", below_file[] = "/dev/null/x", forbidden[] = "/";
    char too_long[5000];
    memset(too_long, 'l', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    fails_over(missing, forbidden, missing, EACCES);
    fails_over(forbidden, missing, below_file, EACCES);
    fails_over(missing, forbidden, too_long, EACCES);
    fails_over(below_file, too_long, forbidden, ENAMETOOLONG);
    fails_over(missing, below_file, NULL, ENOTDIR);
    fails_over(below_file, missing, NULL, ENOENT);
    fails_over(NULL, NULL, NULL, ENOENT);
}

TEST(spawn_takes_the_first_candidate_that_is_a_program)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.paths[0] = "/nonexistent";
        trial.paths[1] = "/";
        trial.paths[2] = REPORTER;
        trial.paths[3] = "/dev/null/x";
        trial_report(&trial, &report);
    }
}

TEST(spawn_into_a_directory_that_is_none)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.cwd = "/nonexistent";
        trial.paths[0] = "/nonexistent either";
        trial_fails(&trial, FP_STAGE_CHDIR, ENOENT);
        trial_set_up(&trial, method);
        trial.request.cwd = "/dev/null";
        trial_fails(&trial, FP_STAGE_CHDIR, ENOTDIR);
    }
}

TEST(spawn_reports_the_first_stage_that_fails)
{
    trial_set_up(&trial, fp_spawn_best_method());
    trial.request.stdio[1] = 1 << 20;
    trial.request.cwd = "/nonexistent";
    trial.paths[0] = "/nonexistent";
    trial_fails(&trial, FP_STAGE_SETUP, EBADF);
}

TEST(spawn_may_follow_a_failure_on_the_same_stack)
{
    trial_set_up(&trial, fp_spawn_best_method());
    for (int i = 0; i < 50; i++) {
        trial.paths[0] = "/nonexistent";
        CHECK(trial_start(&trial) == 0);
        trial_finish(&trial);
        CHECK(trial.error.stage == FP_STAGE_EXEC && trial.error.err == ENOENT);
    }
    trial.paths[0] = REPORTER;
    trial.error = (struct fp_spawn_error){0};
    trial_report(&trial, &report);
}

TEST(spawn_outcome_is_pending_until_the_child_has_let_go)
{
    int ends[2];
    struct fp_spawn_error error = {0}, sent = {EACCES, FP_STAGE_EXEC};
    CHECK(fp_fd_pipe(ends) == 0 && fp_fd_set_nonblocking(ends[0]) == 0);
    CHECK(fp_spawn_outcome(ends[0], &error) == FP_OUTCOME_PENDING);
    CHECK(error.err == 0 && error.stage == FP_STAGE_NONE);
    CHECK(write(ends[1], &sent, sizeof sent) == sizeof sent);
    CHECK(fp_spawn_outcome(ends[0], &error) == FP_OUTCOME_PENDING); /* it still runs */
    CHECK(fp_spawn_outcome(ends[0], &error) == FP_OUTCOME_PENDING);
    fp_fd_close(&ends[1]);
    CHECK(fp_spawn_outcome(ends[0], &error) == FP_OUTCOME_GONE);
    CHECK(error.err == EACCES && error.stage == FP_STAGE_EXEC);
    CHECK(fp_spawn_outcome(ends[0], &error) == FP_OUTCOME_GONE);
    CHECK(error.err == EACCES && error.stage == FP_STAGE_EXEC);
    fp_fd_close(&ends[0]);
}

TEST(spawn_without_descriptors_leaves_nothing_open)
{
    for (unsigned method = 0; method < METHODS; method++) {
        /* The pipe's ends and the pidfd, without which only a fork can be. */
        int steps = 2 + (fp_exit_has_pidfd() && method != FP_SPAWN_FORK);
        for (int left = 0; left < steps; left++) {
            trial_set_up(&trial, method);
            leave_free_descriptors(left);
            int before = count_low_descriptors();
            CHECK(trial_start(&trial) == -EMFILE);
            CHECK(count_low_descriptors() == before);
            CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
            free_descriptors();
            trial_tear_down(&trial);
        }
        trial_set_up(&trial, method);
        leave_free_descriptors(steps);
        CHECK(trial_start(&trial) == 0);
        CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
        free_descriptors();
        trial_tear_down(&trial);
    }
}

/* Suspended, it needs no pipe; a method or a request that cannot suspend has one as ever. */
TEST(spawn_that_waits_needs_a_pidfd_and_no_more)
{
    if (!FP_HAVE_RAW_CALLS || fp_spawn_best_method() == FP_SPAWN_FORK)
        return;
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.waits = true;
        leave_free_descriptors(method == FP_SPAWN_FORK ? 2 : fp_exit_has_pidfd());
        CHECK(fp_spawn_start(&trial.request, &trial.method, &trial.child) == 0);
        CHECK(trial.method == method);
        CHECK((trial.child.outcome_fd < 0) == (method != FP_SPAWN_FORK));
        CHECK(trial.request.early_error.stage == FP_STAGE_NONE);
        if (method == FP_SPAWN_FORK)
            trial_finish(&trial);
        else
            CHECK(waitpid(trial.child.pid, NULL, 0) == trial.child.pid);
        fp_fd_close(&trial.child.pidfd);
        free_descriptors();
        trial_tear_down(&trial);
    }
}

TEST(spawn_that_waits_knows_the_outcome)
{
    if (!FP_HAVE_RAW_CALLS || fp_spawn_best_method() == FP_SPAWN_FORK)
        return;
    for (unsigned method = 0; method < FP_SPAWN_FORK; method++) {
        trial_set_up(&trial, method);
        trial.request.waits = true;
        trial.paths[0] = "/nonexistent";
        CHECK(fp_spawn_start(&trial.request, &trial.method, &trial.child) == 0);
        CHECK(trial.child.outcome_fd < 0);
        CHECK(trial.request.early_error.stage == FP_STAGE_EXEC);
        CHECK(trial.request.early_error.err == ENOENT);
        CHECK(waitpid(trial.child.pid, NULL, 0) == trial.child.pid);
        fp_fd_close(&trial.child.pidfd);

        trial.paths[0] = REPORTER; /* with nothing left of the error of the other */
        trial.request.waits = true;
        CHECK(fp_spawn_start(&trial.request, &trial.method, &trial.child) == 0);
        CHECK(trial.request.early_error.stage == FP_STAGE_NONE);
        CHECK(waitpid(trial.child.pid, NULL, 0) == trial.child.pid);
        fp_fd_close(&trial.child.pidfd);
        CHECK(fp_fd_read(trial.report_ends[0], &report, sizeof report) == sizeof report);
        CHECK(report.pid == trial.child.pid);
        trial_tear_down(&trial);
    }
}

TEST(spawn_that_leaves_standard_streams_closed)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.close_stdio[0] = trial.request.close_stdio[2] = true;
        trial_report(&trial, &report);
        CHECK((report.open & 7) == 2);
    }
}

TEST(spawn_without_descriptors_for_the_child_says_so)
{
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        trial.request.stdio[0] = 1; /* each of them needs a copy first */
        trial.request.stdio[1] = 2;
        trial.request.stdio[2] = 0;
        leave_free_descriptors(3);
        CHECK(trial_start(&trial) == 0);
        trial_finish(&trial);
        free_descriptors();
        CHECK(trial.error.stage == FP_STAGE_SETUP && trial.error.err == EMFILE);
        trial_tear_down(&trial);
    }
}

TEST(spawn_leaves_mask_and_handlers_of_the_parent_alone)
{
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned method = 0; method < METHODS; method++)
        for (int fails = 0; fails < 2; fails++) {
            struct sigaction action;
            trial_set_up(&trial, method);
            leave_free_descriptors(fails ? 2 : 3);
            trial_start(&trial);
            free_descriptors();
            sigprocmask(SIG_SETMASK, NULL, &after);
            for (int signum = 1; signum <= SIGRTMAX; signum++)
                CHECK(sigismember(&after, signum) == sigismember(&mask, signum));
            if (trial.child.pid > 0)
                trial_finish(&trial);
            CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
            trial_tear_down(&trial);
        }
}

TEST(spawn_best_method_shares_no_memory_under_valgrind)
{
    const char *preload = getenv("LD_PRELOAD");
    char saved[4096];
    snprintf(saved, sizeof saved, "%s", preload != NULL ? preload : "");
    setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1);
    CHECK(fp_spawn_best_method() == FP_SPAWN_FORK);
    setenv("LD_PRELOAD", saved, 1);
}

/* A program whose exec blocks as long as the parent wishes: a file under a write lease. */
static struct {
    char path[512];
    int fd;
} slow;

/* False where the machine has no leases. */
static bool make_slow_program(void)
{
    const char *folder = getenv("TMPDIR");
    snprintf(slow.path, sizeof slow.path, "%s/fp-slow-XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkostemp(slow.path, O_CLOEXEC);
    static const char script[] = "#!/bin/sh\nexit 5\n";
    CHECK(fd >= 0 && fchmod(fd, 0700) == 0);
    CHECK(write(fd, script, sizeof script - 1) == sizeof script - 1);
    close(fd);
    signal(SIGIO, SIG_IGN); /* the news that somebody waits for the lease */
    slow.fd = open(slow.path, O_RDONLY | O_CLOEXEC);
    if (fcntl(slow.fd, F_SETLEASE, F_WRLCK) == 0)
        return true;
    close(slow.fd);
    unlink(slow.path);
    return false;
}

static void let_slow_program_go(void)
{
    CHECK(fcntl(slow.fd, F_SETLEASE, F_UNLCK) == 0);
    close(slow.fd);
}

static void start_slow_program(struct trial *of)
{
    trial_set_up(of, FP_SPAWN_CLONE);
    of->paths[0] = slow.path;
    CHECK(trial_start(of) == 0);
}

static bool can_start_slow_program(void)
{
    return fp_spawn_best_method() == FP_SPAWN_CLONE && make_slow_program();
}

TEST(spawn_by_clone_does_not_wait_for_the_exec)
{
    enum { MANY = 6 };
    static struct trial trials[MANY];
    if (!can_start_slow_program())
        return;
    for (int i = 0; i < MANY; i++)
        start_slow_program(&trials[i]);
    for (int i = 0; i < MANY; i++) {
        CHECK(trials[i].method == FP_SPAWN_CLONE);
        CHECK(fp_spawn_outcome(trials[i].child.outcome_fd, &trials[i].error) == FP_OUTCOME_PENDING);
    }
    let_slow_program_go();
    for (int i = 0; i < MANY; i++) {
        int status = trial_finish(&trials[i]);
        CHECK(trials[i].error.err == 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
        trial_tear_down(&trials[i]);
    }
    unlink(slow.path);
}

TEST(spawn_child_never_touches_errno_of_the_parent)
{
    if (!can_start_slow_program())
        return;
    start_slow_program(&trial);
    struct pollfd gone = {.fd = trial.child.outcome_fd, .events = POLLIN};
    errno = ERANGE;
    let_slow_program_go();
    CHECK(poll(&gone, 1, -1) == 1);
    CHECK(errno == ERANGE);
    trial_finish(&trial);
    for (int i = 0; i < 20; i++) {
        trial.paths[0] = "/nonexistent"; /* and one that sees errors */
        CHECK(trial_start(&trial) == 0);
        gone.fd = trial.child.outcome_fd;
        errno = ERANGE;
        CHECK(poll(&gone, 1, -1) == 1);
        CHECK(errno == ERANGE);
        trial_finish(&trial);
    }
    trial_tear_down(&trial);
    unlink(slow.path);
}

TEST(spawn_child_killed_before_its_exec_reports_no_error)
{
    if (!can_start_slow_program())
        return;
    start_slow_program(&trial);
    CHECK(kill(trial.child.pid, SIGKILL) == 0);
    int status = trial_finish(&trial);
    CHECK(trial.error.err == 0 && trial.error.stage == FP_STAGE_NONE);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    let_slow_program_go();
    trial_tear_down(&trial);
    unlink(slow.path);
}

static volatile sig_atomic_t handled_by;

static void note_who(int signum)
{
    (void)signum;
    handled_by = getpid();
}

static void signal_a_child_before_its_exec(void)
{
    if (!can_start_slow_program())
        return;
    signal(SIGUSR1, note_who);
    start_slow_program(&trial);
    CHECK(kill(trial.child.pid, SIGUSR1) == 0);
    int status = trial_finish(&trial);
    CHECK(handled_by == 0); /* in the memory that it shares */
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    let_slow_program_go();
    trial_tear_down(&trial);
    unlink(slow.path);
}

TEST(spawn_child_never_runs_a_handler_of_the_parent)
{
    signal_a_child_before_its_exec();
}

#if FP_HAVE_RAW_CALLS
static void signal_without_clone3(void)
{
    if (refuse_call(SYS_clone3, ENOSYS)) /* so that the child resets the handlers itself */
        signal_a_child_before_its_exec();
}

/* Whichever handler it is about to reset: of each signal there is one. */
static void signal_children_at_once(void)
{
    enum { MANY = 300 };
    if (fp_spawn_best_method() != FP_SPAWN_CLONE || !refuse_call(SYS_clone3, ENOSYS))
        return;
    signal(SIGUSR1, note_who);
    signal(SIGRTMAX, note_who);
    trial_set_up(&trial, FP_SPAWN_CLONE);
    for (int i = 0; i < MANY; i++) {
        CHECK(trial_start(&trial) == 0);
        for (int pause = 0; pause < i * 100; pause++)
            __asm__ volatile("");
        CHECK(kill(trial.child.pid, i % 2 ? SIGUSR1 : SIGRTMAX) == 0);
        trial_finish(&trial);
        CHECK(handled_by == 0);
    }
    trial_tear_down(&trial);
}

TEST(spawn_child_never_runs_a_handler_of_the_parent_without_clone3)
{
    run_apart(signal_without_clone3);
}

TEST(spawn_child_never_runs_a_handler_whenever_the_signal_comes)
{
    run_apart(signal_children_at_once);
}
#endif
