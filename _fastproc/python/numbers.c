/* SPDX-License-Identifier: MIT
 *
 * See numbers.h.
 */
#include "python/numbers.h"

/* 0 or -1. */
static int floor_of_int(PyObject *number, size_t *count)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (value == -1 && overflow == 0 && PyErr_Occurred())
        return -1;
    if (overflow == 0)
        *count = value > 0 ? (size_t)value : 0;
    else
        *count = overflow > 0 ? SIZE_MAX : 0;
    return 0;
}

int number_floor(PyObject *number, size_t *count)
{
    const double too_many = 9223372036854775808.0; /* 2**63: more than anything can hold */
    if (PyIndex_Check(number))
        return floor_of_int(number, count);
    double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred())
        return -1;
    if (!(value < too_many))
        *count = SIZE_MAX;
    else
        *count = value > 0 ? (size_t)value : 0;
    return 0;
}

int number_compare(PyObject *number, size_t count, int operation)
{
    PyObject *object = PyLong_FromSize_t(count);
    int result = object != NULL ? PyObject_RichCompareBool(number, object, operation) : -1;
    Py_XDECREF(object);
    return result;
}
