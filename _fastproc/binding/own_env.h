/* SPDX-License-Identifier: MIT
 *
 * The environment of this process, for children that are given none: a copy,
 * because a child that has not exec'd yet reads it while the parent may change
 * its own.  The copy is shared by all children until the environment changes.
 */
#ifndef FP_BINDING_OWN_ENV_H
#define FP_BINDING_OWN_ENV_H

#include <stddef.h>

struct own_env {
    size_t references;
    size_t count;
    char *entries[]; /* NULL at the end; the strings follow */
};

/* The copy as of now: the one in *latest if that is still true, else a new one, which replaces it.
 * A reference, or NULL when out of memory. */
struct own_env *own_env_get(struct own_env **latest);

void own_env_release(struct own_env *env);

#endif
