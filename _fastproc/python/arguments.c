/* SPDX-License-Identifier: MIT
 *
 * See arguments.h.
 */
#include "python/arguments.h"

#include <limits.h>

PyObject *arguments_one(const char *function, const char *name, bool required,
                        PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (nargs + named > 1)
        PyErr_Format(PyExc_TypeError, "%s() takes 1 argument, but %zd were given", function,
                     nargs + named);
    else if (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), name) != 0)
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function,
                     PyTuple_GET_ITEM(names, 0));
    else if (nargs + named == 1)
        return args[0];
    else if (required)
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", function,
                     name);
    return NULL;
}

PyObject *arguments_find(PyObject *kwargs, const char *name)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(kwargs, &at, &key, &value))
        if (PyUnicode_Check(key) && PyUnicode_CompareWithASCIIString(key, name) == 0)
            return value;
    return NULL;
}

int arguments_extra_info(PyObject *args, PyObject *kwargs, const char *known, PyObject **otherwise)
{
    static char *names[] = {"name", "default", NULL};
    PyObject *name;
    *otherwise = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get_extra_info", names, &name, otherwise))
        return -1;
    return PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, known) == 0;
}

int arguments_int(PyObject *number, int *result)
{
    int overflow;
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    if (value == -1 && overflow == 0 && PyErr_Occurred())
        return -1;
    if (overflow != 0 || value < INT_MIN || value > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    *result = (int)value;
    return 0;
}
