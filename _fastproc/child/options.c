/* SPDX-License-Identifier: MIT
 *
 * See options.h.  The order of the checks is asyncio's, then subprocess'.
 */
#include "child/options.h"

#include <limits.h>
#include <stdlib.h>

#include "python/arguments.h"
#include "python/numbers.h"

static int sort_in(struct options *options, const struct spawn_call *call)
{
    static const struct {
        const char *name;
        Py_ssize_t length;
        size_t offset;
    } places[] = {
#define PLACE(name) {#name, sizeof #name - 1, offsetof(struct options, _##name)},
        FP_OPTIONS(PLACE)
#undef PLACE
#define PLACE(number, keyword, is_here)                                                            \
    {#keyword, sizeof #keyword - 1, offsetof(struct options, attributes[FP_ATTRIBUTE_##number])},
            FP_ATTRIBUTES(PLACE)
#undef PLACE
    };
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (call->kwargs != NULL && PyDict_Next(call->kwargs, &at, &key, &value)) {
        size_t i = 0, count = sizeof places / sizeof places[0];
        Py_ssize_t length = PyUnicode_GetLength(key);
        while (i < count && (places[i].length != length ||
                             PyUnicode_CompareWithASCIIString(key, places[i].name) != 0))
            i++;
        if (i == count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                         call->function, key);
            return -1;
        }
        *(PyObject **)((char *)options + places[i].offset) = value;
        options->any_attribute |= places[i].offset >= offsetof(struct options, attributes);
    }
    return 0;
}

/* Raises ValueError(message) if the option is given and, as a truth value, is not `allowed`. */
static int require_truth(PyObject *option, bool allowed, const char *message)
{
    int truth = option != NULL ? PyObject_IsTrue(option) : allowed;
    if (truth >= 0 && (truth != 0) != allowed)
        PyErr_SetString(PyExc_ValueError, message);
    return PyErr_Occurred() ? -1 : 0;
}

static int require_none(PyObject *option, const char *message)
{
    if (option == NULL || option == Py_None)
        return 0;
    PyErr_SetString(PyExc_ValueError, message);
    return -1;
}

static int require_zero(PyObject *option, const char *message)
{
    if (option == NULL)
        return 0;
    PyObject *zero = PyLong_FromLong(0);
    int equal = zero != NULL ? PyObject_RichCompareBool(option, zero, Py_EQ) : -1;
    Py_XDECREF(zero);
    if (equal == 0)
        PyErr_SetString(PyExc_ValueError, message);
    return equal == 1 ? 0 : -1;
}

static int refuse_what_asyncio_refuses(const struct options *options, const struct spawn_call *call)
{
    if (call->shell) {
        PyObject *command = PyTuple_GET_ITEM(call->args, 0);
        if (!PyUnicode_Check(command) && !PyBytes_Check(command)) {
            PyErr_SetString(PyExc_ValueError, "cmd must be a string");
            return -1;
        }
    }
    if (require_truth(options->_universal_newlines, false, "universal_newlines must be False") < 0)
        return -1;
    if (require_truth(options->_shell, call->shell,
                      call->shell ? "shell must be True" : "shell must be False") < 0)
        return -1;
    if (require_zero(options->_bufsize, "bufsize must be 0") < 0)
        return -1;
    if (require_truth(options->_text, false, "text must be False") < 0)
        return -1;
    if (require_none(options->_encoding, "encoding must be None") < 0)
        return -1;
    return require_none(options->_errors, "errors must be None");
}

static int refuse_what_subprocess_refuses(const struct options *options)
{
    if (options->_stdout != NULL && PyLong_Check(options->_stdout) &&
        PyLong_AsLong(options->_stdout) == STDOUT) {
        PyErr_SetString(PyExc_ValueError, "STDOUT can only be used for stderr");
        return -1;
    }
    PyErr_Clear(); /* an int beyond long is refused later, as a descriptor */
    if (options->_pipesize != NULL && options->_pipesize != Py_None &&
        !PyLong_Check(options->_pipesize)) {
        PyErr_SetString(PyExc_TypeError, "pipesize must be an integer");
        return -1;
    }
    if (options->_bufsize != NULL && !PyLong_Check(options->_bufsize)) { /* 0.0 */
        PyErr_SetString(PyExc_TypeError, "bufsize must be an integer");
        return -1;
    }
    if (require_none(options->_startupinfo, "startupinfo is only supported on Windows platforms") <
        0)
        return -1;
    return require_zero(options->_creationflags,
                        "creationflags is only supported on Windows platforms");
}

int options_read(struct options *options, const struct spawn_call *call)
{
    *options = (struct options){0};
    if (sort_in(options, call) < 0)
        return -1;
    if (refuse_what_asyncio_refuses(options, call) < 0)
        return -1;
    return refuse_what_subprocess_refuses(options);
}

/* ---- numbers ---- */

/* An int option; `otherwise` when it is not given or None.  0 or -1. */
static int read_int(PyObject *option, int otherwise, int *result)
{
    *result = otherwise;
    return option_is_given(option) ? arguments_int(option, result) : 0;
}

/* A size above 0 becomes an unsigned int as in fcntl.fcntl(); if that is 0, it stands for the
 * smallest size, a page.  0 or -1. */
static int read_pipe_size(PyObject *option, int *result)
{
    Py_ssize_t plain;
    *result = -1;
    if (!option_is_given(option))
        return 0;
    int positive = number_compare(option, 0, Py_GT);
    if (positive <= 0)
        return positive;
    if (number_is_plain(option, &plain) && plain <= INT_MAX) {
        *result = (int)plain;
        return 0;
    }
    unsigned long low = PyLong_AsUnsignedLongMask(option);
    if (low == (unsigned long)-1 && PyErr_Occurred())
        return -1;
    unsigned size = (unsigned)low;
    *result = size == 0 ? 1 : size < INT_MAX ? (int)size : INT_MAX;
    return 0;
}

static int read_truth(PyObject *option, bool otherwise, bool *result)
{
    int truth = option != NULL ? PyObject_IsTrue(option) : otherwise;
    *result = truth > 0;
    return truth < 0 ? -1 : 0;
}

/* As in CPython, because a forked process has only the main interpreter.  0 or -1. */
static int check_preexec(const struct options *options)
{
    if (!option_is_given(options->_preexec_fn) ||
        PyInterpreterState_Get() == PyInterpreterState_Main())
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "preexec_fn not supported within subinterpreters");
    return -1;
}

int options_read_flags(const struct options *options, struct spawn_plan *plan)
{
    struct fp_spawn_request *request = &plan->request;
    int process_group;
    request->umask = -1;
    if (check_preexec(options) < 0 ||
        read_truth(options->_close_fds, true, &request->close_fds) < 0 ||
        read_truth(options->_restore_signals, true, &request->restore_signals) < 0 ||
        read_truth(options->_start_new_session, false, &request->new_session) < 0 ||
        read_int(options->_process_group, -1, &process_group) < 0 ||
        (options->_umask != NULL && arguments_int(options->_umask, &request->umask) < 0) ||
        read_pipe_size(options->_pipesize, &plan->pipe_size) < 0)
        return -1;
    request->process_group = process_group;
    return 0;
}

/* ---- descriptors ---- */

static int read_one_stdio(PyObject *option, int fd, struct spawn_plan *plan)
{
    plan->stdio[fd] = STDIO_INHERIT;
    plan->given_fds[fd] = -1;
    if (!option_is_given(option))
        return 0;
    int number;
    if (PyLong_Check(option)) {
        if (read_int(option, -1, &number) < 0)
            return -1;
        if (number == PIPE)
            plan->stdio[fd] = STDIO_PIPE;
        else if (number == PTY)
            plan->stdio[fd] = STDIO_PTY;
        else if (number == DEVNULL)
            plan->stdio[fd] = STDIO_NULL;
        else if (number == STDOUT && fd == 2)
            plan->stdio[fd] = STDIO_STDOUT;
        if (plan->stdio[fd] != STDIO_INHERIT)
            return 0;
    } else {
        PyObject *answer = PyObject_CallMethod(option, "fileno", NULL);
        int result = answer != NULL ? arguments_int(answer, &number) : -1;
        Py_XDECREF(answer);
        if (result < 0)
            return -1;
    }
    plan->stdio[fd] = STDIO_FD;
    plan->given_fds[fd] = number;
    return 0;
}

int options_read_stdio(const struct options *options, struct spawn_plan *plan)
{
    if (read_one_stdio(options->_stdin, 0, plan) < 0 ||
        read_one_stdio(options->_stdout, 1, plan) < 0)
        return -1;
    return read_one_stdio(options->_stderr, 2, plan);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

int options_read_pass_fds(const struct options *options, struct spawn_plan *plan, int **fds)
{
    *fds = NULL;
    plan->request.pass_fd_count = 0;
    if (options->_pass_fds == NULL)
        return 0;
    int any = PyObject_IsTrue(options->_pass_fds);
    if (any < 0)
        return -1;
    if (any && !plan->request.close_fds) {
        if (PyErr_WarnEx(PyExc_RuntimeWarning, "pass_fds overriding close_fds.", 1) < 0)
            return -1;
        plan->request.close_fds = true;
    }
    PyObject *list = PySequence_List(options->_pass_fds);
    if (list == NULL)
        return -1;
    Py_ssize_t count = PyList_GET_SIZE(list);
    int *numbers = count > 0 ? PyMem_New(int, (size_t)count) : NULL;
    if (count > 0 && numbers == NULL) {
        PyErr_NoMemory();
        goto error;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *number = PyNumber_Long(PyList_GET_ITEM(list, i));
        int result = number != NULL ? arguments_int(number, &numbers[i]) : -1;
        Py_XDECREF(number);
        if (result == 0 ? numbers[i] < 0 : PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_ValueError, "bad value(s) in fds_to_keep");
            result = -1;
        }
        if (result < 0)
            goto error;
    }
    if (count > 0)
        qsort(numbers, (size_t)count, sizeof *numbers, compare_ints);
    Py_DECREF(list);
    *fds = numbers;
    plan->request.pass_fd_count = (size_t)count;
    return 0;

error:
    PyMem_Free(numbers);
    Py_DECREF(list);
    return -1;
}

/* ---- user and groups ---- */

struct name_lookup {
    const char *module;   /* pwd or grp */
    PyObject *function;   /* its function by name */
    PyObject *field;      /* of the entry */
    const char *negative; /* format of the error message */
};

/* An id from an int or a name.  0 or -1; `type_error` is a format for what is neither. */
static int read_id(PyObject *given, const struct name_lookup *lookup, const char *type_error,
                   unsigned *id)
{
    PyObject *number = NULL;
    if (PyUnicode_Check(given)) {
        PyObject *module = PyImport_ImportModule(lookup->module);
        PyObject *entry =
            module != NULL ? PyObject_CallMethodOneArg(module, lookup->function, given) : NULL;
        number = entry != NULL ? PyObject_GetAttr(entry, lookup->field) : NULL;
        Py_XDECREF(module);
        Py_XDECREF(entry);
    } else if (PyLong_Check(given)) {
        number = Py_NewRef(given);
    } else {
        PyErr_Format(PyExc_TypeError, type_error, Py_TYPE(given));
    }
    if (number == NULL)
        return -1;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow < 0 || (overflow == 0 && value < 0 && !PyErr_Occurred()))
        PyErr_Format(PyExc_ValueError, lookup->negative, number);
    else if (overflow > 0 || value > UINT_MAX - 1LL)
        PyErr_SetString(PyExc_OverflowError, "user or group ID is too large");
    Py_DECREF(number);
    *id = (unsigned)value;
    return PyErr_Occurred() ? -1 : 0;
}

static int read_groups(PyObject *given, const struct name_lookup *lookup,
                       struct fp_spawn_request *request, gid_t **groups)
{
    if (PyUnicode_Check(given)) {
        PyErr_SetString(PyExc_ValueError, "Groups must be a list, not a string");
        return -1;
    }
    PyObject *list = PySequence_List(given);
    if (list == NULL)
        return -1;
    Py_ssize_t count = PyList_GET_SIZE(list);
    if (count > NGROUPS_MAX) {
        PyErr_SetString(PyExc_ValueError, "too many extra_groups");
        Py_DECREF(list);
        return -1;
    }
    gid_t *ids = PyMem_New(gid_t, (size_t)count + 1);
    int result = ids != NULL ? 0 : -1;
    if (ids == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && result == 0; i++) {
        unsigned id = 0;
        result = read_id(PyList_GET_ITEM(list, i), lookup,
                         "Items in extra_groups must be a string or integer, not %R", &id);
        ids[i] = (gid_t)id;
    }
    if (result < 0 && PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_SetString(PyExc_ValueError, "invalid group id");
    Py_DECREF(list);
    if (result < 0) {
        PyMem_Free(ids);
        return -1;
    }
    *groups = ids;
    request->set_groups = true;
    request->group_count = (size_t)count;
    return 0;
}

int options_read_identity(const struct options *options, struct spawn_plan *plan,
                          struct fp_state *state, gid_t **groups)
{
    const struct name_lookup by_group = {"grp", state->names.getgrnam, state->names.gr_gid,
                                         "Group ID cannot be negative, got %S"};
    const struct name_lookup by_user = {"pwd", state->names.getpwnam, state->names.pw_uid,
                                        "User ID cannot be negative, got %S"};
    struct fp_spawn_request *request = &plan->request;
    unsigned id;
    *groups = NULL;
    if (option_is_given(options->_group)) {
        if (read_id(options->_group, &by_group, "Group must be a string or an integer, not %R",
                    &id) < 0)
            return -1;
        request->set_gid = true;
        request->gid = (gid_t)id;
    }
    if (option_is_given(options->_extra_groups) &&
        read_groups(options->_extra_groups, &by_group, request, groups) < 0)
        return -1;
    if (option_is_given(options->_user)) {
        if (read_id(options->_user, &by_user, "User must be a string or an integer", &id) < 0) {
            PyMem_Free(*groups);
            *groups = NULL;
            return -1;
        }
        request->set_uid = true;
        request->uid = (uid_t)id;
    }
    return 0;
}
