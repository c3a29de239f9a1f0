/* SPDX-License-Identifier: MIT
 *
 * How many descriptors this process may still open.
 */
#ifndef FP_POSIX_FD_ROOM_H
#define FP_POSIX_FD_ROOM_H

/* The soft limit (RLIMIT_NOFILE), which is one more than the highest number; INT_MAX if there is none. */
int fp_fd_limit(void);

/* How many are open; -1 if unknown: before Linux 6.2, without /proc, on other systems. */
int fp_fd_count(void);

#endif
