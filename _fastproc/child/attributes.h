/* SPDX-License-Identifier: MIT
 *
 * The keywords that subprocess does not have, from Python's values to the data of
 * posix/attributes.h.  A keyword is a line there, in FP_ATTRIBUTES, and a function
 * in attributes.c that converts its value.
 *
 * Where the standard library has a function for the same (resource.setrlimit(),
 * os.sched_setaffinity() ...), a bad value raises what that raises.
 */
#ifndef FP_CHILD_ATTRIBUTES_H
#define FP_CHILD_ATTRIBUTES_H

#include "posix/attributes.h"
#include "python/state.h"

/* Converts values[], which has a place for each enum fp_attribute; NULL or None is not given.
 * *attributes is then new memory of PyMem_Raw, or NULL if the values change nothing.  The caller
 * closes attributes->cgroup.  0, or -1 with nothing to free or close. */
int attributes_read(const struct fp_state *state, PyObject *const *values,
                    struct fp_attributes **attributes);

/* Raises the OSError of -err, with the keyword in the place of a file's name.  -1. */
int attributes_raise(int err, enum fp_attribute which);
/* The keywords in `words`, which spaces separate, as bits of enum fp_attribute.  0, or -1 with
 * ValueError. */
int attributes_find(const char *words, unsigned *found);

#endif
