/* SPDX-License-Identifier: MIT
 *
 * How many descriptors this process may still open.
 */
#ifndef FP_POSIX_FD_ROOM_H
#define FP_POSIX_FD_ROOM_H

/* The soft limit on descriptors, from the highest number on; INT_MAX if there is none. */
int fp_fd_limit(void);

/* How many are open; -1 if that is not known: before Linux 6.2, without /proc, elsewhere. */
int fp_fd_count(void);

#endif
