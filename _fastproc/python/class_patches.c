/* SPDX-License-Identifier: MIT
 *
 * See class_patches.h.
 *
 * CPython gives a class a new version tag when somebody looks into it after it was
 * changed, so comparing three tags says that nothing was.  From 3.12 on it can also
 * call a watcher, in the midst of the change; what is to be done is then done as soon
 * as the main thread comes to it.
 */
#include "python/class_patches.h"

/* The classes of asyncio that ours derive from: borrowed. */
static PyTypeObject *base_class(const struct fp_state *state, int which)
{
    PyObject *const ours[] = {state->process_type, state->reader_type, state->writer_type};
    return ((PyTypeObject *)ours[which])->tp_base;
}

PyObject *class_patches_changed(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct fp_state *state = PyModule_GetState(module);
    bool changed = false;
    for (int i = 0; i < FP_BASE_CLASSES; i++) {
        PyTypeObject *base = base_class(state, i);
        if (base->tp_version_tag != 0 && base->tp_version_tag == state->base_versions[i])
            continue;
        changed = true;
        compat_assign_version_tag(base);
        state->base_versions[i] = base->tp_version_tag;
    }
    return PyBool_FromLong(changed);
}

static int follow_patches(void *Py_UNUSED(argument))
{
    PyObject *module = PyImport_ImportModule("_fastproc._install");
    PyObject *done = module != NULL ? PyObject_CallMethod(module, "follow_patches", NULL) : NULL;
    if (done == NULL)
        PyErr_WriteUnraisable(module); /* it is nobody's call */
    Py_XDECREF(done);
    Py_XDECREF(module);
    return 0;
}

static int class_was_changed(PyTypeObject *Py_UNUSED(type))
{
    (void)Py_AddPendingCall(follow_patches, NULL); /* if it is refused, the next create does it */
    return 0;
}

PyObject *class_patches_watch(PyObject *module, PyObject *wanted)
{
    struct fp_state *state = PyModule_GetState(module);
    class_patches_stop(state);
    if (wanted == Py_True) {
        int watcher = compat_add_type_watcher(class_was_changed);
        PyErr_Clear(); /* there are eight in all: without one, patches are seen by the next create */
        for (int i = 0; watcher >= 0 && i < FP_BASE_CLASSES; i++)
            compat_watch_type(watcher, base_class(state, i));
        state->type_watcher = watcher + 1;
    }
    Py_RETURN_NONE;
}

void class_patches_stop(struct fp_state *state)
{
    if (state->type_watcher > 0)
        compat_clear_type_watcher(state->type_watcher - 1);
    state->type_watcher = 0;
}
