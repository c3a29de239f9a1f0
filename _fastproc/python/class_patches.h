/* SPDX-License-Identifier: MIT
 *
 * Notices that a program changes one of asyncio's three classes that ours derive
 * from, as tests do that patch a method.  _install.py then lets ours inherit it.
 */
#ifndef FP_PYTHON_CLASS_PATCHES_H
#define FP_PYTHON_CLASS_PATCHES_H

#include "python/state.h"

/* -> bool.  Whether one of the classes was changed since the last call, or may have been. */
PyObject *class_patches_changed(PyObject *module, PyObject *ignored);

/* -> None.  Starts or stops calling _install.follow_patches() soon after a change. */
PyObject *class_patches_watch(PyObject *module, PyObject *wanted);

void class_patches_stop(struct fp_state *state);

#endif
