/* SPDX-License-Identifier: MIT
 *
 * How many descriptors may still be opened.
 */
#ifndef FP_POSIX_FD_ROOM_H
#define FP_POSIX_FD_ROOM_H

#include <stdbool.h>

/* The soft limit (RLIMIT_NOFILE), which is one more than the highest number; INT_MAX if there is none. */
int fp_fd_limit(void);

/* Whether this thread can open `count` more.  Two system calls; before Linux 6.2, without /proc and on
 * other systems one for each number that is looked at, from the limit down, and the answer is no if
 * some thousand are not enough. */
bool fp_fd_has_room(int count);

#endif
