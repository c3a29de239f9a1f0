/* SPDX-License-Identifier: MIT
 *
 * Attributes of a child for which subprocess has no keyword: a cgroup, signals,
 * limits, a priority, processors.  The parent converts them to plain data; the
 * child sets them (child_attributes.c) at three places on its way to exec:
 *
 *     the cgroup, if the clone has not put it there
 *     descriptors, chdir, umask, signals as subprocess has them
 *     default_signals, ignore_signals, oom_score_adj, rlimits, nice, cpu_affinity
 *     session, group, ids
 *     no_new_privileges, parent_death_signal
 *     the terminal of the session
 *     preexec_fn, closing, exec
 *
 * The middle group comes before the ids, because raising a limit or a priority
 * may need root; oom_score_adj before rlimits, because it needs a descriptor;
 * parent_death_signal after the ids, because the kernel forgets it when they
 * change.
 */
#ifndef FP_POSIX_ATTRIBUTES_H
#define FP_POSIX_ATTRIBUTES_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#ifdef __linux__
#define FP_ON_LINUX 1
#else
#define FP_ON_LINUX 0
#endif

/* Each: its name in C, its keyword, and whether this platform has it. */
#define FP_ATTRIBUTES(ATTRIBUTE)                                                                   \
    ATTRIBUTE(CGROUP, cgroup, FP_ON_LINUX)                                                         \
    ATTRIBUTE(DEFAULT_SIGNALS, default_signals, 1)                                                 \
    ATTRIBUTE(IGNORE_SIGNALS, ignore_signals, 1)                                                   \
    ATTRIBUTE(OOM_SCORE_ADJ, oom_score_adj, FP_ON_LINUX)                                           \
    ATTRIBUTE(RLIMITS, rlimits, 1)                                                                 \
    ATTRIBUTE(NICE, nice, 1)                                                                       \
    ATTRIBUTE(CPU_AFFINITY, cpu_affinity, FP_ON_LINUX)                                             \
    ATTRIBUTE(NO_NEW_PRIVILEGES, no_new_privileges, FP_ON_LINUX)                                   \
    ATTRIBUTE(PARENT_DEATH_SIGNAL, parent_death_signal, FP_ON_LINUX)

enum fp_attribute {
#define NUMBER(number, keyword, is_here) FP_ATTRIBUTE_##number,
    FP_ATTRIBUTES(NUMBER)
#undef NUMBER
        FP_ATTRIBUTE_COUNT,
};

#ifdef RLIMIT_NLIMITS /* of glibc, whose enumerators are macros as well */
enum { FP_LIMITS = RLIMIT_NLIMITS };
#elif defined(RLIM_NLIMITS)
enum { FP_LIMITS = RLIM_NLIMITS };
#else
enum { FP_LIMITS = 16 };
#endif

enum { FP_MOST_CPUS = 8192, FP_CPUS_IN_WORD = 64 }; /* no Linux has more processors */

struct fp_attributes {
    unsigned given;        /* bit N: attribute N of enum fp_attribute */
    unsigned limits_given; /* bit N: limits[N], where N is an RLIMIT_ */
    struct rlimit limits[FP_LIMITS];
    uint64_t default_signals, ignore_signals; /* bit N - 1: signal N */
    int cgroup;                               /* a descriptor of its directory; else -1 */
    int nice;                                 /* as setpriority() takes it */
    int parent_death_signal;
    char oom_score_adj[8]; /* the text to write */
    uint64_t cpus[FP_MOST_CPUS / FP_CPUS_IN_WORD];
};

static inline bool fp_attributes_have(const struct fp_attributes *attributes,
                                      enum fp_attribute which)
{
    return attributes != NULL && (attributes->given >> which & 1);
}

#endif
