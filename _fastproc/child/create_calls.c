/* SPDX-License-Identifier: MIT
 *
 * The arguments of create_subprocess_exec() and its kin, as Python would take
 * them: leading parameters by position or by name, the rest as it comes.  The
 * awaitable's first step (create.c) checks what they mean.
 */
#include "child/create.h"
#include "python/arguments.h"

/* The most leading parameters: loop, protocol_factory, cmd. */
enum { MOST_LEADING = 3 };

struct call {
    PyObject *leading[MOST_LEADING];
    PyObject *kwargs; /* a new dict: the keyword arguments except the leading parameters */
};

static void drop(struct call *call)
{
    for (int i = 0; i < MOST_LEADING; i++)
        Py_CLEAR(call->leading[i]);
    Py_CLEAR(call->kwargs);
}

/* Takes one leading parameter.  0 or -1. */
static int take_leading(struct call *call, const char *function, const char *name, int which,
                        PyObject *args)
{
    bool by_position = which < PyTuple_GET_SIZE(args);
    PyObject *named = arguments_find(call->kwargs, name);
    if (by_position == (named != NULL)) {
        PyErr_Format(PyExc_TypeError,
                     by_position ? "%s() got multiple values for argument '%s'"
                                 : "%s() missing 1 required positional argument: '%s'",
                     function, name);
        return -1;
    }
    call->leading[which] = Py_NewRef(by_position ? PyTuple_GET_ITEM(args, which) : named);
    return by_position ? 0 : PyDict_DelItemString(call->kwargs, name);
}

/* Whether all keys are strings, which nobody has checked yet.  False with TypeError. */
static bool names_are_strings(PyObject *kwargs)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(kwargs, &at, &key, &value)) {
        if (PyUnicode_Check(key))
            continue;
        PyErr_SetString(PyExc_TypeError, "keywords must be strings");
        return false;
    }
    return true;
}

/* Splits a call; names[count] are the leading parameters.  0, or -1 with nothing to drop. */
static int split(struct call *call, const char *function, const char *const *names, int count,
                 PyObject *args, PyObject *kwargs)
{
    *call = (struct call){.kwargs = kwargs != NULL ? PyDict_Copy(kwargs) : PyDict_New()};
    int result = call->kwargs != NULL && names_are_strings(call->kwargs) ? 0 : -1;
    for (int i = 0; result == 0 && i < count; i++)
        result = take_leading(call, function, names[i], i, args);
    if (result < 0)
        drop(call);
    return result;
}

/* (first, *args[from:]), a new tuple or NULL. */
static PyObject *with_first(PyObject *first, PyObject *args, Py_ssize_t from)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args) - from;
    PyObject *all = PyTuple_New(count > 0 ? 1 + count : 1);
    if (all == NULL)
        return NULL;
    PyTuple_SET_ITEM(all, 0, Py_NewRef(first));
    for (Py_ssize_t i = 0; i < count; i++)
        PyTuple_SET_ITEM(all, 1 + i, Py_NewRef(PyTuple_GET_ITEM(args, from + i)));
    return all;
}

/* ---- the high level ---- */

PyObject *create_subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"program"};
    enum create_function function = CREATE_PROCESS_EXEC;
    struct call call;
    if (split(&call, create_name(function), names, 1, args, kwargs) < 0)
        return NULL;
    PyObject *what =
        PyTuple_GET_SIZE(args) > 0 ? Py_NewRef(args) : with_first(call.leading[0], args, 1);
    PyObject *awaitable = NULL;
    if (what != NULL)
        awaitable = create_awaitable(PyModule_GetState(module), function, what, call.kwargs);
    Py_XDECREF(what);
    drop(&call);
    return awaitable;
}

/* The positional arguments behind cmd become keywords.  0 or -1. */
static int name_positionals(PyObject *args, PyObject *kwargs, const char *function)
{
    static const char *const names[] = {"cmd", "stdin", "stdout", "stderr", "limit"};
    enum { MOST = sizeof names / sizeof names[0] };
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (count > MOST) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes from 1 to %d positional arguments but %zd were given", function,
                     (int)MOST, count);
        return -1;
    }
    for (Py_ssize_t i = 1; i < count; i++) {
        if (arguments_find(kwargs, names[i]) != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", function,
                         names[i]);
            return -1;
        }
        if (PyDict_SetItemString(kwargs, names[i], PyTuple_GET_ITEM(args, i)) < 0)
            return -1;
    }
    return 0;
}

PyObject *create_subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"cmd"};
    enum create_function function = CREATE_PROCESS_SHELL;
    struct call call;
    if (split(&call, create_name(function), names, 1, args, kwargs) < 0)
        return NULL;
    PyObject *what = NULL, *awaitable = NULL;
    if (name_positionals(args, call.kwargs, create_name(function)) == 0)
        what = PyTuple_Pack(1, call.leading[0]);
    if (what != NULL)
        awaitable = create_awaitable(PyModule_GetState(module), function, what, call.kwargs);
    Py_XDECREF(what);
    drop(&call);
    return awaitable;
}

/* ---- the low level ---- */

/* Where the high level inherits, the low level makes pipes.  0 or -1. */
static int default_to_pipes(PyObject *kwargs)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    PyObject *pipe = PyLong_FromLong(-1); /* subprocess.PIPE */
    for (int fd = 0; pipe != NULL && fd < 3; fd++)
        if (arguments_find(kwargs, names[fd]) == NULL &&
            PyDict_SetItemString(kwargs, names[fd], pipe) < 0)
            Py_CLEAR(pipe);
    Py_XDECREF(pipe);
    return pipe != NULL ? 0 : -1;
}

static PyObject *low_level(PyObject *module, enum create_function function, bool has_loop,
                           PyObject *args, PyObject *kwargs)
{
    static const char *const exec_names[] = {"self", "protocol_factory", "program"};
    static const char *const shell_names[] = {"self", "protocol_factory", "cmd"};
    const char *const *names = function == CREATE_EXEC ? exec_names : shell_names;
    int count = 3 - !has_loop;
    struct call call;
    if (split(&call, create_name(function), names + !has_loop, count, args, kwargs) < 0)
        return NULL;
    PyObject *loop = has_loop ? call.leading[0] : Py_None;
    PyObject *factory = call.leading[count - 2];
    PyObject *what = NULL, *awaitable = NULL;
    if (function == CREATE_SHELL && PyTuple_GET_SIZE(args) > count)
        PyErr_Format(PyExc_TypeError, "%s() takes %d positional arguments but %zd were given",
                     create_name(function), count, PyTuple_GET_SIZE(args));
    else if (default_to_pipes(call.kwargs) == 0)
        what = with_first(call.leading[count - 1], args, count);
    if (what != NULL)
        awaitable = create_awaitable_low(PyModule_GetState(module), function, what, call.kwargs,
                                         loop, factory);
    Py_XDECREF(what);
    drop(&call);
    return awaitable;
}

PyObject *subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return low_level(module, CREATE_EXEC, false, args, kwargs);
}

PyObject *subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return low_level(module, CREATE_SHELL, false, args, kwargs);
}

PyObject *loop_subprocess_exec(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return low_level(module, CREATE_EXEC, true, args, kwargs);
}

PyObject *loop_subprocess_shell(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return low_level(module, CREATE_SHELL, true, args, kwargs);
}
