/* SPDX-License-Identifier: MIT
 *
 * How many processors this process may use: as many as its affinity allows, but
 * no more than the CPU quota of its cgroup (a container's, for example).  And how
 * many children it is worth starting on them at a time.
 */
#ifndef FP_POSIX_PROCESSORS_H
#define FP_POSIX_PROCESSORS_H

/* At least 1, at the time of the call. */
int fp_processors(void);

/* How many children of a loop may be between clone and exec on that many processors: enough to start
 * several in a turn of the loop, and no more, because starting children compete with the loop's thread
 * for the processors.  Measured on one and two: tests/bench/NOTES.rst. */
int fp_starts_at_a_time(int processors);
/* Two for each processor, one that runs and one that is ready: the number where few descriptors are
 * left, and the least on many processors, which were not measured. */
int fp_least_starts_at_a_time(int processors);

/* The lowest CPU quota of this process's cgroup and its ancestors, in processors, rounded up: from
 * cpu.max (v2) and cpu.cfs_quota_us (v1); INT_MAX if there is no limit or it cannot be read.  The
 * two folders are /proc/self and /sys/fs/cgroup, or a test's. */
int fp_processors_by_cgroup(const char *proc_self, const char *sys_fs_cgroup);

#endif
