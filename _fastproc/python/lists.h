/* SPDX-License-Identifier: MIT
 *
 * Lists that take over what is put into them.
 */
#ifndef FP_PYTHON_LISTS_H
#define FP_PYTHON_LISTS_H

#include "python/compat.h"

/* `item` is stolen, and may be NULL with an exception.  0 or -1. */
static inline int list_append_stolen(PyObject *list, PyObject *item)
{
    int result = item != NULL ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return result;
}

#endif
