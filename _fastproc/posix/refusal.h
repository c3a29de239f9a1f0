/* SPDX-License-Identifier: MIT
 *
 * The errors of a system call that is not available here: ENOSYS or EINVAL from an
 * old kernel, any of several from a sandbox.  The caller then takes another way.
 */
#ifndef FP_POSIX_REFUSAL_H
#define FP_POSIX_REFUSAL_H

#include <errno.h>
#include <stdbool.h>

/* `result` is a value or -errno. */
static inline bool fp_is_refusal(long result)
{
    return result == -ENOSYS || result == -EPERM || result == -EACCES || result == -EINVAL;
}

#endif
