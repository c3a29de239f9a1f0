/* SPDX-License-Identifier: MIT
 *
 * See launch.h.
 */
#include "binding/launch.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "binding/options.h"
#include "binding/strings.h"
#include "binding/errors.h"
#include "posix/fd.h"

extern char **environ;

/* ---- from the call to the launch ---- */

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

/* One block: the launch, the child's stack, groups, descriptors, pointers and strings. */
static struct launch *make_block(const struct launch *parsed, struct strings *strings,
                                 const gid_t *groups, const int *pass_fds)
{
    const struct fp_spawn_request *request = &parsed->request;
    size_t groups_size = round_up(request->group_count * sizeof *groups, 8);
    size_t fds_size = round_up(request->pass_fd_count * sizeof *pass_fds, 8);
    size_t head = round_up(sizeof(struct launch), 64);
    size_t size = head + FP_SPAWN_STACK + groups_size + fds_size + strings_size(strings);
    char *block = PyMem_RawMalloc(size + 64);
    if (block == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    struct launch *launch = (struct launch *)block;
    *launch = *parsed;
    char *at = (char *)round_up((size_t)block + head, 64); /* the stack: well aligned */
    launch->request.stack = (unsigned char *)at;
    launch->request.stack_size = FP_SPAWN_STACK;
    at += FP_SPAWN_STACK;
    if (request->group_count > 0)
        memcpy(at, groups, request->group_count * sizeof *groups);
    launch->request.groups = (const gid_t *)at;
    at += groups_size;
    if (request->pass_fd_count > 0)
        memcpy(at, pass_fds, request->pass_fd_count * sizeof *pass_fds);
    launch->request.pass_fds = (const int *)at;
    at += fds_size;
    strings_pack(strings, &launch->request, at);
    return launch;
}

/* The argument list as subprocess shows it: a new list, or NULL. */
static PyObject *list_arguments(const struct launch_call *call, PyObject *executable)
{
    if (!call->shell)
        return PySequence_List(call->args);
    PyObject *command = PyTuple_GET_ITEM(call->args, 0);
    if (executable != NULL)
        return Py_BuildValue("[OsO]", executable, "-c", command);
    return Py_BuildValue("[ssO]", "/bin/sh", "-c", command);
}

static PyObject *given(PyObject *option)
{
    return option == Py_None ? NULL : option;
}

/* Has Popen objects that were dropped before their children ended reap them, as each new Popen does.
 * 0, or -1 with what that raised. */
static int reap_dropped(struct fp_state *state)
{
    PyObject *dropped = PyObject_GetAttr(state->subprocess, state->names._active);
    PyObject *done = NULL;
    if (dropped == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    bool any = dropped != NULL && dropped != Py_None &&
               !(PyList_CheckExact(dropped) && PyList_GET_SIZE(dropped) == 0);
    Py_XDECREF(dropped);
    if (any)
        done = PyObject_CallMethodNoArgs(state->subprocess, state->names._cleanup);
    Py_XDECREF(done);
    return any && done == NULL ? -1 : 0;
}

struct launch *launch_new(struct fp_state *state, const struct launch_call *call)
{
    struct options options;
    struct launch parsed = {
        .child = {-1, -1, -1},
        .pipe_fds = {-1, -1, -1},
    };
    struct launch *launch = NULL;
    struct strings strings = {0};
    gid_t *groups = NULL;
    int *pass_fds = NULL;
    struct own_env *own_env = NULL;
    PyObject *args = NULL, *program = NULL;

    if (options_read(&options, call) < 0 || reap_dropped(state) < 0 ||
        options_read_flags(&options, &parsed) < 0 ||
        options_read_pass_fds(&options, &parsed, &pass_fds) < 0 ||
        options_read_identity(&options, &parsed, state, &groups) < 0 ||
        options_read_stdio(&options, &parsed) < 0)
        goto done;
    PyObject *executable = given(options._executable);
    PyObject *cwd = given(options._cwd);
    args = list_arguments(call, executable);
    if (args == NULL)
        goto done;
    program = Py_NewRef(executable != NULL ? executable : PyList_GET_ITEM(args, 0));
    if (PySys_Audit("subprocess.Popen", "OOOO", program, args, cwd != NULL ? cwd : Py_None,
                    options._env != NULL ? options._env : Py_None) < 0)
        goto done;
    if (PyList_GET_SIZE(args) == 0) { /* emptied by an audit hook */
        PyErr_SetString(PyExc_IndexError, "list index out of range");
        goto done;
    }
    if (strings_gather(&strings, args, program, cwd, given(options._env)) < 0)
        goto done;
    PyObject *shown = PyOS_FSPath(program); /* as newer versions name it in the error */
    if (strings.env == NULL && (own_env = own_env_get(&state->own_env)) == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(shown);
    }
    launch = shown != NULL ? make_block(&parsed, &strings, groups, pass_fds) : NULL;
    if (launch == NULL) {
        Py_XDECREF(shown);
        goto done;
    }
    if (strings.env == NULL) {
        launch->own_env = own_env;
        launch->request.envp = own_env->entries;
        own_env = NULL;
    }
    launch->method = state->spawn_method;
    launch->runs_at_once = parsed.request.pass_fd_count > 0 || !parsed.request.close_fds;
    launch->program = shown;
    launch->cwd = Py_XNewRef(cwd);
    launch->preexec_fn = Py_XNewRef(given(options._preexec_fn));
    launch->args = Py_NewRef(args);

done:
    strings_drop(&strings);
    PyMem_Free(groups);
    PyMem_Free(pass_fds);
    Py_XDECREF(args);
    Py_XDECREF(program);
    own_env_release(own_env);
    return launch;
}

void launch_give_up(struct launch *launch)
{
    for (int fd = 0; fd < 3; fd++)
        fp_fd_close(&launch->pipe_fds[fd]);
    fp_fd_close(&launch->child.pidfd);
    fp_fd_close(&launch->child.outcome_fd);
    Py_CLEAR(launch->program);
    Py_CLEAR(launch->cwd);
    Py_CLEAR(launch->preexec_fn);
    Py_CLEAR(launch->args);
    Py_CLEAR(launch->failure);
}

void launch_free(struct launch *launch)
{
    if (launch == NULL)
        return;
    launch_give_up(launch);
    own_env_release(launch->own_env);
    PyMem_RawFree(launch);
}

/* Nothing relative is looked up before the child has gone to a directory of its own. */
static bool begins_anywhere(const struct launch *launch)
{
    return launch->request.cwd != NULL && launch->request.cwd[0] == '/';
}

enum { NO_SOURCE = -1 };

/* The descriptor of the parent that becomes `fd` in the child, or NO_SOURCE. */
static int source_of(const struct launch *launch, int fd)
{
    switch (launch->stdio[fd]) {
    case STDIO_INHERIT:
        return fd;
    case STDIO_FD:
        return launch->given_fds[fd];
    case STDIO_STDOUT:
        return launch->stdio[1] == STDIO_INHERIT ? 1 : NO_SOURCE;
    case STDIO_PIPE:
    case STDIO_NULL:
        break;
    }
    return NO_SOURCE;
}

int launch_check_fds(const struct launch *launch)
{
    bool open = true;
    for (int fd = 0; fd < 3 && open; fd++)
        open = launch->stdio[fd] == STDIO_INHERIT || source_of(launch, fd) == NO_SOURCE ||
               fcntl(source_of(launch, fd), F_GETFD) >= 0;
    for (size_t i = 0; i < launch->request.pass_fd_count && open; i++)
        open = fcntl(launch->request.pass_fds[i], F_GETFD) >= 0;
    return open ? 0 : raise_errno(-EBADF);
}

bool launch_hold_fds(struct launch *launch, struct fp_held_set *set, int room)
{
    int result = 0;
    for (int fd = 0; fd < 3 && result >= 0; fd++) {
        int source = source_of(launch, fd);
        if (source == NO_SOURCE || launch->held[fd] != NULL || launch->request.close_stdio[fd])
            continue;
        bool not_to_have =
            launch->stdio[fd] == STDIO_INHERIT && (fcntl(fd, F_GETFD) & FD_CLOEXEC); /* or closed */
        launch->request.close_stdio[fd] = not_to_have;
        if (!not_to_have)
            result = fp_held_take(set, source, &launch->held[fd]);
        if (result >= room)
            result = -EMFILE;
    }
    if (result >= 0 && launch->held[LAUNCH_DIRECTORY] == NULL && !begins_anywhere(launch)) {
        result = fp_held_take(set, FP_HELD_DIRECTORY, &launch->held[LAUNCH_DIRECTORY]);
        if (result == -EACCES) /* one may be where one could not go to */
            result = 0;
        if (result >= room)
            result = -EMFILE;
    }
    if (result < 0) {
        launch_release_fds(launch, set);
        memset(launch->request.close_stdio, 0, sizeof launch->request.close_stdio);
    }
    return result >= 0;
}

void launch_let_go(struct launch *launch, struct fp_held_set *set)
{
    for (int i = 0; i < LAUNCH_HELD; i++)
        if (launch->held[i] != NULL && fp_held_is_current(launch->held[i]))
            fp_held_release(set, &launch->held[i]);
}

void launch_release_fds(struct launch *launch, struct fp_held_set *set)
{
    for (int i = 0; i < LAUNCH_HELD; i++)
        fp_held_release(set, &launch->held[i]);
}

/* ---- a real fork, for preexec_fn ---- */

static void before_fork(void *Py_UNUSED(context))
{
    PyOS_BeforeFork();
}

static void after_fork_in_parent(void *Py_UNUSED(context))
{
    PyOS_AfterFork_Parent();
}

static void after_fork_in_child(void *Py_UNUSED(context))
{
    PyOS_AfterFork_Child();
}

/* In the child, whose memory is its own. */
static int run_preexec(void *context)
{
    struct launch *launch = context;
    PyObject *result = PyObject_CallNoArgs(launch->preexec_fn);
    if (result == NULL)
        PyErr_Clear();
    if (launch->own_env != NULL) /* inherited: with what preexec_fn has put into it */
        launch->request.envp = environ;
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ---- starting ---- */

/* What the child gets as `fd`; ends that are ours to close afterwards go into theirs[fd].
 * 0 or -errno. */
static int open_stdio(struct launch *launch, int fd, int theirs[3])
{
    int ends[2], err;
    int *child_end = &launch->request.stdio[fd];
    switch (launch->stdio[fd]) {
    case STDIO_PIPE:
        err = fp_fd_pipe(ends);
        if (err < 0)
            return err;
        theirs[fd] = *child_end = ends[fd == 0 ? 0 : 1];
        launch->pipe_fds[fd] = ends[fd == 0 ? 1 : 0];
        if (launch->pipe_size > 0 && (err = fp_fd_set_pipe_size(ends[1], launch->pipe_size)) < 0)
            return err;
        return fp_fd_set_nonblocking(launch->pipe_fds[fd]);
    case STDIO_NULL:
        for (int other = 0; other < fd; other++)
            if (launch->stdio[other] == STDIO_NULL) {
                *child_end = launch->request.stdio[other]; /* one serves all */
                return 0;
            }
        theirs[fd] = *child_end = fp_fd_null();
        return *child_end < 0 ? *child_end : 0;
    case STDIO_STDOUT:
        *child_end = launch->request.stdio[1] >= 0 ? launch->request.stdio[1] : 1;
        break;
    case STDIO_FD:
        *child_end = launch->given_fds[fd];
        break;
    case STDIO_INHERIT:
        *child_end = LAUNCH_INHERIT;
        break;
    }
    if (launch->held[fd] != NULL)
        *child_end = launch->held[fd]->fd;
    return 0;
}

int launch_start(struct fp_state *state, struct launch *launch)
{
    int theirs[3] = {-1, -1, -1};
    int err = 0;
    for (int fd = 0; fd < 3 && err == 0; fd++)
        err = open_stdio(launch, fd, theirs);
    if (err == 0) {
        const struct fp_held *directory = launch->held[LAUNCH_DIRECTORY];
        launch->directory = directory != NULL ? directory->fd : -1;
        launch->request.begin_in = directory != NULL ? &launch->directory : NULL;
        launch->hooks = (struct fp_fork_hooks){before_fork, after_fork_in_parent,
                                               after_fork_in_child, run_preexec, launch};
        launch->request.hooks = launch->preexec_fn != NULL ? &launch->hooks : NULL;
        err = fp_spawn_start(&launch->request, &launch->method, &launch->child);
        if (launch->method > state->spawn_method)
            state->spawn_method = launch->method; /* the better one is not to be had here */
    }
    for (int fd = 0; fd < 3; fd++)
        fp_fd_close(&theirs[fd]);
    for (int fd = 0; fd < 3 && err < 0; fd++)
        fp_fd_close(&launch->pipe_fds[fd]);
    return err;
}

/* ---- what went wrong ---- */

void launch_raise_error(struct fp_state *state, const struct launch *launch)
{
    PyObject *filename = NULL;
    switch ((enum fp_spawn_stage)launch->error.stage) {
    case FP_STAGE_PREEXEC:
        PyErr_SetString(state->SubprocessError, "Exception occurred in preexec_fn.");
        return;
    case FP_STAGE_CHDIR:
        filename = launch->cwd;
        break;
    case FP_STAGE_EXEC:
        filename = launch->program;
        break;
    case FP_STAGE_SETUP:
    case FP_STAGE_NONE:
        break;
    }
    raise_errno_of(-launch->error.err, filename);
}
