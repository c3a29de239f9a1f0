/* SPDX-License-Identifier: MIT
 *
 * The strings of a child: its arguments, environment, directory and candidate
 * paths, converted to bytes, gathered, and packed into one block.
 */
#ifndef FP_CHILD_EXEC_STRINGS_H
#define FP_CHILD_EXEC_STRINGS_H

#include "posix/spawn.h"
#include "python/compat.h"

struct exec_strings {
    PyObject *argv;  /* list of bytes */
    PyObject *env;   /* list of bytes b"KEY=VALUE", or NULL: this process' own */
    PyObject *cwd;   /* bytes, or NULL */
    PyObject *paths; /* list of bytes */
};

/* Converts.  `argv` is a list of str, bytes or PathLike, `executable` the program to run; `cwd` and
 * `env` may be NULL.  0 or -1. */
int exec_strings_gather(struct exec_strings *strings, PyObject *argv, PyObject *executable,
                        PyObject *cwd, PyObject *env);
void exec_strings_drop(struct exec_strings *strings);

/* How many bytes exec_strings_pack() needs in `room`.  It makes the request's pointers point there;
 * envp only if there is an environment. */
size_t exec_strings_size(const struct exec_strings *strings);
void exec_strings_pack(const struct exec_strings *strings, struct fp_spawn_request *request,
                       char *room);

#endif
