/* SPDX-License-Identifier: MIT
 *
 * How many processors this process may use: those that its affinity allows, and no
 * more than the time of processors that its cgroup allows, as a container's does.
 */
#ifndef FP_POSIX_PROCESSORS_H
#define FP_POSIX_PROCESSORS_H

/* At least 1; as things are now. */
int fp_processors(void);

/* What the cgroup of this process and those above it allow in the long run, rounded up: by cpu.max
 * (v2) and cpu.cfs_quota_us (v1); INT_MAX without a limit, and where it cannot be read.  The two
 * folders are /proc/self and /sys/fs/cgroup, or a test's. */
int fp_processors_by_cgroup(const char *proc_self, const char *sys_fs_cgroup);

#endif
