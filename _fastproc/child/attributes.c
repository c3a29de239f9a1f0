/* SPDX-License-Identifier: MIT
 *
 * See attributes.h.
 */
#include "child/attributes.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "posix/fd.h"
#include "python/arguments.h"
#include "python/errors.h"

#ifndef O_PATH
#define O_PATH 0
#endif
#ifndef NSIG
#define NSIG 65
#endif

static const char *const keywords[FP_ATTRIBUTE_COUNT] = {
#define KEYWORD(number, keyword, is_here) #keyword,
    FP_ATTRIBUTES(KEYWORD)
#undef KEYWORD
};

static const bool are_here[FP_ATTRIBUTE_COUNT] = {
#define IS_HERE(number, keyword, is_here) is_here,
    FP_ATTRIBUTES(IS_HERE)
#undef IS_HERE
};

int attributes_find(const char *words, unsigned *found)
{
    *found = 0;
    while (*(words += strspn(words, " ")) != '\0') {
        size_t length = strcspn(words, " ");
        int which = 0;
        while (which < FP_ATTRIBUTE_COUNT &&
               (strlen(keywords[which]) != length || strncmp(keywords[which], words, length) != 0))
            which++;
        if (which == FP_ATTRIBUTE_COUNT) {
            PyErr_Format(PyExc_ValueError, "unknown option: %.50s", words);
            return -1;
        }
        *found |= 1U << which;
        words += length;
    }
    return 0;
}

int attributes_raise(int err, enum fp_attribute which)
{
    PyObject *keyword = PyUnicode_FromString(keywords[which]);
    if (keyword != NULL)
        raise_errno_of(err, keyword);
    Py_XDECREF(keyword);
    return -1;
}

/* ---- signals ---- */

static int read_signal_set(PyObject *given, uint64_t *signals)
{
    PyObject *iterator = PyObject_GetIter(given), *item;
    *signals = 0;
    while (iterator != NULL && (item = PyIter_Next(iterator)) != NULL) {
        int overflow;
        long signum = PyLong_AsLongAndOverflow(item, &overflow);
        Py_DECREF(item);
        if (signum == -1 && PyErr_Occurred())
            break;
        if (signum < 1 || signum >= NSIG) {
            PyErr_Format(PyExc_ValueError, "signal number %ld out of range [1; %d]", signum,
                         NSIG - 1);
            break;
        }
        *signals |= UINT64_C(1) << (signum - 1);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_default_signals(PyObject *given, struct fp_attributes *attributes)
{
    return read_signal_set(given, &attributes->default_signals);
}

/* Refuses signals that cannot be ignored, as signal.signal() does, also the C library's own. */
static int read_ignore_signals(PyObject *given, struct fp_attributes *attributes)
{
    if (read_signal_set(given, &attributes->ignore_signals) < 0)
        return -1;
    for (int signum = 1; signum < NSIG; signum++) {
        sigset_t unused;
        sigemptyset(&unused);
        if ((attributes->ignore_signals >> (signum - 1) & 1) &&
            (signum == SIGKILL || signum == SIGSTOP || sigaddset(&unused, signum) < 0))
            return attributes_raise(-EINVAL, FP_ATTRIBUTE_IGNORE_SIGNALS);
    }
    uint64_t both = attributes->ignore_signals & attributes->default_signals;
    if (both != 0) {
        PyErr_SetString(PyExc_ValueError,
                        "default_signals and ignore_signals have a signal in common");
        return -1;
    }
    return 0;
}

static int read_parent_death_signal(PyObject *given, struct fp_attributes *attributes)
{
    int signum;
    if (arguments_int(given, &signum) < 0)
        return -1;
    if (signum < 1 || signum >= NSIG) {
        PyErr_SetString(PyExc_ValueError, "signal number out of range");
        return -1;
    }
    attributes->parent_death_signal = signum;
    return 0;
}

/* ---- limits and priorities ---- */

/* Converts like resource.setrlimit() of CPython 3.14, where -1 is no limit, too. */
static int read_limit(PyObject *given, rlim_t *limit)
{
    PyObject *number = PyNumber_Index(given);
    if (number == NULL)
        return -1;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow < 0 || (overflow == 0 && value < -1)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
    } else if (overflow == 0) {
        *limit = value == -1 ? RLIM_INFINITY : (rlim_t)value;
        if (value != -1 && (unsigned long long)*limit != (unsigned long long)value)
            PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C rlim_t");
    } else {
        unsigned long long large = PyLong_AsUnsignedLongLong(number);
        *limit = (rlim_t)large;
        if (PyErr_Occurred() || *limit != large)
            PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C rlim_t");
    }
    Py_DECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_pair(PyObject *given, struct rlimit *limit)
{
    if (PyIndex_Check(given)) {
        int result = read_limit(given, &limit->rlim_cur);
        limit->rlim_max = limit->rlim_cur;
        return result;
    }
    PyObject *pair = PySequence_Tuple(given);
    int result = -1;
    if (pair != NULL && PyTuple_GET_SIZE(pair) != 2)
        PyErr_SetString(PyExc_ValueError, "expected a tuple of 2 integers");
    else if (pair != NULL && read_limit(PyTuple_GET_ITEM(pair, 0), &limit->rlim_cur) == 0)
        result = read_limit(PyTuple_GET_ITEM(pair, 1), &limit->rlim_max);
    Py_XDECREF(pair);
    if (result == 0 && limit->rlim_cur > limit->rlim_max) {
        PyErr_SetString(PyExc_ValueError, "current limit exceeds maximum limit");
        result = -1;
    }
    return result;
}

static int read_one_limit(PyObject *item, struct fp_attributes *attributes)
{
    int resource;
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        PyErr_SetString(PyExc_TypeError, "rlimits must be a mapping");
        return -1;
    }
    if (arguments_int(PyTuple_GET_ITEM(item, 0), &resource) < 0)
        return -1;
    if (resource < 0 || resource >= FP_LIMITS) {
        PyErr_SetString(PyExc_ValueError, "invalid resource specified");
        return -1;
    }
    attributes->limits_given |= 1U << resource;
    return read_pair(PyTuple_GET_ITEM(item, 1), &attributes->limits[resource]);
}

static int read_rlimits(PyObject *given, struct fp_attributes *attributes)
{
    PyObject *items = PyMapping_Items(given);
    if (items == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Format(PyExc_TypeError, "rlimits must be a mapping, not %.200s",
                     Py_TYPE(given)->tp_name);
    if (items == NULL)
        return -1;
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && result == 0; i++)
        result = read_one_limit(PyList_GET_ITEM(items, i), attributes);
    Py_DECREF(items);
    return result;
}

static int read_nice(PyObject *given, struct fp_attributes *attributes)
{
    return arguments_int(given, &attributes->nice);
}

static int read_oom_score_adj(PyObject *given, struct fp_attributes *attributes)
{
    enum { MOST = 1000 };
    int score;
    if (arguments_int(given, &score) < 0)
        return -1;
    if (score < -MOST || score > MOST) {
        PyErr_SetString(PyExc_ValueError, "oom_score_adj must be from -1000 to 1000");
        return -1;
    }
    PyOS_snprintf(attributes->oom_score_adj, sizeof attributes->oom_score_adj, "%d", score);
    return 0;
}

/* 0 or -1. */
static int read_one_cpu(PyObject *given, struct fp_attributes *attributes, bool *any)
{
    if (!PyLong_Check(given)) {
        PyErr_Format(PyExc_TypeError, "expected an iterator of ints, but iterator yielded %R",
                     Py_TYPE(given));
        return -1;
    }
    long cpu = PyLong_AsLong(given);
    if (cpu == -1 && PyErr_Occurred())
        return -1;
    if (cpu < 0) {
        PyErr_SetString(PyExc_ValueError, "negative CPU number");
        return -1;
    }
    if (cpu > INT_MAX - 1) {
        PyErr_SetString(PyExc_OverflowError, "CPU number too large");
        return -1;
    }
    if (cpu < FP_MOST_CPUS) {
        attributes->cpus[cpu / FP_CPUS_IN_WORD] |= UINT64_C(1) << cpu % FP_CPUS_IN_WORD;
        *any = true;
    }
    return 0;
}

static int read_cpu_affinity(PyObject *given, struct fp_attributes *attributes)
{
    PyObject *iterator = PyObject_GetIter(given), *item;
    bool any = false;
    int result = 0;
    while (iterator != NULL && result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = read_one_cpu(item, attributes, &any);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred())
        return -1;
    return any ? 0 : attributes_raise(-EINVAL, FP_ATTRIBUTE_CPU_AFFINITY);
}

/* A truth value that does nothing when it is false. */
static int read_no_new_privileges(PyObject *given, struct fp_attributes *attributes)
{
    int truth = PyObject_IsTrue(given);
    if (truth == 0)
        attributes->given &= ~(1U << FP_ATTRIBUTE_NO_NEW_PRIVILEGES);
    return truth < 0 ? -1 : 0;
}

/* ---- the cgroup ---- */

/* A new descriptor of a path, a descriptor or an object with fileno().  -1 with an exception. */
static int open_given(PyObject *given)
{
    PyObject *path = PyLong_Check(given) ? NULL : PyOS_FSPath(given);
    if (path == NULL && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear(); /* no path: so something with a fileno() */
    }
    if (path == NULL) {
        int number = PyObject_AsFileDescriptor(given);
        int fd = number >= 0 ? fp_fd_copy(number) : -1;
        return number < 0 || fd >= 0 ? fd : attributes_raise(fd, FP_ATTRIBUTE_CGROUP);
    }
    PyObject *name;
    int fd = -1;
    if (PyUnicode_FSConverter(path, &name)) {
        fd = open(PyBytes_AS_STRING(name), O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            raise_errno_of(-errno, given);
        Py_DECREF(name);
    }
    Py_DECREF(path);
    return fd;
}

/* 1 or 0; or -errno. */
static int is_cgroup(int fd)
{
#ifdef __linux__
    struct stat info;
    struct statfs system;
    if (fstat(fd, &info) < 0 || fstatfs(fd, &system) < 0)
        return -errno;
    return S_ISDIR(info.st_mode) && system.f_type == CGROUP2_SUPER_MAGIC;
#else
    (void)fd;
    return 0;
#endif
}

static int read_cgroup(PyObject *given, struct fp_attributes *attributes)
{
    int fd = open_given(given);
    if (fd < 0)
        return -1;
    int result = fp_fd_lift(&fd);
    if (result < 0)
        return attributes_raise(result, FP_ATTRIBUTE_CGROUP);
    attributes->cgroup = fd; /* attributes_read() closes it on failure */
    result = is_cgroup(fd);
    if (result < 0)
        return attributes_raise(result, FP_ATTRIBUTE_CGROUP);
    if (result == 0)
        PyErr_SetString(PyExc_ValueError, "cgroup must be a directory of cgroup v2");
    return result == 0 ? -1 : 0;
}

/* ---- all ---- */

/* When a function is called the bit of its attribute is set already.  0 or -1. */
static int (*const readers[FP_ATTRIBUTE_COUNT])(PyObject *, struct fp_attributes *) = {
#define READER(number, keyword, is_here) read_##keyword,
    FP_ATTRIBUTES(READER)
#undef READER
};

static int read_all(const struct fp_state *state, PyObject *const *values,
                    struct fp_attributes *attributes)
{
    for (int which = 0; which < FP_ATTRIBUTE_COUNT; which++) {
        PyObject *given = values[which];
        if (given == NULL || given == Py_None)
            continue;
        if (!are_here[which] || (state->lacking >> which & 1)) {
            PyErr_Format(PyExc_NotImplementedError, "%s is not available on this platform",
                         keywords[which]);
            return -1;
        }
        attributes->given |= 1U << which;
        if (readers[which](given, attributes) < 0)
            return -1;
    }
    return 0;
}

int attributes_read(const struct fp_state *state, PyObject *const *values,
                    struct fp_attributes **attributes)
{
    struct fp_attributes *read = PyMem_RawCalloc(1, sizeof *read);
    *attributes = NULL;
    if (read == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    read->cgroup = -1;
    int result = read_all(state, values, read);
    if (result == 0 && read->given != 0) {
        *attributes = read;
        return 0;
    }
    fp_fd_close(&read->cgroup);
    PyMem_RawFree(read);
    return result;
}
