/* SPDX-License-Identifier: MIT
 *
 * See class_patches.h.
 *
 * CPython gives a class a new version tag at the first lookup in it after a
 * change, so three equal tags mean that nothing was changed.  From 3.12 on it
 * can also call a watcher, in the middle of the change; follow_patches() then
 * runs as a pending call of the main thread.
 */
#include "python/class_patches.h"

/* The class of asyncio that one of ours derives from: a borrowed reference. */
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
        PyErr_WriteUnraisable(module); /* no caller could catch it */
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
        PyErr_Clear(); /* all eight may be taken: the next create then sees patches */
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
