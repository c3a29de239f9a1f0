/* SPDX-License-Identifier: MIT
 *
 * The environment of this process, for children that are given none: a copy,
 * because a child that has not exec'd yet reads it while the parent may change
 * its own.  The copy is shared by all children until the environment changes.
 */
#ifndef FP_POSIX_ENVIRON_SNAPSHOT_H
#define FP_POSIX_ENVIRON_SNAPSHOT_H

#include <stddef.h>

struct fp_environ_snapshot {
    size_t references;
    size_t count;
    char *entries[]; /* NULL at the end; the strings follow */
};

/* The copy as of now: the one in *latest if that is still true, else a new one, which replaces it;
 * always a new one if `latest` is NULL.  A reference, or NULL when out of memory. */
struct fp_environ_snapshot *fp_environ_snapshot_take(struct fp_environ_snapshot **latest);

void fp_environ_snapshot_release(struct fp_environ_snapshot *env);

#endif
