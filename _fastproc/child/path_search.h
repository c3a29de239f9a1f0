/* SPDX-License-Identifier: MIT
 *
 * Where a program may be, as PATH says.
 */
#ifndef FP_CHILD_PATH_SEARCH_H
#define FP_CHILD_PATH_SEARCH_H

#include "python/compat.h"

/* As os.execvpe: each directory of PATH joined with a program (bytes) that has no slash; else only
 * that.  PATH is that of `env`, a list of b"KEY=VALUE", or of this process if that is NULL.  A new
 * list of bytes, or NULL. */
PyObject *path_search(PyObject *program, PyObject *env);

#endif
