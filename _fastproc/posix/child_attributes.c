/* SPDX-License-Identifier: MIT
 *
 * See child_attributes.h, and for the order attributes.h.
 */
#include "posix/child_attributes.h"

#include <stddef.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "posix/sys.h"

enum { SIGNALS = 64 };

FP_IN_CHILD static bool has(const struct fp_attributes *attributes, enum fp_attribute which)
{
    return attributes->given >> which & 1;
}

#if FP_ON_LINUX
/* Writes a short text into a file of the kernel's, which takes all of it or nothing. */
FP_IN_CHILD static long write_file(int folder, const char *path, const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    long fd = sys_open_to_write(folder, path);
    if (fd < 0)
        return fd;
    long result = sys_write((int)fd, text, length);
    sys_close((int)fd);
    return result < 0 ? result : 0;
}

FP_IN_CHILD long fp_child_enter_cgroup(const struct fp_attributes *attributes)
{
    return write_file(attributes->cgroup, "cgroup.procs", "0"); /* this process */
}

FP_IN_CHILD static long set_oom_score_adj(const struct fp_attributes *attributes)
{
    return write_file(AT_FDCWD, "/proc/self/oom_score_adj", attributes->oom_score_adj);
}

FP_IN_CHILD static long set_affinity(const struct fp_attributes *attributes)
{
    return sys_set_affinity(sizeof attributes->cpus, attributes->cpus);
}

FP_IN_CHILD static long set_no_new_privileges(void)
{
    return sys_prctl(PR_SET_NO_NEW_PRIVS, 1);
}

/* If the parent died before this call there will be no signal, so the child sends it to itself.  To
 * a child in its own pid namespace the parent's pid is 0, whether the parent lives or not. */
FP_IN_CHILD static long set_parent_death_signal(const struct fp_attributes *attributes,
                                                pid_t parent)
{
    long result = sys_prctl(PR_SET_PDEATHSIG, attributes->parent_death_signal);
    if (result < 0)
        return result;
    long now = sys_getppid();
    return now == parent || now == 0 ? 0 : sys_kill_self(attributes->parent_death_signal);
}
#else
FP_IN_CHILD long fp_child_enter_cgroup(const struct fp_attributes *attributes)
{
    return -ENOSYS; /* as for the others: the parent has refused it */
}

#define set_oom_score_adj(attributes) (-ENOSYS)
#define set_affinity(attributes) (-ENOSYS)
#define set_no_new_privileges() (-ENOSYS)
#define set_parent_death_signal(attributes, parent) (-ENOSYS)
#endif

FP_IN_CHILD static long set_signals(uint64_t signals, void *handler)
{
    const struct sys_sigaction action = {.handler = handler};
    for (int signum = 1; signum <= SIGNALS; signum++)
        if ((signals >> (signum - 1) & 1) && signum != SIGKILL && signum != SIGSTOP) {
            long result = sys_sigaction(signum, &action, NULL);
            if (result < 0)
                return result;
        }
    return 0;
}

FP_IN_CHILD static long set_limits(const struct fp_attributes *attributes)
{
    for (int resource = 0; resource < FP_LIMITS; resource++)
        if (attributes->limits_given >> resource & 1) {
            long result = sys_setrlimit(resource, &attributes->limits[resource]);
            if (result < 0)
                return result;
        }
    return 0;
}

FP_IN_CHILD long fp_child_attributes_before_ids(const struct fp_attributes *attributes,
                                                enum fp_attribute *which)
{
    long result = 0;
    if (has(attributes, *which = FP_ATTRIBUTE_DEFAULT_SIGNALS))
        result = set_signals(attributes->default_signals, (void *)SIG_DFL);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_IGNORE_SIGNALS))
        result = set_signals(attributes->ignore_signals, (void *)SIG_IGN);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_OOM_SCORE_ADJ))
        result = set_oom_score_adj(attributes);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_RLIMITS))
        result = set_limits(attributes);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_NICE))
        result = sys_setpriority(attributes->nice);
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_CPU_AFFINITY))
        result = set_affinity(attributes);
    return result;
}

FP_IN_CHILD long fp_child_attributes_after_ids(const struct fp_attributes *attributes, pid_t parent,
                                               enum fp_attribute *which)
{
    long result = 0;
    if (has(attributes, *which = FP_ATTRIBUTE_NO_NEW_PRIVILEGES))
        result = set_no_new_privileges();
    if (result >= 0 && has(attributes, *which = FP_ATTRIBUTE_PARENT_DEATH_SIGNAL))
        result = set_parent_death_signal(attributes, parent);
    return result;
}
