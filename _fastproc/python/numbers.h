/* SPDX-License-Identifier: MIT
 *
 * Numbers of any type that Python code only compares with counts of bytes.
 */
#ifndef FP_PYTHON_NUMBERS_H
#define FP_PYTHON_NUMBERS_H

#include "python/compat.h"

/* The largest count that is not above `number`, at least 0: a count is above the result exactly
 * when it is above `number`.  SIZE_MAX when no count is above it, as with an infinity or NaN.  0,
 * or -1 with TypeError. */
int number_floor(PyObject *number, size_t *count);

/* PyObject_RichCompareBool(number, count, operation) for a number of any type. */
int number_compare(PyObject *number, size_t count, int operation);

/* True if it is an int that fits, which is then in *value: comparing it needs no Python code. */
static inline bool number_is_plain(PyObject *number, Py_ssize_t *value)
{
    if (!PyLong_CheckExact(number))
        return false;
    int overflow;
    long long exact = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow != 0 || exact > PY_SSIZE_T_MAX || exact < -PY_SSIZE_T_MAX)
        return false;
    *value = (Py_ssize_t)exact;
    return true;
}

#endif
