/* SPDX-License-Identifier: MIT
 *
 * A copy of this process's environment, for children that are given none.  It is a
 * copy because a child that has not exec'd yet reads it while the parent may
 * change the original.  All children share the copy until the environment changes.
 */
#ifndef FP_POSIX_ENVIRON_SNAPSHOT_H
#define FP_POSIX_ENVIRON_SNAPSHOT_H

#include <stddef.h>

struct fp_environ_snapshot {
    size_t references;
    size_t count;
    char *entries[]; /* NULL at the end; the strings follow */
};

/* A copy of the current environment: *latest if that is still current, else a new copy, which replaces
 * it; always a new copy if `latest` is NULL.  Returns a new reference, or NULL when out of memory. */
struct fp_environ_snapshot *fp_environ_snapshot_take(struct fp_environ_snapshot **latest);

void fp_environ_snapshot_release(struct fp_environ_snapshot *env);

#endif
