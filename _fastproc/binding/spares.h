/* SPDX-License-Identifier: MIT
 *
 * Dead objects kept for the next of their type, for those few types of which one
 * is made and dropped with every line that is read.
 */
#ifndef FP_BINDING_SPARES_H
#define FP_BINDING_SPARES_H

#include "binding/compat.h"

struct spares {
    PyObject *kept[4];
    int count;
    bool off; /* forced by tests; and for good once the module is being cleared */
};

/* A new reference to an object of the type, not tracked, with every field as it was left; NULL
 * without an exception if none is kept. */
PyObject *spares_take(struct spares *spares, PyTypeObject *type);

/* For the end of a tp_dealloc, with an untracked object that refers to nothing but its type.
 * False if it has to be freed after all; else the reference to the type is gone as well. */
bool spares_keep(struct spares *spares, PyObject *dead);

/* Frees what is kept, and switches on or off from here on. */
void spares_drop(struct spares *spares, bool off);

#endif
