/* SPDX-License-Identifier: MIT
 *
 * posix/spawn where an old kernel or a sandbox refuses some of the calls that it
 * is built on: the plainer way is taken, and the child is the same.
 */
#include "check.h"
#include "posix/fd.h"
#include "posix/sys.h"
#include "support.h"
#include "trial.h"

#if FP_HAVE_RAW_CALLS

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* fork() of musl is a call of its own where the processor has it. */
static bool refuse_every_clone(int err)
{
#ifdef SYS_fork
    if (!refuse_call(SYS_fork, err))
        return false;
#endif
    return refuse_call(SYS_clone3, err) && refuse_call(SYS_clone, err);
}

static struct trial trial;
static struct report report;

static void handle(int signum)
{
    (void)signum;
}

/* A child that shows whether the machinery around the clone was right. */
static void start_and_compare(enum fp_spawn_method method, enum fp_spawn_method used, bool pidfd)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    signal(SIGUSR1, handle);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    trial_set_up(&trial, method);
    CHECK(trial_start(&trial) == 0);
    CHECK(trial.method == used);
    CHECK((trial.child.pidfd >= 0) == pidfd);
    CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
    CHECK(fp_fd_read(trial.report_ends[0], &report, sizeof report) == sizeof report);
    CHECK(report.descriptors == 4);
    CHECK(report.blocked == UINT64_C(1) << (SIGTERM - 1));
    CHECK(!(report.handled & UINT64_C(1) << (SIGUSR1 - 1)));
    CHECK(report.ignored & UINT64_C(1) << (SIGUSR2 - 1));
    CHECK(!(report.ignored & UINT64_C(1) << (SIGPIPE - 1)));
    trial_tear_down(&trial);
    trial_set_up(&trial, method);
    trial.paths[0] = "/nonexistent";
    trial_fails(&trial, FP_STAGE_EXEC, ENOENT);
}

static void without_clone3(void)
{
    const int errs[] = {ENOSYS, EPERM, EINVAL};
    for (int i = 0; i < 3; i++) {
        if (!refuse_call(SYS_clone3, errs[i]))
            return;
        for (unsigned method = 0; method < METHODS; method++)
            start_and_compare(method, method, true);
    }
}

TEST(spawn_without_clone3_uses_clone)
{
    run_apart(without_clone3);
}

static void without_memory_shared_in_parallel(void)
{
    if (!refuse_call(SYS_clone3, ENOSYS) ||
        !refuse_call_if(SYS_clone, 0, CLONE_VM | CLONE_VFORK, CLONE_VM, EPERM))
        return;
    start_and_compare(FP_SPAWN_CLONE, FP_SPAWN_VFORK, true);
}

TEST(spawn_where_clone_is_refused_suspends_the_parent)
{
    run_apart(without_memory_shared_in_parallel);
}

static void without_shared_memory(void)
{
    if (!refuse_call(SYS_clone3, ENOSYS) ||
        !refuse_call_if(SYS_clone, 0, CLONE_VM, CLONE_VM, EINVAL))
        return;
    start_and_compare(FP_SPAWN_CLONE, FP_SPAWN_FORK, true);
    start_and_compare(FP_SPAWN_VFORK, FP_SPAWN_FORK, true);
}

TEST(spawn_where_vfork_is_refused_forks)
{
    run_apart(without_shared_memory);
}

static void without_any_of_it(void)
{
    if (!refuse_call(SYS_clone3, ENOSYS) ||
        !refuse_call_if(SYS_clone, 0, CLONE_VM, CLONE_VM, EINVAL) ||
        !refuse_call_if(SYS_clone, 0, CLONE_PIDFD, CLONE_PIDFD, EINVAL))
        return;
    start_and_compare(FP_SPAWN_CLONE, FP_SPAWN_FORK, false);
    start_and_compare(FP_SPAWN_FORK, FP_SPAWN_FORK, false);
    if (geteuid() != 0)
        return;
    trial_set_up(&trial, FP_SPAWN_CLONE); /* its own memory, by the plainest means */
    trial.request.set_uid = true;
    trial.request.uid = 65534;
    trial_report(&trial, &report);
    CHECK(report.uids[0] == 65534 && report.uids[1] == 65534);
}

TEST(spawn_without_pidfds_forks_plainly)
{
    run_apart(without_any_of_it);
}

static int parents, childs;

static void count(void *context)
{
    ++*(int *)context;
}

static void count_in_parent(void *context)
{
    (void)context;
    parents++;
}

static void count_in_child(void *context)
{
    (void)context;
    childs++;
}

static void without_processes(void)
{
    int befores = 0;
    const struct fp_fork_hooks hooks = {count, count_in_parent, count_in_child, NULL, &befores};
    if (!refuse_every_clone(EAGAIN))
        return;
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        int before = check_open_descriptors();
        CHECK(trial_start(&trial) == -EAGAIN);
        CHECK(trial.method == method); /* too many processes are no reason for a plainer way */
        trial.request.hooks = &hooks;
        CHECK(trial_start(&trial) == -EAGAIN);
        CHECK(check_open_descriptors() == before);
        trial_tear_down(&trial);
    }
    CHECK(befores == 3 && parents == 3 && childs == 0);
}

TEST(spawn_with_too_many_processes_leaves_nothing_behind)
{
    run_apart(without_processes);
}

static void without_any_clone(void)
{
    sigset_t before, after;
    if (!refuse_every_clone(EPERM))
        return;
    sigprocmask(SIG_SETMASK, NULL, &before);
    trial_set_up(&trial, FP_SPAWN_CLONE);
    CHECK(trial_start(&trial) == -EPERM);
    trial_tear_down(&trial);
    sigprocmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&before, SIGTERM) == sigismember(&after, SIGTERM));
}

TEST(spawn_where_nothing_may_be_started_says_so)
{
    run_apart(without_any_clone);
}

static void without_dup3(void)
{
    const int errs[] = {ENOSYS, EPERM, EACCES, EINVAL};
    for (int i = 0; i < 4; i++) {
        if (!refuse_call(SYS_dup3, errs[i]))
            return;
        for (unsigned method = 0; method < METHODS; method++) {
            trial_set_up(&trial, method);
            trial.request.stdio[0] = trial.report_ends[0];
            trial_report(&trial, &report);
            CHECK(report.open & 1);
        }
    }
}

TEST(spawn_without_dup3_places_streams_by_dup2)
{
#ifdef SYS_dup2
    run_apart(without_dup3);
#else
    (void)without_dup3;
#endif
}

static void without_fchdir(void)
{
    int directories[2] = {open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    directories[1] = fcntl(directories[0], F_DUPFD_CLOEXEC, 200);
    const int errs[] = {ENOSYS, EPERM, EACCES, EINVAL};
    for (int i = 0; i < 4; i++) {
        if (!refuse_call(SYS_fchdir, errs[i]))
            return;
        for (int which = 0; which < 2; which++) {
            trial_set_up(&trial, FP_SPAWN_CLONE);
            trial.request.begin_in = &directories[which];
            trial_report(&trial, &report);
            CHECK(strcmp(report.directory, "/proc") == 0);
        }
    }
    close(directories[0]);
    close(directories[1]);
}

TEST(spawn_without_fchdir_begins_in_the_directory)
{
    run_apart(without_fchdir);
}

static void without_setsid(void)
{
    if (!refuse_call(SYS_setsid, EPERM))
        return;
    trial_set_up(&trial, FP_SPAWN_CLONE);
    trial.request.new_session = true;
    trial_fails(&trial, FP_STAGE_SETUP, EPERM);
}

TEST(spawn_without_setsid_says_so)
{
    run_apart(without_setsid);
}

static void without_vfork(void)
{
    if (!refuse_call(SYS_clone3, EACCES) ||
        !refuse_call_if(SYS_clone, 0, CLONE_VM, CLONE_VM, EACCES))
        return;
    trial_set_up(&trial, FP_SPAWN_CLONE);
    trial.request.waits = true; /* it cannot be: then there is a pipe */
    CHECK(trial_start(&trial) == 0);
    CHECK(trial.method == FP_SPAWN_FORK);
    CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
    trial_tear_down(&trial);
}

TEST(spawn_that_cannot_wait_has_a_pipe)
{
    run_apart(without_vfork);
}

/* Descriptors all over the place, of which the child keeps one. */
static void close_many(void)
{
    enum { MANY = 200 };
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = fcntl(2, F_DUPFD, i % 2 ? 3 : 500);
    for (unsigned method = 0; method < METHODS; method++) {
        trial_set_up(&trial, method);
        int passed[] = {fds[10], trial.report_ends[1]}; /* not ascending, and one of them CLOEXEC */
        trial.request.pass_fds = passed;
        trial.request.pass_fd_count = 2;
        uint64_t expected = 7;
        for (int i = 0; i < 2; i++)
            expected |= passed[i] < 64 ? UINT64_C(1) << passed[i] : 0;
        trial_report(&trial, &report);
        CHECK(report.open == expected);
        CHECK(report.descriptors == 5);
    }
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

static void close_by_list(void)
{
    if (refuse_call(SYS_close_range, ENOSYS))
        close_many();
}

TEST(spawn_without_close_range_closes_what_is_listed)
{
    run_apart(close_by_list);
}

static void close_one_by_one(void)
{
    if (refuse_call(SYS_close_range, ENOSYS) &&
        refuse_call_if(SYS_openat, 2, O_DIRECTORY, O_DIRECTORY, ENOENT))
        close_many();
    _exit(0); /* rather than count descriptors, which cannot be listed any more */
}

TEST(spawn_without_a_list_closes_one_by_one)
{
    run_apart(close_one_by_one);
}

#endif
