/* SPDX-License-Identifier: MIT
 *
 * The few shapes of arguments that the methods have.
 */
#ifndef FP_PYTHON_ARGUMENTS_H
#define FP_PYTHON_ARGUMENTS_H

#include "python/compat.h"

/* A method of METH_FASTCALL | METH_KEYWORDS in a method table. */
#define FASTCALL(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

/* The one argument of a method, by position or by name: a borrowed reference; NULL if it is
 * optional and not given, or with TypeError. */
PyObject *arguments_one(const char *function, const char *name, bool required,
                        PyObject *const *args, Py_ssize_t nargs, PyObject *names);

/* The value of a keyword: a borrowed reference, or NULL if it is not given.  Cannot fail, because
 * it allocates nothing; PyDict_GetItemString() can, and hides it. */
PyObject *arguments_find(PyObject *kwargs, const char *name);

/* The arguments of get_extra_info(name, default=None): whether the name is `known`; -1 with an
 * exception.  *otherwise is borrowed. */
int arguments_extra_info(PyObject *args, PyObject *kwargs, const char *known, PyObject **otherwise);

/* Converts an int that fits a C int, such as a signal or a descriptor.  0 or -1. */
int arguments_int(PyObject *number, int *result);

#endif
