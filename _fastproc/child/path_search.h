/* SPDX-License-Identifier: MIT
 *
 * Where a program may be, as PATH says.
 */
#ifndef FP_CHILD_PATH_SEARCH_H
#define FP_CHILD_PATH_SEARCH_H

#include "python/compat.h"

/* Like os.execvpe(): `program` (bytes) alone if it has a slash, else joined to each directory of
 * PATH.  PATH is that of `env`, a list of b"KEY=VALUE", or of this process if `env` is NULL.  A new
 * list of bytes, or NULL. */
PyObject *path_search(PyObject *program, PyObject *env);

#endif
