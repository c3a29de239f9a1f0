/* SPDX-License-Identifier: MIT
 *
 * From the -errno of posix/ and stream/ to exceptions.
 */
#ifndef FP_PYTHON_ERRORS_H
#define FP_PYTHON_ERRORS_H

#include <errno.h>

#include "python/compat.h"

/* Raises the OSError of -err, naming `filename` unless that is NULL.  -1. */
static inline int raise_errno_of(int err, PyObject *filename)
{
    errno = -err;
    if (filename != NULL)
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, filename);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

static inline int raise_errno(int err)
{
    return raise_errno_of(err, NULL);
}

/* The same; `name` may be NULL. */
static inline int raise_errno_naming(int err, const char *name)
{
    PyObject *filename = name != NULL ? PyUnicode_FromString(name) : NULL;
    if (filename != NULL || name == NULL)
        raise_errno_of(err, filename);
    Py_XDECREF(filename);
    return -1;
}

/* The OSError of -err (or the error that prevented making it), not raised: a new reference. */
static inline PyObject *exception_of_errno(int err)
{
    raise_errno(err);
    return compat_take_exception();
}

/* The exception of a stream that could not be read.  A pipe never gives ENOMEM, so that is our own. */
static inline PyObject *exception_of_read(int err)
{
    if (err != -ENOMEM)
        return exception_of_errno(err);
    PyErr_NoMemory();
    return compat_take_exception();
}

#endif
