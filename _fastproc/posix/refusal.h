/* SPDX-License-Identifier: MIT
 *
 * What a system call answers that is not to be had here: an old kernel says ENOSYS
 * or EINVAL, a sandbox what it likes.  Then another way is taken.
 */
#ifndef FP_POSIX_REFUSAL_H
#define FP_POSIX_REFUSAL_H

#include <errno.h>
#include <stdbool.h>

/* Of a result: a value or -errno. */
static inline bool fp_is_refusal(long result)
{
    return result == -ENOSYS || result == -EPERM || result == -EACCES || result == -EINVAL;
}

#endif
