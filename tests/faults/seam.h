/* SPDX-License-Identifier: MIT
 *
 * Put before every source of the extension (-include) in the build of the fault
 * matrix: the raw system calls of posix/sys.h ask seam.c first.  What is called
 * in libraries needs nothing here, the linker leads it through seam.c (--wrap).
 */
#ifndef FAULTS_SEAM_H
#define FAULTS_SEAM_H

#include "posix/sys.h"

/* 0 to go on, or the -errno to return.  Runs in the child too: see sys.h for what it may not do. */
long seam_raw(long number);

#if FP_HAVE_RAW_CALLS
#undef SYS1
#undef SYS2
#undef SYS3
#undef SYS4
#define SEAM(number, call)                                                                         \
    ({                                                                                             \
        long refused_ = seam_raw(number);                                                          \
        refused_ != 0 ? refused_ : (call);                                                         \
    })
#define SYS1(name, a) SEAM(SYS_##name, sys_call(SYS_##name, (long)(a), 0, 0, 0, 0))
#define SYS2(name, a, b) SEAM(SYS_##name, sys_call(SYS_##name, (long)(a), (long)(b), 0, 0, 0))
#define SYS3(name, a, b, c)                                                                        \
    SEAM(SYS_##name, sys_call(SYS_##name, (long)(a), (long)(b), (long)(c), 0, 0))
#define SYS4(name, a, b, c, d)                                                                     \
    SEAM(SYS_##name, sys_call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0))
#define sys_clone_to(number, a, b, c, run, argument)                                               \
    SEAM(number, sys_clone_to(number, a, b, c, run, argument))
#endif

#endif
