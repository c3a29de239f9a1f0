/* SPDX-License-Identifier: MIT
 *
 * See terminal_options.h.
 */
#include "child/terminal_options.h"

#include <limits.h>

/* The size if none was chosen, because programs do odd things in a terminal without a size. */
static const struct fp_pty_size usual_size = {.rows = 24, .columns = 80};

/* 0 or -1. */
static int read_number(PyObject *number, const char *what, unsigned short *result)
{
    if (!PyIndex_Check(number)) {
        PyErr_Format(PyExc_TypeError, "%s: rows and columns must be ints, not %.100s", what,
                     Py_TYPE(number)->tp_name);
        return -1;
    }
    int overflow;
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    if (value == -1 && overflow == 0 && PyErr_Occurred())
        return -1;
    bool fits = overflow == 0 && value >= 0 && value <= USHRT_MAX;
    *result = fits ? (unsigned short)value : 0;
    if (!fits)
        PyErr_Format(PyExc_ValueError, "%s: rows and columns must be between 0 and 65535", what);
    return fits ? 0 : -1;
}

int terminal_size_read(PyObject *rows, PyObject *columns, const char *what,
                       struct fp_pty_size *size)
{
    return read_number(rows, what, &size->rows) < 0 ||
                   read_number(columns, what, &size->columns) < 0
               ? -1
               : 0;
}

/* Whether it is an os.terminal_size, which has the columns first.  -1 with an exception. */
static int has_columns_first(PyObject *pair)
{
    if (PyTuple_CheckExact(pair))
        return false;
    PyObject *type = import_attribute("os", "terminal_size");
    int result = type != NULL ? Py_IS_TYPE(pair, (PyTypeObject *)type) : -1;
    Py_XDECREF(type);
    return result;
}

/* 0 or -1. */
static int read_size(PyObject *pair, struct fp_pty_size *size)
{
    static const char what[] = "terminal_size";
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "terminal_size must be a tuple: rows and columns");
        return -1;
    }
    PyObject *first = PyTuple_GET_ITEM(pair, 0), *second = PyTuple_GET_ITEM(pair, 1);
    int swapped = has_columns_first(pair);
    if (swapped < 0)
        return -1;
    return swapped ? terminal_size_read(second, first, what, size)
                   : terminal_size_read(first, second, what, size);
}

static int refuse(PyObject *exception, const char *message)
{
    PyErr_SetString(exception, message);
    return -1;
}

/* Whether one of 0, 1 and 2 is to be a terminal. */
static bool has_terminal(const struct spawn_plan *plan)
{
    return plan->stdio[0] == STDIO_PTY || plan->stdio[1] == STDIO_PTY ||
           plan->stdio[2] == STDIO_PTY;
}

int terminal_options_read(const struct options *options, struct spawn_plan *plan)
{
    bool wanted = has_terminal(plan);
    if (!wanted && options->_terminal_size == NULL && options->_terminal_raw == NULL)
        return 0;
    int raw = options->_terminal_raw != NULL ? PyObject_IsTrue(options->_terminal_raw) : 0;
    plan->terminal_size = usual_size;
    if (raw < 0 || (option_is_given(options->_terminal_size) &&
                    read_size(options->_terminal_size, &plan->terminal_size) < 0))
        return -1;
    if (!wanted && option_is_given(options->_terminal_size))
        return refuse(PyExc_ValueError, "terminal_size needs stdin, stdout or stderr to be PTY");
    if (!wanted)
        return raw ? refuse(PyExc_ValueError,
                            "terminal_raw needs stdin, stdout or stderr to be PTY")
                   : 0;
    if (!FP_HAVE_PTY)
        return refuse(PyExc_NotImplementedError, "PTY is not available on this platform");
    if (plan->request.process_group >= 0)
        return refuse(PyExc_ValueError,
                      "process_group cannot be set with PTY: the child leads a session of its own");
    plan->terminal_raw = raw;
    plan->request.takes_terminal = true;
    plan->request.new_session = true;
    return 0;
}
