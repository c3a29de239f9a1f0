/* SPDX-License-Identifier: MIT
 *
 * The guard: what stands in for the GIL in a CPython that has none.  Where there
 * is a GIL all of this is nothing.
 *
 * A loop has one lock, its hub's, for the hub and all that refers to it: children,
 * pipes, streams.  What has no hub (a reader made by hand) has its own.  An awaitable
 * belongs to who steps it, and its lock says who that is (awaitable.c).
 *
 * The lock is a critical section of CPython's.  As a GIL it is given up wherever
 * Python runs or waits, and when the world is stopped, for a fork or the collector; so
 * the functions have to bear other threads where they have to bear them with a GIL, and
 * know nothing of it.  It is taken where Python comes in: by the functions in the tables
 * of methods, attributes and slots, which are wrapped.  It is not held while a task runs.
 */
#ifndef FP_PYTHON_GUARD_H
#define FP_PYTHON_GUARD_H

#include "python/compat.h"

/* Between the two, in one block, with the object's lock.  It must outlive the second. */
#if COMPAT_HAS_GIL
#define GUARD_BEGIN(object) {
#define GUARD_END() }
#else
#define GUARD_BEGIN(object) Py_BEGIN_CRITICAL_SECTION((PyObject *)(object))
#define GUARD_END() Py_END_CRITICAL_SECTION()
#endif

/* What is in a table: the function, or its wrapper that was defined by one of those below. */
#if COMPAT_HAS_GIL
#define GUARDED(function) function
#else
#define GUARDED(function) function##_guarded
#endif

/* Once in a file, before the wrappers: whose lock they take, an expression of `op`. */
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

/* By the shape of the function; METHOD is of METH_NOARGS and METH_O, KEYWORDS of METH_VARARGS. */
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
