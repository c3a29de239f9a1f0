/* SPDX-License-Identifier: MIT
 *
 * A child from the call of create_subprocess_*() until it has exec'd: its request
 * in one block of memory, the descriptors that become 0, 1 and 2, our ends of its
 * pipes, and the names for an error message.
 *
 * While a child is between clone and exec the block must not be freed.
 */
#ifndef FP_CHILD_SPAWN_PLAN_H
#define FP_CHILD_SPAWN_PLAN_H

#include "posix/kept_fds.h"
#include "posix/pty.h"
#include "python/state.h"

enum { PLAN_INHERIT = -1 };

/* What a child that waits keeps of the parent: 0, 1, 2, and the working directory. */
enum { PLAN_DIRECTORY = 3, PLAN_KEPT };

enum plan_stdio {
    STDIO_INHERIT,
    STDIO_PIPE,
    STDIO_PTY, /* all that are PTY share one terminal */
    STDIO_NULL,
    STDIO_STDOUT, /* only of stderr: where stdout goes */
    STDIO_FD,
};

struct spawn_plan {
    struct fp_spawn_request request;
    struct fp_spawned child;
    struct fp_spawn_error error;
    struct fp_fork_hooks hooks;
    enum fp_spawn_method method;

    enum plan_stdio stdio[3];
    int given_fds[3]; /* the user's, of STDIO_FD */
    struct fp_kept_fd
        *kept[PLAN_KEPT]; /* while it waits: the copies that it is to be given, or NULL */
    int directory;        /* kept[PLAN_DIRECTORY]->fd, for the child: kept[] may be gone by then */
    bool runs_at_once;    /* depends on the descriptor table as it is now: may not wait */
    int pipe_size;        /* bytes; 0 or less: the system's */
    int pipe_fds[3];      /* our ends; -1: none */
    int cgroup;           /* the descriptor of its directory, as in request.attributes; -1: none */
    int master;           /* our end of the terminal; pipe_fds[] are copies of it; -1: none */
    struct fp_pty_size terminal_size;
    bool terminal_raw;
    const char *missing; /* what could not be opened, where that is not clear from the error */

    struct fp_environ_snapshot
        *environ_snapshot;            /* what request.envp points into, unless env= was given */
    struct fp_attributes *attributes; /* what request.attributes points to, or NULL */
    PyObject *program;                /* the filename in the error of a failing exec */
    PyObject *cwd;                    /* the filename in the error of a failing chdir, or NULL */
    PyObject *args;                   /* list: what the audit event and the Popen view show */
    PyObject *failure;                /* the exception, when something else than the child failed */
    PyObject *preexec_fn;
};

/* Whether we have an end for `fd`: not for stderr if stdout and stderr are both the terminal. */
static inline bool spawn_plan_has_pipe(const struct spawn_plan *plan, int fd)
{
    bool is_shown = fd == 2 && plan->stdio[1] == STDIO_PTY;
    return plan->stdio[fd] == STDIO_PIPE || (plan->stdio[fd] == STDIO_PTY && !is_shown);
}

/* What create_subprocess_exec and _shell were called with. */
struct spawn_call {
    const char *function; /* for error messages */
    PyObject *args;       /* a tuple: the program and its arguments, or the command */
    PyObject *kwargs;     /* a dict or NULL; stdin, stdout and stderr among them */
    bool shell;
};

/* Converts and checks everything, with the exceptions that subprocess and asyncio would raise,
 * and raises the audit event.  NULL with an exception. */
struct spawn_plan *spawn_plan_new(struct fp_state *state, const struct spawn_call *call);

/* Closes and drops whatever is left, except kept[].  Not while the child may read the plan. */
void spawn_plan_free(struct spawn_plan *plan);
/* The same, but never frees the memory that the child reads, nor the plan itself: for a child that
 * may stay between clone and exec for ever. */
void spawn_plan_give_up(struct spawn_plan *plan);

/* Whether all descriptors that were given are open.  To be called before any is opened for the
 * child, because a new one could get the number of one that is closed.  0, or -1 with OSError. */
int spawn_plan_check_fds(const struct spawn_plan *plan);

/* Keeps copies of the descriptors and the directory as they are now, for a plan that has to wait.
 * False, with nothing kept, if that fails or if a copy's number is not below `room`. */
bool spawn_plan_keep_fds(struct spawn_plan *plan, struct fp_kept_fds *set, int room);
/* Releases the copies of what has not been replaced since; for a plan that waits no longer, or
 * keeps copies again. */
void spawn_plan_let_go(struct spawn_plan *plan, struct fp_kept_fds *set);
void spawn_plan_release_fds(struct spawn_plan *plan, struct fp_kept_fds *set);

/* Closes our ends that nobody has taken. */
void spawn_plan_close_pipes(struct spawn_plan *plan);

/* Opens the pipes and starts the child; pipe_fds has the parent's ends, non-blocking.  0; or
 * -errno, with nothing left behind except kept[]. */
int spawn_plan_start(struct fp_state *state, struct spawn_plan *plan);

#endif
