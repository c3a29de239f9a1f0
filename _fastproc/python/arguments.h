/* SPDX-License-Identifier: MIT
 *
 * The few shapes of arguments that the methods have.
 */
#ifndef FP_PYTHON_ARGUMENTS_H
#define FP_PYTHON_ARGUMENTS_H

#include "python/compat.h"

/* A method of METH_FASTCALL | METH_KEYWORDS in a method table. */
#define FASTCALL(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

/* The one argument of a method, by position or by name: borrowed; NULL if it is optional and not
 * given, or with TypeError. */
PyObject *arguments_one(const char *function, const char *name, bool required,
                        PyObject *const *args, Py_ssize_t nargs, PyObject *names);

/* The value of a keyword: borrowed; NULL if it is not given.  Allocates nothing, so it does not fail
 * either, as PyDict_GetItemString() does without saying so. */
PyObject *arguments_find(PyObject *kwargs, const char *name);

/* The arguments of get_extra_info(name, default=None): whether the name is `known`; -1 with an
 * exception.  *otherwise is borrowed. */
int arguments_extra_info(PyObject *args, PyObject *kwargs, const char *known, PyObject **otherwise);

/* An int that fits C's, as a signal or a descriptor does.  0 or -1. */
int arguments_int(PyObject *number, int *result);

#endif
