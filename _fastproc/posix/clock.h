/* SPDX-License-Identifier: MIT
 *
 * The clock that nobody sets, for intervals.
 */
#ifndef FP_POSIX_CLOCK_H
#define FP_POSIX_CLOCK_H

#include <time.h>

/* Nanoseconds since some point in the past. */
static inline long long fp_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

#endif
