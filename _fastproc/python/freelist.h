/* SPDX-License-Identifier: MIT
 *
 * Dead objects kept for reuse, for the few types of which one object is made
 * and dropped with every line that is read.
 */
#ifndef FP_PYTHON_FREELIST_H
#define FP_PYTHON_FREELIST_H

#include "python/compat.h"

struct freelist {
    PyObject *kept[4];
    int count;
    bool off; /* forced by tests; and for good once the module is being cleared */
};

/* A new reference to an object of the type, not tracked, with every field as it was left; NULL
 * without an exception if none is kept. */
PyObject *freelist_take(struct freelist *list, PyTypeObject *type);

/* For the end of a tp_dealloc, with an untracked object that refers to nothing but its type.
 * False if it has to be freed after all; else the reference to the type is gone as well. */
bool freelist_keep(struct freelist *list, PyObject *dead);

/* Frees what is kept, and switches on or off from here on. */
void freelist_drop(struct freelist *list, bool off);

#endif
