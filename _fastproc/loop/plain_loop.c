/* SPDX-License-Identifier: MIT
 *
 * See plain_loop.h.
 */
#include "loop/plain_loop.h"

/* The methods that run a loop, or are called while it runs.  uvloop does not have all of them. */
static const char *const methods[] = {
    "run_forever",
    "run_until_complete",
    "stop",
    "is_running",
    "is_closed",
    "_check_running",
    "_check_closed",
    "_run_once",
    "_process_events",
    "_add_callback",
    "call_soon",
    "_call_soon",
    "call_later",
    "call_at",
    "call_exception_handler",
    "add_reader",
    "_add_reader",
    "remove_reader",
    "_remove_reader",
    "create_future",
    "create_task",
    "get_debug",
};
enum { METHODS = sizeof methods / sizeof methods[0] };

/* ---- classes ---- */

/* A new reference, or NULL without an exception. */
static PyObject *attribute_or_null(PyObject *object, const char *name)
{
    PyObject *value = object != NULL ? PyObject_GetAttrString(object, name) : NULL;
    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* The class of that name in a module that is imported already: a new reference, or NULL. */
static PyObject *imported_class(const char *module_name, const char *name)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    PyObject *module = PyMapping_GetItemString(modules, module_name);
    if (module == NULL)
        PyErr_Clear();
    PyObject *value = attribute_or_null(module, name);
    Py_XDECREF(module);
    return value;
}

/* Whether it is a Python function of one of asyncio's modules, not a wrapper or a replacement. */
static bool is_asyncios_function(PyObject *value)
{
    if (value == NULL || !PyFunction_Check(value))
        return false;
    PyObject *module = PyDict_GetItemString(PyFunction_GET_GLOBALS(value), "__name__");
    return module != NULL && PyUnicode_Check(module) &&
           (PyUnicode_CompareWithASCIIString(module, "asyncio.events") == 0 ||
            PyUnicode_CompareWithASCIIString(module, "asyncio.base_events") == 0 ||
            PyUnicode_CompareWithASCIIString(module, "asyncio.selector_events") == 0 ||
            PyUnicode_CompareWithASCIIString(module, "asyncio.unix_events") == 0);
}

static bool is_plain_selector_loop(PyTypeObject *type)
{
    PyObject *original = imported_class("asyncio.unix_events", "_UnixSelectorEventLoop");
    bool plain = original == (PyObject *)type;
    for (size_t i = 0; plain && i < METHODS; i++) {
        PyObject *method = attribute_or_null(original, methods[i]);
        plain = is_asyncios_function(method);
        Py_XDECREF(method);
    }
    Py_XDECREF(original);
    return plain;
}

/* uvloop has two classes of that name; the one in C cannot be changed. */
static bool is_plain_uvloop(PyTypeObject *type)
{
    PyObject *original = imported_class("uvloop", "Loop");
    PyObject *base = imported_class("uvloop.loop", "Loop");
    bool plain = original == (PyObject *)type && base == (PyObject *)type->tp_base;
    for (size_t i = 0; plain && i < METHODS; i++) {
        PyObject *method = attribute_or_null(original, methods[i]);
        PyObject *expected = attribute_or_null(base, methods[i]);
        plain = method == expected;
        Py_XDECREF(method);
        Py_XDECREF(expected);
    }
    Py_XDECREF(original);
    Py_XDECREF(base);
    return plain;
}

static enum loop_kind look_at_type(PyTypeObject *type)
{
    PyObject *raised = compat_take_exception();
    enum loop_kind kind = LOOP_OTHER;
    if (type->tp_getattro == PyObject_GenericGetAttr)
        kind = is_plain_selector_loop(type) ? LOOP_SELECTOR
               : is_plain_uvloop(type)      ? LOOP_UVLOOP
                                            : LOOP_OTHER;
    compat_raise(raised);
    return kind;
}

/* CPython gives a class another version number whenever it or one of its bases is changed, so the
 * number alone tells which class it is and that it is unchanged; 0 is no version. */
static enum loop_kind kind_of_loop(struct fp_state *state, PyObject *loop)
{
    unsigned number = compat_version_of_type(Py_TYPE(loop));
    for (int kind = 0; number != 0 && kind < LOOP_KINDS; kind++)
        if (state->loop_classes[kind] == number)
            return (enum loop_kind)kind;
    enum loop_kind kind = look_at_type(Py_TYPE(loop)); /* which gives it a number */
    state->loop_classes[kind] = number != 0 ? number : compat_version_of_type(Py_TYPE(loop));
    return kind;
}

bool plain_loop_by_class(struct fp_state *state, PyObject *loop)
{
    return kind_of_loop(state, loop) != LOOP_OTHER;
}

/* ---- what else may be replaced ---- */

static bool hides_a_method(PyObject *attributes)
{
    for (size_t i = 0; i < METHODS; i++) {
        PyObject *name = PyUnicode_FromString(methods[i]);
        int hides = name != NULL ? PyDict_Contains(attributes, name) : -1;
        Py_XDECREF(name);
        if (hides != 0)
            return true;
    }
    return false;
}

/* Whether no attribute of the loop object hides a method.  The attributes that it begins with are
 * never removed, so an added one shows in their number; while the hub is awake that includes one of
 * ours (close_watch.h). */
static bool hide_nothing(HubObject *hub, PyObject *attributes)
{
    Py_ssize_t count = PyDict_GET_SIZE(attributes);
    Py_ssize_t *known = &hub->plain_attributes[hub->token != NULL];
    if (*known == count)
        return true;
    bool plain = !hides_a_method(attributes);
    if (plain)
        *known = count;
    PyErr_Clear();
    return plain;
}

static bool is_still(PyObject *namespace, PyObject *name, PyObject *original)
{
    PyObject *found = compat_dict_get(namespace, name);
    if (found == NULL)
        PyErr_Clear();
    Py_XDECREF(found);
    return found == original;
}

/* Tools that time or name the callbacks of a loop replace Handle._run(). */
static bool handle_is_plain(struct fp_state *state)
{
    unsigned number = compat_version_of_type((PyTypeObject *)state->Handle);
    if (number != 0 && state->plain_handle == number)
        return true;
    PyObject *run = attribute_or_null(state->Handle, "_run");
    bool plain = is_asyncios_function(run);
    if (plain)
        state->plain_handle = compat_version_of_type((PyTypeObject *)state->Handle);
    Py_XDECREF(run);
    return plain;
}

static bool asyncio_is_plain(struct fp_state *state)
{
    return is_still(state->events, state->names.get_running_loop, state->get_running_loop) &&
           is_still(state->tasks, state->names.Task, state->Task) && handle_is_plain(state);
}

/* The __dict__ of the loop, if nothing in it hides a method: a new reference; else NULL. */
static PyObject *plain_attributes(HubObject *hub, PyObject *loop)
{
    PyObject *attributes = PyObject_GenericGetDict(loop, NULL);
    if (attributes == NULL)
        PyErr_Clear();
    else if (!hide_nothing(hub, attributes))
        Py_CLEAR(attributes);
    return attributes;
}

bool plain_loop(HubObject *hub, PyObject *loop)
{
    if (kind_of_loop(hub->state, loop) == LOOP_OTHER || !asyncio_is_plain(hub->state))
        return false;
    PyObject *attributes = plain_attributes(hub, loop);
    Py_XDECREF(attributes);
    return attributes != NULL;
}

static bool says_no(PyObject *loop, PyObject *question)
{
    PyObject *answer = PyObject_CallMethodNoArgs(loop, question);
    if (answer == NULL)
        PyErr_Clear();
    Py_XDECREF(answer);
    return answer == Py_False;
}

bool plain_loop_may_be_skipped(HubObject *hub, PyObject *loop)
{
    struct fp_state *state = hub->state;
    enum loop_kind kind = kind_of_loop(state, loop);
    /* Replacing a name in asyncio cannot make uvloop's loop run again inside a task. */
    if (kind == LOOP_OTHER || !(kind == LOOP_UVLOOP || asyncio_is_plain(state)))
        return false;
    PyObject *attributes = plain_attributes(hub, loop);
    if (attributes == NULL)
        return false;
    bool quiet = kind == LOOP_UVLOOP ? says_no(loop, state->names.get_debug)
                                     : is_still(attributes, state->names._debug, Py_False);
    Py_DECREF(attributes);
    return quiet;
}
