/* SPDX-License-Identifier: MIT
 *
 * posix/handover, and children that are started by it: they have what was open
 * when they were, whatever becomes of it in the parent, and nothing else.
 */
#include "check.h"
#include "posix/exit.h"
#include "posix/fd.h"
#include "posix/handover.h"
#include "posix/sys.h"
#include "support.h"
#include "trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct trial trial;
static struct report report;
static struct fp_handover handover;

static uint64_t inode(int fd)
{
    struct stat info;
    CHECK(fstat(fd, &info) == 0);
    return info.st_ino;
}

/* A request for a reporter that reports by its stdout, for pass_fds are no matter of handovers. */
static void set_up(void)
{
    trial_set_up(&trial, FP_SPAWN_CLONE);
    CHECK(fp_handover_open(&handover) == 0);
    trial.request.pass_fd_count = 0;
    trial.request.stdio[1] = trial.report_ends[1];
    snprintf(trial.report_variable, sizeof trial.report_variable, "FP_REPORT=1");
    trial.request.handover = &handover;
}

static void take_report(void)
{
    CHECK(trial.error.err == 0 && trial.error.stage == FP_STAGE_NONE);
    fp_fd_close(&trial.report_ends[1]);
    CHECK(fp_fd_read(trial.report_ends[0], &report, sizeof report) == (ssize_t)sizeof report);
    CHECK(report.descriptors == 3 && report.open == 7);
    trial_tear_down(&trial);
    CHECK(fp_handover_take_back(&handover) == 0);
    fp_handover_close(&handover);
}

static bool can_share(void)
{
    return fp_spawn_best_method() == FP_SPAWN_CLONE && fp_spawn_can_share_table() == 1;
}

TEST(handover_keeps_open_what_was_sent_until_it_is_taken_back)
{
    int ends[2];
    char byte;
    CHECK(fp_handover_open(&handover) == 0);
    CHECK(handover.ours > 2 && handover.childs > 2);
    CHECK(fcntl(handover.ours, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(handover.childs, F_GETFD) == FD_CLOEXEC);
    CHECK(fp_handover_take_back(&handover) == 0);
    for (int times = 0; times < 3; times++) {
        CHECK(fp_fd_pipe_nonblocking(ends) == 0);
        CHECK(fp_handover_send(&handover, &ends[1], 1) == 0);
        fp_fd_close(&ends[1]);
        CHECK(fp_fd_read(ends[0], &byte, 1) == -EAGAIN); /* there is a writer still */
        CHECK(fp_handover_take_back(&handover) == 0);
        CHECK(fp_fd_read(ends[0], &byte, 1) == 0);
        fp_fd_close(&ends[0]);
    }
    fp_handover_close(&handover);
    CHECK(handover.ours == -1 && handover.childs == -1);
}

TEST(handover_of_a_closed_descriptor)
{
    int fds[FP_HANDOVER_MOST] = {0, 1, 2, 1000, 0};
    CHECK(fp_handover_open(&handover) == 0);
    CHECK(fp_handover_send(&handover, fds, FP_HANDOVER_MOST) == -EBADF);
    CHECK(fp_handover_take_back(&handover) == 0);
    fp_handover_close(&handover);
    CHECK(fp_handover_take_back(&handover) == -EBADF);
}

TEST(spawn_asks_a_child_whether_it_can_leave_the_table_and_leaves_none)
{
    if (fp_spawn_best_method() != FP_SPAWN_CLONE)
        return;
    int status;
    CHECK(fp_spawn_can_share_table() == 1);
    CHECK(waitpid(-1, &status, __WALL) == -1 && errno == ECHILD);
    CHECK(refuse_call(SYS_close_range, ENOSYS));
    CHECK(fp_spawn_can_share_table() == 0);
    CHECK(refuse_call_if(SYS_clone, 0, CLONE_VFORK, CLONE_VFORK, EAGAIN));
    CHECK(fp_spawn_can_share_table() == -EAGAIN);
}

TEST(spawn_by_handover_gives_what_was_open_at_the_call)
{
    if (!can_share())
        return;
    uint64_t wanted[3];
    int other[2], number = open("/dev/null", O_RDONLY | O_CLOEXEC);
    set_up();
    trial.request.stdio[0] = number;
    for (int fd = 0; fd < 3; fd++)
        wanted[fd] = inode(trial.request.stdio[fd] >= 0 ? trial.request.stdio[fd] : fd);
    CHECK(trial_start(&trial) == 0);
    CHECK(trial.request.shares_table);
    CHECK(fp_fd_pipe(other) == 0); /* and now it is something else, if it has not left already */
    dup2(other[0], number);
    CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
    take_report();
    for (int fd = 0; fd < 3; fd++)
        CHECK(report.stdio[fd] == wanted[fd]);
    close(number);
    fp_fd_close(&other[0]);
    fp_fd_close(&other[1]);
}

TEST(spawn_by_handover_closes_nothing_of_the_parents)
{
    if (!can_share())
        return;
    int open_before = check_open_descriptors(), kept[200];
    for (int i = 0; i < 200; i++)
        kept[i] = fcntl(0, F_DUPFD, 3);
    for (int times = 0; times < 50; times++) {
        set_up();
        int before = check_open_descriptors();
        CHECK(trial_start(&trial) == 0 && trial.request.shares_table);
        CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
        CHECK(check_open_descriptors() == before);
        take_report();
    }
    for (int i = 0; i < 200; i++)
        CHECK(close(kept[i]) == 0);
    CHECK(check_open_descriptors() == open_before);
}

TEST(spawn_by_handover_begins_in_a_directory)
{
    if (!can_share())
        return;
    int directory = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    set_up();
    trial.request.begin_in = &directory;
    CHECK(trial_start(&trial) == 0 && trial.request.shares_table);
    close(directory);
    CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
    take_report();
    CHECK(strcmp(report.directory, "/proc") == 0);
}

TEST(spawn_by_handover_of_a_missing_program)
{
    if (!can_share())
        return;
    set_up();
    trial.paths[0] = "/nonexistent";
    trial_fails(&trial, FP_STAGE_EXEC, ENOENT);
    CHECK(trial.request.shares_table && trial.request.early_error.stage == FP_STAGE_NONE);
    fp_handover_close(&handover);
}

TEST(spawn_copies_the_table_where_nothing_can_be_handed_over)
{
    if (!can_share())
        return;
    for (int reason = 0; reason < 4; reason++) {
        set_up();
        int saved = fcntl(0, F_DUPFD_CLOEXEC, 3);
        if (reason == 0) /* it cannot be sent, and the child is to have it closed */
            close(0);
        if (reason == 1)
            trial.request.close_fds = false;
        if (reason == 2)
            trial.method = FP_SPAWN_VFORK;
        if (reason == 3)
            trial.request.pass_fds = &handover.ours, trial.request.pass_fd_count = 1;
        CHECK(trial_start(&trial) == 0);
        CHECK(!trial.request.shares_table);
        CHECK(WEXITSTATUS(trial_finish(&trial)) == REPORTER_CODE);
        CHECK(fp_handover_take_back(&handover) == 0);
        dup2(saved, 0);
        close(saved);
        trial_tear_down(&trial);
        fp_handover_close(&handover);
    }
}

TEST(spawn_by_handover_that_cannot_leave_tells_so_and_closes_nothing)
{
    if (!can_share())
        return;
    set_up();
    int before = check_open_descriptors();
    CHECK(refuse_call(SYS_close_range, ENOSYS));
    CHECK(trial_start(&trial) == 0);
    CHECK(trial.request.shares_table);
    int status;
    CHECK(waitpid(trial.child.pid, &status, 0) == trial.child.pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 255);
    CHECK(trial.request.early_error.stage == FP_STAGE_SETUP);
    CHECK(trial.request.early_error.err == ENOSYS);
    CHECK(fp_spawn_outcome(trial.child.outcome_fd, &trial.error) == FP_OUTCOME_PENDING);
    CHECK(fp_handover_take_back(&handover) == 0);
    CHECK(fp_spawn_outcome(trial.child.outcome_fd, &trial.error) == FP_OUTCOME_GONE);
    fp_fd_close(&trial.child.outcome_fd);
    fp_fd_close(&trial.child.pidfd);
    CHECK(check_open_descriptors() == before);
    trial_tear_down(&trial);
    fp_handover_close(&handover);
}

/* Wherever it is by then: the parent loses nothing, and sees the end once it has taken back. */
TEST(spawn_by_handover_killed_at_any_moment)
{
    if (!can_share())
        return;
    for (int times = 0; times < 300; times++) {
        int status;
        set_up();
        int before = check_open_descriptors();
        CHECK(trial_start(&trial) == 0);
        for (volatile int delay = times * 100; delay > 0; delay--)
            ;
        CHECK(kill(trial.child.pid, SIGKILL) == 0);
        CHECK(waitpid(trial.child.pid, &status, 0) == trial.child.pid);
        CHECK(fp_handover_take_back(&handover) == 0);
        CHECK(fp_spawn_outcome(trial.child.outcome_fd, &trial.error) == FP_OUTCOME_GONE);
        fp_fd_close(&trial.child.outcome_fd);
        fp_fd_close(&trial.child.pidfd);
        CHECK(check_open_descriptors() == before);
        trial_tear_down(&trial);
        fp_handover_close(&handover);
    }
}

/* What a process has open. */
static int count_descriptors_of(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    int count = 0;
    if (directory == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Whether this kernel can close descriptors by the exec, so that they are open until then (Linux 5.11). */
static bool closes_by_exec(void)
{
    return syscall(SYS_close_range, ~0U, ~0U, 1U << 2) == 0;
}

/* Looked at while it waits for a program that is open for writing. */
TEST(spawn_by_handover_takes_along_nothing_else)
{
    if (!can_share())
        return;
    int kept[20], as_expected = 0;
    char program[] = "/tmp/fp-busy-XXXXXX";
    int busy = mkstemp(program);
    CHECK(busy >= 0 && fchmod(busy, 0700) == 0);
    for (int i = 0; i < 20; i++)
        kept[i] = fcntl(0, F_DUPFD_CLOEXEC, 3);
    set_up();
    trial.paths[0] = program;
    trial.request.others_are_starting = true;
    CHECK(trial_start(&trial) == 0 && trial.request.shares_table);
    while (fp_spawn_outcome(trial.child.outcome_fd, &trial.error) == FP_OUTCOME_PENDING) {
        /* 0, 1 and 2, and the outcome pipe; until the exec also what it has received for 0, 1 and 2,
         * and the socket */
        as_expected += count_descriptors_of(trial.child.pid) == (closes_by_exec() ? 8 : 4);
    }
    CHECK(trial.error.stage == FP_STAGE_EXEC && trial.error.err == ETXTBSY);
    CHECK(as_expected >= 5);
    CHECK(WEXITSTATUS(trial_finish(&trial)) == 255);
    trial_tear_down(&trial);
    fp_handover_close(&handover);
    for (int i = 0; i < 20; i++)
        close(kept[i]);
    close(busy);
    unlink(program);
}
