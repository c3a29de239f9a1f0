/* SPDX-License-Identifier: MIT
 *
 * The clock that is never set.
 */
#ifndef FP_POSIX_CLOCK_H
#define FP_POSIX_CLOCK_H

#include <time.h>

static inline long long fp_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

#endif
