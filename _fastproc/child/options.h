/* SPDX-License-Identifier: MIT
 *
 * The keyword arguments of a spawn, by name: borrowed references, NULL where
 * nothing was given.
 */
#ifndef FP_CHILD_OPTIONS_H
#define FP_CHILD_OPTIONS_H

#include "child/spawn_plan.h"
#include "posix/attributes.h"

#define FP_OPTIONS(OPTION)                                                                         \
    OPTION(stdin)                                                                                  \
    OPTION(stdout)                                                                                 \
    OPTION(stderr)                                                                                 \
    OPTION(preexec_fn)                                                                             \
    OPTION(close_fds)                                                                              \
    OPTION(pass_fds)                                                                               \
    OPTION(cwd)                                                                                    \
    OPTION(env)                                                                                    \
    OPTION(executable)                                                                             \
    OPTION(restore_signals)                                                                        \
    OPTION(start_new_session)                                                                      \
    OPTION(process_group)                                                                          \
    OPTION(user)                                                                                   \
    OPTION(group)                                                                                  \
    OPTION(extra_groups)                                                                           \
    OPTION(umask)                                                                                  \
    OPTION(pipesize)                                                                               \
    OPTION(terminal_size)                                                                          \
    OPTION(terminal_raw)                                                                           \
    OPTION(universal_newlines)                                                                     \
    OPTION(shell)                                                                                  \
    OPTION(bufsize)                                                                                \
    OPTION(text)                                                                                   \
    OPTION(encoding)                                                                               \
    OPTION(errors)                                                                                 \
    OPTION(startupinfo)                                                                            \
    OPTION(creationflags)

/* The values of subprocess' constants, and of our own. */
enum { PIPE = -1, STDOUT = -2, DEVNULL = -3, PTY = -4 };

/* Members carry an underscore because stdin and its kin are macros. */
struct options {
#define DECLARE(name) PyObject *_##name;
    FP_OPTIONS(DECLARE)
#undef DECLARE
    PyObject *attributes[FP_ATTRIBUTE_COUNT]; /* by enum fp_attribute */
    bool any_attribute;                       /* one of those is not NULL */
};

/* Sorts the keywords in and refuses what asyncio and subprocess refuse.  0 or -1. */
int options_read(struct options *options, const struct spawn_call *call);

/* ---- what the options mean: conversions into a plan, 0 or -1 each ---- */

int options_read_stdio(const struct options *options, struct spawn_plan *plan);
int options_read_identity(const struct options *options, struct spawn_plan *plan,
                          struct fp_state *state, gid_t **groups);
int options_read_flags(const struct options *options, struct spawn_plan *plan);
/* A sorted array of descriptors from PyMem, or NULL if there are none. */
int options_read_pass_fds(const struct options *options, struct spawn_plan *plan, int **fds);

static inline bool option_is_given(PyObject *option)
{
    return option != NULL && option != Py_None;
}

#endif
