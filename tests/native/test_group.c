/* SPDX-License-Identifier: MIT
 *
 * posix/group: the group of a child is reached as long as there is one, by its
 * pidfd also when the leader was reaped, and no other group ever is.
 */
#include "check.h"
#include "posix/fd.h"
#include "posix/group.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static const enum fp_exit_mode modes[] = {FP_EXIT_AUTO, FP_EXIT_PIDFD_ONLY, FP_EXIT_THREAD};
enum { MODES = sizeof modes / sizeof *modes };

static struct fp_exit leader;
static struct fp_exit_status status;
static pid_t member;

static void wait_for_ever(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

/* A child that leads a group of its own if `leads`, with one more process in it, whose pid is then
 * in `member`; it exits at once if `exits`.  When it is gone the member is ours. */
static void start(bool leads, bool exits, enum fp_exit_mode mode)
{
    int ends[2];
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (leads)
            setsid();
        member = fork();
        if (member == 0)
            for (;;)
                pause();
        CHECK(write(ends[1], &member, sizeof member) == sizeof member);
        if (exits)
            _exit(7);
        wait_for_ever();
    }
    CHECK(read(ends[0], &member, sizeof member) == sizeof member);
    close(ends[0]);
    close(ends[1]);
    CHECK(fp_exit_watch(&leader, pid, -1, mode) == 0);
}

static int wait_status(pid_t pid)
{
    int result;
    CHECK(waitpid(pid, &result, 0) == pid);
    return result;
}

static void reap_leader(void)
{
    wait_readable(leader.fd);
    CHECK(fp_exit_reap(&leader, &status) == FP_REAP_DONE);
}

/* Whether this kernel has the flag. */
static bool has_flag(void)
{
    long result = syscall(SYS_pidfd_send_signal, leader.fd, 0, NULL, 1 << 2);
    return result == 0 || errno != EINVAL;
}

TEST(group_signal_reaches_leader_and_member)
{
    for (size_t m = 0; m < MODES; m++) {
        start(true, false, modes[m]);
        CHECK(fp_group_is_led_by(&leader));
        CHECK(fp_group_signal(&leader, 0) == 0);
        CHECK(fp_group_signal(&leader, SIGTERM) == 0);
        reap_leader();
        CHECK(status.returncode == -SIGTERM);
        CHECK(WTERMSIG(wait_status(member)) == SIGTERM);
        CHECK(fp_group_signal(&leader, 0) == -ESRCH);
        CHECK(!fp_group_outlives(&leader));
        fp_fd_close(&leader.fd);
    }
}

TEST(group_signal_reaches_the_member_of_a_leader_that_is_not_reaped)
{
    for (size_t m = 0; m < MODES; m++) {
        start(true, true, modes[m]);
        wait_readable(leader.fd);
        CHECK(fp_group_is_led_by(&leader));
        CHECK(fp_group_signal(&leader, SIGTERM) == 0);
        CHECK(WTERMSIG(wait_status(member)) == SIGTERM);
        reap_leader();
        CHECK(status.returncode == 7);
        fp_fd_close(&leader.fd);
    }
}

TEST(group_signal_after_the_reap_goes_by_pidfd_or_not_at_all)
{
    for (size_t m = 0; m < MODES; m++) {
        start(true, true, modes[m]);
        bool by_pidfd = modes[m] == FP_EXIT_AUTO && leader.is_pidfd && has_flag();
        reap_leader();
        CHECK(!fp_group_is_led_by(&leader));
        CHECK(fp_group_outlives(&leader) == by_pidfd);
        CHECK(fp_group_signal(&leader, SIGTERM) == (by_pidfd ? 0 : -ESRCH));
        if (!by_pidfd)
            kill(member, SIGTERM);
        CHECK(WTERMSIG(wait_status(member)) == SIGTERM);
        CHECK(fp_group_signal(&leader, SIGTERM) == -ESRCH);
        fp_fd_close(&leader.fd);
    }
}

TEST(group_of_a_child_that_leads_none_is_not_the_parents)
{
    signal(SIGTERM, SIG_IGN); /* would end this process, which is in the child's group */
    for (size_t m = 0; m < MODES; m++) {
        start(false, false, modes[m]);
        CHECK(!fp_group_is_led_by(&leader));
        CHECK(fp_group_signal(&leader, SIGKILL) == -ESRCH);
        CHECK(fp_exit_destroy(&leader, &status) == 0);
        kill(member, SIGKILL);
        CHECK(WTERMSIG(wait_status(member)) == SIGKILL);
    }
}

TEST(group_signal_by_number_where_the_flag_is_refused)
{
    start(true, false, FP_EXIT_AUTO);
    if (leader.is_pidfd && refuse_call_if(SYS_pidfd_send_signal, 3, 1 << 2, 1 << 2, EINVAL)) {
        CHECK(!fp_group_outlives(&leader));
        CHECK(fp_group_signal(&leader, SIGTERM) == 0);
        reap_leader();
        CHECK(WTERMSIG(wait_status(member)) == SIGTERM);
        CHECK(fp_group_signal(&leader, 0) == -ESRCH);
        CHECK(fp_group_signal(&leader, 1000) == -EINVAL);
    } else {
        CHECK(fp_exit_destroy(&leader, &status) == 0);
        kill(member, SIGKILL);
        wait_status(member);
    }
    fp_fd_close(&leader.fd);
}

TEST(group_whose_leader_somebody_else_has_reaped)
{
    for (size_t m = 0; m < MODES; m++) {
        start(true, true, modes[m]);
        bool by_pidfd = modes[m] == FP_EXIT_AUTO && leader.is_pidfd && has_flag();
        wait_status(leader.pid);
        CHECK(!fp_group_is_led_by(&leader));
        CHECK(fp_group_signal(&leader, SIGTERM) == (by_pidfd ? 0 : -ESRCH));
        if (!by_pidfd)
            kill(member, SIGTERM);
        CHECK(WTERMSIG(wait_status(member)) == SIGTERM);
        wait_readable(leader.fd);
        fp_exit_reap(&leader, &status);
        fp_fd_close(&leader.fd);
    }
}

TEST(group_signal_that_does_not_exist)
{
    for (size_t m = 0; m < MODES; m++) {
        start(true, false, modes[m]);
        CHECK(fp_group_signal(&leader, 10000) == -EINVAL);
        CHECK(fp_group_signal(&leader, SIGKILL) == 0);
        reap_leader();
        wait_status(member);
        fp_fd_close(&leader.fd);
    }
}
