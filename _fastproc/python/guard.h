/* SPDX-License-Identifier: MIT
 *
 * The guard replaces the GIL in a CPython that has none.  Where there is a GIL
 * all of this compiles to nothing.
 *
 * A loop has one lock, its hub's, for the hub and all that refers to it: children,
 * pipes, streams.  An object without a hub (a reader made by hand) has its own.  An
 * awaitable belongs to the thread that steps it, and its lock says so (awaitable.c).
 *
 * The lock is a CPython critical section.  Like a GIL it is released wherever Python
 * runs or waits, and when the world is stopped for a fork or the collector; so other
 * threads come in only where they can with a GIL, and the functions need no code for
 * it.  It is taken where Python calls in: by wrappers of the functions in the tables
 * of methods, attributes and slots.  It is not held while a task runs.
 */
#ifndef FP_PYTHON_GUARD_H
#define FP_PYTHON_GUARD_H

#include "python/compat.h"

/* The code between the two, in one block, holds the object's lock.  The object must outlive the
 * second. */
#if COMPAT_HAS_GIL
#define GUARD_BEGIN(object) {
#define GUARD_END() }
#else
#define GUARD_BEGIN(object) Py_BEGIN_CRITICAL_SECTION((PyObject *)(object))
#define GUARD_END() Py_END_CRITICAL_SECTION()
#endif

/* For an entry of a table: the function, or its wrapper, which one of the macros below defines. */
#if COMPAT_HAS_GIL
#define GUARDED(function) function
#else
#define GUARDED(function) function##_guarded
#endif

/* Once in a file, before the wrappers: the object whose lock they take, an expression of `op`. */
#if COMPAT_HAS_GIL
#define GUARD_BY(object) struct guard_is_not_needed
#else
#define GUARD_BY(object)                                                                           \
    static inline PyObject *guard_of(PyObject *op)                                                 \
    {                                                                                              \
        return (PyObject *)(object);                                                               \
    }                                                                                              \
    struct guard_is_needed
#endif

#if COMPAT_HAS_GIL
#define GUARD_WRAP(type, function, parameters, arguments) struct guard_is_not_needed
#else
#define GUARD_WRAP(type, function, parameters, arguments)                                          \
    static type function##_guarded parameters                                                      \
    {                                                                                              \
        type result;                                                                               \
        Py_BEGIN_CRITICAL_SECTION(guard_of(op));                                                   \
        result = function arguments;                                                               \
        Py_END_CRITICAL_SECTION();                                                                 \
        return result;                                                                             \
    }                                                                                              \
    struct guard_is_needed
#endif

/* One for each signature; METHOD is for METH_NOARGS and METH_O, KEYWORDS for METH_VARARGS. */
#define GUARD_METHOD(function)                                                                     \
    GUARD_WRAP(PyObject *, function, (PyObject * op, PyObject * argument), (op, argument))
#define GUARD_FASTCALL(function)                                                                   \
    GUARD_WRAP(PyObject *, function,                                                               \
               (PyObject * op, PyObject *const *args, Py_ssize_t nargs, PyObject *names),          \
               (op, args, nargs, names))
#define GUARD_KEYWORDS(function)                                                                   \
    GUARD_WRAP(PyObject *, function, (PyObject * op, PyObject * args, PyObject * kwargs),          \
               (op, args, kwargs))
#define GUARD_INIT(function)                                                                       \
    GUARD_WRAP(int, function, (PyObject * op, PyObject * args, PyObject * kwargs),                 \
               (op, args, kwargs))
#define GUARD_GETTER(function)                                                                     \
    GUARD_WRAP(PyObject *, function, (PyObject * op, void *closure), (op, closure))
#define GUARD_SETTER(function)                                                                     \
    GUARD_WRAP(int, function, (PyObject * op, PyObject * value, void *closure),                    \
               (op, value, closure))
#define GUARD_UNARY(function) GUARD_WRAP(PyObject *, function, (PyObject * op), (op))

#endif
