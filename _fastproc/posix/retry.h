/* SPDX-License-Identifier: MIT
 *
 * System calls that a signal may interrupt.
 */
#ifndef FP_POSIX_RETRY_H
#define FP_POSIX_RETRY_H

#include <errno.h>

/* Makes the call again as long as a signal interrupts it: FP_RETRY(count = read(fd, to, size)). */
#define FP_RETRY(call)                                                                             \
    do {                                                                                           \
    } while ((call) < 0 && errno == EINTR)

#endif
