/* SPDX-License-Identifier: MIT
 *
 * What differs between CPython versions: the only place that asks for one.
 */
#ifndef FP_PYTHON_COMPAT_H
#define FP_PYTHON_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <structmember.h> /* T_PYSSIZET, which newer versions have in Python.h under other names */

#if PY_VERSION_HEX < 0x030b0000
#error "_fastproc needs CPython 3.11 or newer"
#endif

#if PY_VERSION_HEX >= 0x030d0000
#define compat_is_finalizing() Py_IsFinalizing()
#define compat_visit_dict(self, visit, arg) PyObject_VisitManagedDict(self, visit, arg)
#define compat_clear_dict(self) PyObject_ClearManagedDict(self)
#else
#define compat_is_finalizing() _Py_IsFinalizing()
#if PY_VERSION_HEX >= 0x030c0000
#define compat_visit_dict(self, visit, arg) _PyObject_VisitManagedDict(self, visit, arg)
#define compat_clear_dict(self) _PyObject_ClearManagedDict(self)
#else
/* 3.11: our tp_new leaves out the inline values, so there is a dict or nothing. */
static inline int compat_visit_dict(PyObject *self, visitproc visit, void *arg)
{
    PyObject **dict = _PyObject_GetDictPtr(self);
    if (dict != NULL)
        Py_VISIT(*dict);
    return 0;
}

static inline void compat_clear_dict(PyObject *self)
{
    PyObject **dict = _PyObject_GetDictPtr(self);
    if (dict != NULL)
        Py_CLEAR(*dict);
}
#endif
#endif

/* Whether inspect asks a coroutine for its cr_state. */
#define COMPAT_COROUTINES_HAVE_STATE (PY_VERSION_HEX >= 0x030f0000)

/* Whether PyErr_SetObject() does not make the exception until somebody looks at it. */
#define COMPAT_EXCEPTIONS_ARE_LAZY (PY_VERSION_HEX < 0x030c0000)

/* 1 if the GIL protects shared state.  Where this is 0 nothing is cached for all threads, and
 * guard.h says what protects it instead. */
#ifdef Py_GIL_DISABLED
#define COMPAT_HAS_GIL 0
#else
#define COMPAT_HAS_GIL 1
#endif

/* For a field that is read without a lock; a stale value is harmless. */
#if COMPAT_HAS_GIL
#define COMPAT_SHARED
#else
#define COMPAT_SHARED _Atomic
#endif

/* 0 where threads could share a freelist, and where a sanitizer should detect uses after free. */
#if !COMPAT_HAS_GIL || defined(__SANITIZE_ADDRESS__)
#define COMPAT_HAS_FREELISTS 0
#else
#define COMPAT_HAS_FREELISTS 1
#endif

/* A new reference to what the weak reference points to, or NULL (without an exception). */
static inline PyObject *compat_weakref_target(PyObject *ref)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *target = NULL;
    if (PyWeakref_GetRef(ref, &target) < 0)
        PyErr_Clear();
    return target;
#else
    PyObject *target = PyWeakref_GetObject(ref);
    return target == NULL || target == Py_None ? NULL : Py_NewRef(target);
#endif
}

/* The value of a key: a new reference, or NULL, with an exception if the lookup failed. */
static inline PyObject *compat_dict_get(PyObject *dict, PyObject *key)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *value = NULL;
    (void)PyDict_GetItemRef(dict, key, &value);
    return value;
#else
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
}

/* The attributes of a type itself: a new reference. */
static inline PyObject *compat_type_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyType_GetDict(type);
#else
    return Py_NewRef(type->tp_dict);
#endif
}

/* Registers a callback for changes of classes.  Its identifier, or -1 with an exception. */
static inline int compat_add_type_watcher(int (*callback)(PyTypeObject *))
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyType_AddWatcher(callback);
#else
    (void)callback;
    return -1;
#endif
}

static inline void compat_watch_type(int watcher, PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030c0000
    if (PyType_Watch(watcher, (PyObject *)type) < 0)
        PyErr_Clear();
#else
    (void)watcher, (void)type;
#endif
}

static inline void compat_clear_type_watcher(int watcher)
{
#if PY_VERSION_HEX >= 0x030c0000
    if (PyType_ClearWatcher(watcher) < 0)
        PyErr_Clear();
#else
    (void)watcher;
#endif
}

/* Makes tp_version_tag not 0, which also makes CPython call a watcher at the next change. */
static inline void compat_assign_version_tag(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030c0000
    (void)PyUnstable_Type_AssignVersionTag(type);
#else
    PyObject *any = PyObject_GetAttrString((PyObject *)type, "__init__");
    Py_XDECREF(any);
    PyErr_Clear();
#endif
}

/* A number that no other class has, and that this one loses when it or a base of it is changed; 0 if
 * it has none. */
static inline unsigned compat_version_of_type(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030d0000
    if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG))
        return 0;
#endif
    return __atomic_load_n(&type->tp_version_tag, __ATOMIC_RELAXED);
}

/* Leaves the current context.  A new reference to it, for the next function, or NULL.  Raises
 * nothing. */
static inline PyObject *compat_leave_context(void)
{
    PyObject *context = Py_XNewRef(PyThreadState_Get()->context);
    if (context != NULL && PyContext_Exit(context) < 0) {
        PyErr_Clear();
        Py_CLEAR(context);
    }
    return context;
}

static inline void compat_enter_context_again(PyObject *context)
{
    if (context != NULL && PyContext_Enter(context) < 0)
        PyErr_Clear(); /* it is in use elsewhere: the caller that entered it first will find out */
    Py_XDECREF(context);
}

/* For a tuple that is given another item. */
static inline void compat_forget_hash(PyObject *tuple)
{
#if PY_VERSION_HEX >= 0x030e0000
    ((PyTupleObject *)tuple)->ob_hash = -1;
#else
    (void)tuple;
#endif
}

/* The raised exception, normalized, with its traceback; NULL if there is none. */
static inline PyObject *compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(traceback);
    Py_DECREF(type);
    return value;
#endif
}

/* Raises `exception` (stolen); NULL raises nothing. */
static inline void compat_raise(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(exception);
#else
    if (exception != NULL)
        PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception,
                      PyException_GetTraceback(exception));
    else
        PyErr_Restore(NULL, NULL, NULL);
#endif
}

#endif
