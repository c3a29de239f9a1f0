/* SPDX-License-Identifier: MIT
 *
 * posix/attributes: what a child is given that subprocess does not have, whichever
 * way it was started, and what becomes of what cannot be given.
 */
#include "check.h"
#include "posix/child_attributes.h"
#include "support.h"
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct trial trial;
static struct report report;
static struct fp_attributes attributes;

static void give(enum fp_attribute which)
{
    attributes.given |= 1U << which;
}

static void set_up(enum fp_spawn_method method)
{
    trial_set_up(&trial, method);
    attributes = (struct fp_attributes){.cgroup = -1};
    trial.request.attributes = &attributes;
}

static uint64_t signal_bit(int signum)
{
    return UINT64_C(1) << (signum - 1);
}

TEST(spawn_attributes_signals)
{
    for (unsigned method = 0; method < METHODS; method++) {
        signal(SIGUSR1, SIG_IGN);
        set_up(method);
        give(FP_ATTRIBUTE_DEFAULT_SIGNALS);
        give(FP_ATTRIBUTE_IGNORE_SIGNALS);
        attributes.default_signals = ~(signal_bit(SIGPIPE) | signal_bit(SIGUSR2));
        attributes.ignore_signals = signal_bit(SIGPIPE) | signal_bit(SIGUSR2);
        trial_report(&trial, &report);
        CHECK(report.ignored == attributes.ignore_signals);
    }
}

TEST(spawn_attributes_that_are_refused)
{
    for (unsigned method = 0; method < METHODS; method++) {
        set_up(method);
        give(FP_ATTRIBUTE_RLIMITS);
        attributes.limits_given = 1U << RLIMIT_NOFILE;
        attributes.limits[RLIMIT_NOFILE] = (struct rlimit){RLIM_INFINITY - 1, RLIM_INFINITY - 1};
        trial_fails(&trial, FP_STAGE_ATTRIBUTE + FP_ATTRIBUTE_RLIMITS, EPERM);

        set_up(method);
        give(FP_ATTRIBUTE_CPU_AFFINITY);
        trial_fails(&trial, FP_STAGE_ATTRIBUTE + FP_ATTRIBUTE_CPU_AFFINITY, EINVAL);

        set_up(method);
        give(FP_ATTRIBUTE_PARENT_DEATH_SIGNAL);
        attributes.parent_death_signal = 1000;
        trial_fails(&trial, FP_STAGE_ATTRIBUTE + FP_ATTRIBUTE_PARENT_DEATH_SIGNAL, EINVAL);

        set_up(method);
        give(FP_ATTRIBUTE_OOM_SCORE_ADJ);
        strcpy(attributes.oom_score_adj, "no");
        trial_fails(&trial, FP_STAGE_ATTRIBUTE + FP_ATTRIBUTE_OOM_SCORE_ADJ, EINVAL);

        set_up(method);
        give(FP_ATTRIBUTE_CGROUP);
        attributes.cgroup = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        trial_fails(&trial, FP_STAGE_ATTRIBUTE + FP_ATTRIBUTE_CGROUP, ENOENT);
        close(attributes.cgroup);
    }
}

TEST(spawn_attributes_limits)
{
    for (unsigned method = 0; method < METHODS; method++) {
        set_up(method);
        give(FP_ATTRIBUTE_RLIMITS);
        attributes.limits_given = 1U << RLIMIT_NOFILE;
        attributes.limits[RLIMIT_NOFILE] = (struct rlimit){20, 20};
        struct rlimit before, after;
        getrlimit(RLIMIT_NOFILE, &before);
        trial_report(&trial, &report);
        getrlimit(RLIMIT_NOFILE, &after);
        CHECK(before.rlim_cur == after.rlim_cur && before.rlim_max == after.rlim_max);
    }
}

/* How a process ends that takes its attributes while its parent is, or is not, `parent`. */
static int status_with(pid_t parent, int signum)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        enum fp_attribute which;
        attributes = (struct fp_attributes){.parent_death_signal = signum};
        give(FP_ATTRIBUTE_PARENT_DEATH_SIGNAL);
        long result = fp_child_attributes_after_ids(&attributes, parent, &which);
        int asked = 0;
        prctl(PR_GET_PDEATHSIG, &asked);
        _exit(result == 0 && asked == signum ? 7 : 8);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

TEST(spawn_attributes_of_an_orphan)
{
    int status = status_with(getpid(), SIGTERM);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = status_with(getpid() + 1, SIGTERM);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
