/* SPDX-License-Identifier: MIT
 *
 * See state.h.
 */
#include "python/state.h"

#include "python/class_patches.h"

PyObject *import_attribute(const char *module_name, const char *attribute)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module != NULL ? PyObject_GetAttrString(module, attribute) : NULL;
    Py_XDECREF(module);
    return value;
}

PyObject *state_call_in_events(struct fp_state *state, PyObject *name)
{
    PyObject *function = compat_dict_get(state->events, name);
    if (function == NULL && !PyErr_Occurred())
        PyErr_Format(PyExc_AttributeError, "module 'asyncio.events' has no attribute '%U'", name);
    PyObject *result = function != NULL ? PyObject_CallNoArgs(function) : NULL;
    Py_XDECREF(function);
    return result;
}

void state_log_warning(const char *format, int pid)
{
    PyObject *logger = import_attribute("asyncio.unix_events", "logger");
    PyObject *done =
        logger != NULL ? PyObject_CallMethod(logger, "warning", "si", format, pid) : NULL;
    Py_XDECREF(logger);
    Py_XDECREF(done);
}

int state_add_type(PyObject *module, PyType_Spec *spec, PyObject *base, size_t instance_room,
                   PyObject **slot, const char *name)
{
    if (base != NULL && (size_t)((PyTypeObject *)base)->tp_basicsize > instance_room) {
        PyErr_Format(PyExc_ImportError,
                     "instances of %.100s are larger than _fastproc was built for",
                     ((PyTypeObject *)base)->tp_name);
        return -1;
    }
    *slot = PyType_FromModuleAndSpec(module, spec, base);
    if (*slot == NULL)
        return -1;
    return name != NULL ? PyModule_AddObjectRef(module, name, *slot) : 0;
}

/* ---- life ---- */

static int import_all(struct fp_state *state)
{
    static const struct {
        const char *module, *attribute;
        size_t offset;
    } imports[] = {
        {"asyncio.events", "__dict__", offsetof(struct fp_state, events)},
        {"asyncio.tasks", "__dict__", offsetof(struct fp_state, tasks)},
        {"_asyncio", "get_running_loop", offsetof(struct fp_state, get_running_loop)},
        {"_asyncio", "Task", offsetof(struct fp_state, Task)},
        {"asyncio.events", "Handle", offsetof(struct fp_state, Handle)},
        {"asyncio", "CancelledError", offsetof(struct fp_state, CancelledError)},
        {"asyncio", "InvalidStateError", offsetof(struct fp_state, InvalidStateError)},
        {"asyncio", "IncompleteReadError", offsetof(struct fp_state, IncompleteReadError)},
        {"asyncio", "LimitOverrunError", offsetof(struct fp_state, LimitOverrunError)},
        {"subprocess", "SubprocessError", offsetof(struct fp_state, SubprocessError)},
    };
    for (size_t i = 0; i < sizeof imports / sizeof imports[0]; i++) {
        PyObject *value = import_attribute(imports[i].module, imports[i].attribute);
        if (value == NULL)
            return -1;
        *(PyObject **)((char *)state + imports[i].offset) = value;
    }
    return 0;
}

static int intern_names(struct fp_state *state)
{
#define INTERN(name)                                                                               \
    if ((state->names.name = PyUnicode_InternFromString(#name)) == NULL)                           \
        return -1;
    FP_NAMES(INTERN)
#undef INTERN
    return 0;
}

int state_init(struct fp_state *state)
{
    state->hubs = PyDict_New();
    state->codes = PyDict_New();
    state->subprocess = PyImport_ImportModule("subprocess");
    state->empty_bytes = PyBytes_FromStringAndSize(NULL, 0);
    state->context_keyword = Py_BuildValue("(s)", "context");
    if (state->hubs == NULL || state->codes == NULL || state->subprocess == NULL ||
        state->empty_bytes == NULL || state->context_keyword == NULL)
        return -1;
    return intern_names(state) < 0 || import_all(state) < 0 ? -1 : 0;
}

static int state_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct fp_state *state = PyModule_GetState(module);
#define VISIT(name) Py_VISIT(state->name);
    FP_OBJECTS(VISIT)
#undef VISIT
    return 0;
}

static int state_clear(PyObject *module)
{
    struct fp_state *state = PyModule_GetState(module);
    class_patches_stop(state);
    freelist_drop(&state->free_awaitables, true); /* while their types are there */
    freelist_drop(&state->free_stops, true);
#define CLEAR(name) Py_CLEAR(state->name);
    FP_OBJECTS(CLEAR)
#undef CLEAR
#define CLEAR(name) Py_CLEAR(state->names.name);
    FP_NAMES(CLEAR)
#undef CLEAR
    fp_environ_snapshot_release(state->environ_snapshot);
    state->environ_snapshot = NULL;
    return 0;
}

static void state_free(void *module)
{
    state_clear(module);
}

struct PyModuleDef fp_module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_fastproc._core",
    .m_doc = "The C part of _fastproc.",
    .m_size = sizeof(struct fp_state),
    .m_traverse = state_traverse,
    .m_clear = state_clear,
    .m_free = state_free,
};

PyObject *state_define_module(PyMethodDef *functions, PyModuleDef_Slot *slots)
{
    if (fp_module_def.m_slots == NULL) { /* else another interpreter has been here */
        fp_module_def.m_methods = functions;
        fp_module_def.m_slots = slots;
    }
    return PyModuleDef_Init(&fp_module_def);
}
