/* SPDX-License-Identifier: MIT
 *
 * See spawn_plan.h.
 */
#include "child/spawn_plan.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "child/attributes.h"
#include "child/exec_strings.h"
#include "child/options.h"
#include "child/terminal_options.h"
#include "posix/fd.h"
#include "python/errors.h"

extern char **environ;

/* ---- from the call to the plan ---- */

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

/* One block: the plan, the child's stack, groups, descriptors, pointers and strings. */
static struct spawn_plan *make_block(const struct spawn_plan *parsed, struct exec_strings *strings,
                                     const gid_t *groups, const int *pass_fds)
{
    const struct fp_spawn_request *request = &parsed->request;
    size_t groups_size = round_up(request->group_count * sizeof *groups, 8);
    size_t fds_size = round_up(request->pass_fd_count * sizeof *pass_fds, 8);
    size_t head = round_up(sizeof(struct spawn_plan), 64);
    size_t size = head + FP_SPAWN_STACK + groups_size + fds_size + exec_strings_size(strings);
    char *block = PyMem_RawMalloc(size + 64);
    if (block == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    struct spawn_plan *plan = (struct spawn_plan *)block;
    *plan = *parsed;
    char *at = (char *)round_up((size_t)block + head, 64); /* the stack: well aligned */
    plan->request.stack = (unsigned char *)at;
    plan->request.stack_size = FP_SPAWN_STACK;
    at += FP_SPAWN_STACK;
    if (request->group_count > 0)
        memcpy(at, groups, request->group_count * sizeof *groups);
    plan->request.groups = (const gid_t *)at;
    at += groups_size;
    if (request->pass_fd_count > 0)
        memcpy(at, pass_fds, request->pass_fd_count * sizeof *pass_fds);
    plan->request.pass_fds = (const int *)at;
    at += fds_size;
    exec_strings_pack(strings, &plan->request, at);
    return plan;
}

/* The argument list as subprocess shows it: a new list, or NULL. */
static PyObject *list_arguments(const struct spawn_call *call, PyObject *executable)
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

/* Reaps the children of dropped Popen objects, as each new Popen does.  0, or -1 with the exception
 * that this raised. */
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

static int read_attributes(const struct options *options, struct spawn_plan *plan,
                           const struct fp_state *state)
{
    if (attributes_read(state, options->attributes, &plan->attributes) < 0)
        return -1;
    plan->request.attributes = plan->attributes;
    if (plan->attributes != NULL)
        plan->cgroup = plan->attributes->cgroup;
    return 0;
}

struct spawn_plan *spawn_plan_new(struct fp_state *state, const struct spawn_call *call)
{
    struct options options;
    struct spawn_plan parsed = {
        .child = {-1, -1, -1},
        .pipe_fds = {-1, -1, -1},
        .cgroup = -1,
        .master = -1,
    };
    struct spawn_plan *plan = NULL;
    struct exec_strings strings = {0};
    gid_t *groups = NULL;
    int *pass_fds = NULL;
    struct fp_environ_snapshot *environ_snapshot = NULL;
    PyObject *args = NULL, *program = NULL;

    if (options_read(&options, call) < 0 || reap_dropped(state) < 0 ||
        options_read_flags(&options, &parsed) < 0 ||
        options_read_pass_fds(&options, &parsed, &pass_fds) < 0 ||
        options_read_identity(&options, &parsed, state, &groups) < 0 ||
        options_read_stdio(&options, &parsed) < 0 || terminal_options_read(&options, &parsed) < 0 ||
        (options.any_attribute && read_attributes(&options, &parsed, state) < 0))
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
    if (exec_strings_gather(&strings, args, program, cwd, given(options._env)) < 0)
        goto done;
    PyObject *shown = PyOS_FSPath(program); /* as newer versions name it in the error */
    if (strings.env == NULL && (environ_snapshot = fp_environ_snapshot_take(
                                    COMPAT_HAS_GIL ? &state->environ_snapshot : NULL)) == NULL) {
        PyErr_NoMemory();
        Py_CLEAR(shown);
    }
    plan = shown != NULL ? make_block(&parsed, &strings, groups, pass_fds) : NULL;
    if (plan == NULL) {
        Py_XDECREF(shown);
        goto done;
    }
    if (strings.env == NULL) {
        plan->environ_snapshot = environ_snapshot;
        plan->request.envp = environ_snapshot->entries;
        environ_snapshot = NULL;
    }
    plan->method = state->spawn_method;
    plan->runs_at_once = parsed.request.pass_fd_count > 0 || !parsed.request.close_fds;
    plan->program = shown;
    plan->cwd = Py_XNewRef(cwd);
    plan->preexec_fn = Py_XNewRef(given(options._preexec_fn));
    plan->args = Py_NewRef(args);

done:
    if (plan == NULL) {
        fp_fd_close(&parsed.cgroup);
        PyMem_RawFree(parsed.attributes);
    }
    exec_strings_drop(&strings);
    PyMem_Free(groups);
    PyMem_Free(pass_fds);
    Py_XDECREF(args);
    Py_XDECREF(program);
    fp_environ_snapshot_release(environ_snapshot);
    return plan;
}

void spawn_plan_close_pipes(struct spawn_plan *plan)
{
    for (int fd = 0; fd < 3; fd++)
        fp_fd_close(&plan->pipe_fds[fd]);
    fp_fd_close(&plan->master);
}

void spawn_plan_give_up(struct spawn_plan *plan)
{
    spawn_plan_close_pipes(plan);
    fp_fd_close(&plan->cgroup);
    fp_fd_close(&plan->child.pidfd);
    fp_fd_close(&plan->child.outcome_fd);
    Py_CLEAR(plan->program);
    Py_CLEAR(plan->cwd);
    Py_CLEAR(plan->preexec_fn);
    Py_CLEAR(plan->args);
    Py_CLEAR(plan->failure);
}

void spawn_plan_free(struct spawn_plan *plan)
{
    if (plan == NULL)
        return;
    spawn_plan_give_up(plan);
    fp_environ_snapshot_release(plan->environ_snapshot);
    PyMem_RawFree(plan->attributes);
    PyMem_RawFree(plan);
}

/* Whether the child needs no directory of the parent, because it goes to an absolute one before it
 * looks up any path. */
static bool begins_anywhere(const struct spawn_plan *plan)
{
    return plan->request.cwd != NULL && plan->request.cwd[0] == '/';
}

enum { NO_SOURCE = -1 };

/* The descriptor of the parent that becomes `fd` in the child, or NO_SOURCE. */
static int source_of(const struct spawn_plan *plan, int fd)
{
    switch (plan->stdio[fd]) {
    case STDIO_INHERIT:
        return fd;
    case STDIO_FD:
        return plan->given_fds[fd];
    case STDIO_STDOUT:
        return plan->stdio[1] == STDIO_INHERIT ? 1 : NO_SOURCE;
    case STDIO_PIPE:
    case STDIO_PTY:
    case STDIO_NULL:
        break;
    }
    return NO_SOURCE;
}

int spawn_plan_check_fds(const struct spawn_plan *plan)
{
    bool open = true;
    for (int fd = 0; fd < 3 && open; fd++)
        open = plan->stdio[fd] == STDIO_INHERIT || source_of(plan, fd) == NO_SOURCE ||
               fcntl(source_of(plan, fd), F_GETFD) >= 0;
    for (size_t i = 0; i < plan->request.pass_fd_count && open; i++)
        open = fcntl(plan->request.pass_fds[i], F_GETFD) >= 0;
    return open ? 0 : raise_errno(-EBADF);
}

bool spawn_plan_keep_fds(struct spawn_plan *plan, struct fp_kept_fds *set, int room)
{
    int result = 0;
    for (int fd = 0; fd < 3 && result >= 0; fd++) {
        int source = source_of(plan, fd);
        if (source == NO_SOURCE || plan->kept[fd] != NULL || plan->request.close_stdio[fd])
            continue;
        bool not_to_have =
            plan->stdio[fd] == STDIO_INHERIT && (fcntl(fd, F_GETFD) & FD_CLOEXEC); /* or closed */
        plan->request.close_stdio[fd] = not_to_have;
        if (!not_to_have)
            result = fp_kept_fd_take(set, source, &plan->kept[fd]);
        if (result >= room)
            result = -EMFILE;
    }
    if (result >= 0 && plan->kept[PLAN_DIRECTORY] == NULL && !begins_anywhere(plan)) {
        result = fp_kept_fd_take(set, FP_KEPT_DIRECTORY, &plan->kept[PLAN_DIRECTORY]);
        if (result == -EACCES) /* the process may be in a directory that it may not enter */
            result = 0;
        if (result >= room)
            result = -EMFILE;
    }
    if (result < 0) {
        spawn_plan_release_fds(plan, set);
        memset(plan->request.close_stdio, 0, sizeof plan->request.close_stdio);
    }
    return result >= 0;
}

void spawn_plan_let_go(struct spawn_plan *plan, struct fp_kept_fds *set)
{
    for (int i = 0; i < PLAN_KEPT; i++)
        if (plan->kept[i] != NULL && fp_kept_fd_is_current(plan->kept[i]))
            fp_kept_fd_release(set, &plan->kept[i]);
}

void spawn_plan_release_fds(struct spawn_plan *plan, struct fp_kept_fds *set)
{
    for (int i = 0; i < PLAN_KEPT; i++)
        fp_kept_fd_release(set, &plan->kept[i]);
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
    struct spawn_plan *plan = context;
    PyObject *result = PyObject_CallNoArgs(plan->preexec_fn);
    if (result == NULL)
        PyErr_Clear();
    if (plan->environ_snapshot != NULL) /* inherited: with what preexec_fn has put into it */
        plan->request.envp = environ;
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ---- starting ---- */

/* Makes `fd` of the child the terminal, which the first call opens.  0 or -errno. */
static int open_terminal(struct spawn_plan *plan, int fd, int theirs[3])
{
    struct fp_spawn_request *request = &plan->request;
    if (plan->master < 0) {
        int err = fp_pty_open(plan->terminal_size, plan->terminal_raw, &plan->master, &theirs[fd]);
        if (err < 0) {
            plan->missing = FP_PTY_MASTER;
            return err;
        }
        request->terminal = fd;
        if (request->set_uid) /* so that it can open its terminal by name, as login programs do */
            (void)!fchown(theirs[fd], request->uid, (gid_t)-1);
    }
    request->stdio[fd] = theirs[request->terminal];
    if (spawn_plan_has_pipe(plan, fd))
        plan->pipe_fds[fd] = fp_fd_copy(plan->master);
    return plan->pipe_fds[fd] < -1 ? fp_fd_take(&plan->pipe_fds[fd]) : 0;
}

/* Opens what the child gets as `fd`; ends for us to close later go into theirs[fd].  0 or
 * -errno. */
static int open_stdio(struct spawn_plan *plan, int fd, int theirs[3])
{
    int ends[2], err;
    int *child_end = &plan->request.stdio[fd];
    switch (plan->stdio[fd]) {
    case STDIO_PIPE:
        err = fp_fd_pipe(ends);
        if (err < 0)
            return err;
        theirs[fd] = *child_end = ends[fd == 0 ? 0 : 1];
        plan->pipe_fds[fd] = ends[fd == 0 ? 1 : 0];
        if (plan->pipe_size > 0 && (err = fp_fd_set_pipe_size(ends[1], plan->pipe_size)) < 0)
            return err;
        return fp_fd_set_nonblocking(plan->pipe_fds[fd]);
    case STDIO_PTY:
        return open_terminal(plan, fd, theirs);
    case STDIO_NULL:
        for (int other = 0; other < fd; other++)
            if (plan->stdio[other] == STDIO_NULL) {
                *child_end = plan->request.stdio[other]; /* one serves all */
                return 0;
            }
        theirs[fd] = *child_end = fp_fd_null();
        return *child_end < 0 ? *child_end : 0;
    case STDIO_STDOUT:
        *child_end = plan->request.stdio[1] >= 0 ? plan->request.stdio[1] : 1;
        break;
    case STDIO_FD:
        *child_end = plan->given_fds[fd];
        break;
    case STDIO_INHERIT:
        *child_end = PLAN_INHERIT;
        break;
    }
    if (plan->kept[fd] != NULL)
        *child_end = plan->kept[fd]->fd;
    return 0;
}

int spawn_plan_start(struct fp_state *state, struct spawn_plan *plan)
{
    int theirs[3] = {-1, -1, -1};
    int err = 0;
    plan->missing = NULL;
    for (int fd = 0; fd < 3 && err == 0; fd++)
        err = open_stdio(plan, fd, theirs);
    if (err == 0) {
        const struct fp_kept_fd *directory = plan->kept[PLAN_DIRECTORY];
        plan->directory = directory != NULL ? directory->fd : -1;
        plan->request.begin_in = directory != NULL ? &plan->directory : NULL;
        plan->hooks = (struct fp_fork_hooks){before_fork, after_fork_in_parent, after_fork_in_child,
                                             run_preexec, plan};
        plan->request.hooks = plan->preexec_fn != NULL ? &plan->hooks : NULL;
        err = fp_spawn_start(&plan->request, &plan->method, &plan->child);
        if (plan->method > state->spawn_method)
            state->spawn_method = plan->method; /* the better method is not available here */
    }
    for (int fd = 0; fd < 3; fd++)
        fp_fd_close(&theirs[fd]);
    if (err < 0)
        spawn_plan_close_pipes(plan);
    return err;
}
