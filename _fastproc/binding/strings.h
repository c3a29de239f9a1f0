/* SPDX-License-Identifier: MIT
 *
 * The strings of a child: its arguments, environment, directory and candidate
 * paths, converted to bytes, gathered, and packed into one block.
 */
#ifndef FP_BINDING_STRINGS_H
#define FP_BINDING_STRINGS_H

#include "binding/launch.h"

struct strings {
    PyObject *argv;  /* list of bytes */
    PyObject *env;   /* list of bytes b"KEY=VALUE", or NULL: this process' own */
    PyObject *cwd;   /* bytes, or NULL */
    PyObject *paths; /* list of bytes */
};

/* Converts.  `argv` is a list of str, bytes or PathLike, `executable` what to run; `cwd` and `env`
 * may be NULL.  0 or -1. */
int strings_gather(struct strings *strings, PyObject *argv, PyObject *executable, PyObject *cwd,
                   PyObject *env);
void strings_drop(struct strings *strings);

/* Bytes needed by strings_pack(), which fills the request's pointers in from `room`; envp only if
 * there is an environment. */
size_t strings_size(const struct strings *strings);
void strings_pack(const struct strings *strings, struct fp_spawn_request *request, char *room);

#endif
