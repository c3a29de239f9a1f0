/* SPDX-License-Identifier: MIT
 *
 * Starting a child: the four functions of the module, and the awaitable that
 * they return.
 */
#ifndef FP_CHILD_CREATE_H
#define FP_CHILD_CREATE_H

#include "python/state.h"

enum create_function {
    CREATE_PROCESS_EXEC,
    CREATE_PROCESS_SHELL,
    CREATE_EXEC,
    CREATE_SHELL,
};

const char *create_name(enum create_function function);

/* An awaitable that returns a Process.  `args` is a tuple, of which a shell uses only the first
 * item; the awaitable may change the dict `kwargs`. */
PyObject *create_awaitable(struct fp_state *state, enum create_function function, PyObject *args,
                           PyObject *kwargs);
/* The same, but it returns (transport, protocol); `loop` may be None for the running one. */
PyObject *create_awaitable_low(struct fp_state *state, enum create_function function,
                               PyObject *args, PyObject *kwargs, PyObject *loop, PyObject *factory);

/* create_calls.c: the functions of the module. */
PyObject *create_subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *create_subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs);
/* The same as methods of a loop, which is their first argument. */
PyObject *loop_subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *loop_subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs);

#endif
