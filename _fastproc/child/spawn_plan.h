/* SPDX-License-Identifier: MIT
 *
 * A child from the call of create_subprocess_*() until it has exec'd: its
 * request in one block of memory, what it is to be given as 0, 1 and 2, the
 * descriptors in between, and what an error message will want to name.
 *
 * While a child is between clone and exec the block must not be freed.
 */
#ifndef FP_CHILD_SPAWN_PLAN_H
#define FP_CHILD_SPAWN_PLAN_H

#include "posix/kept_fds.h"
#include "posix/pty.h"
#include "python/state.h"

enum { PLAN_INHERIT = -1 };

/* What of the parent a child that waits holds: 0, 1, 2, and the working directory. */
enum { PLAN_DIRECTORY = 3, PLAN_KEPT };

enum plan_stdio {
    STDIO_INHERIT,
    STDIO_PIPE,
    STDIO_PTY, /* one terminal for all that are */
    STDIO_NULL,
    STDIO_STDOUT, /* of stderr: where stdout goes */
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
        *kept[PLAN_KEPT]; /* while it waits: what it is to be given instead, or NULL */
    int directory;        /* that of those; the child reads it when they may have gone */
    bool runs_at_once;    /* depends on the descriptor table as it is now: may not wait */
    int pipe_size;        /* bytes; 0 or less: the system's */
    int pipe_fds[3];      /* our ends; -1: none */
    int cgroup;           /* its directory, that of request.attributes; -1: none */
    int master;           /* our end of the terminal, of which those ends are copies; -1: none */
    struct fp_pty_size terminal_size;
    bool terminal_raw;
    const char *missing; /* what could not be opened, where that is not clear from the error */

    struct fp_environ_snapshot
        *environ_snapshot;            /* what request.envp points into, unless env= was given */
    struct fp_attributes *attributes; /* what request.attributes points to, or NULL */
    PyObject *program;                /* what a failing exec is named after */
    PyObject *cwd;                    /* what a failing chdir is named after, or NULL */
    PyObject *args;                   /* list: what the audit event and the Popen view show */
    PyObject *failure;                /* the exception, when something else than the child failed */
    PyObject *preexec_fn;
};

/* Whether we have an end for `fd`: stdout's is that of stderr as well if both are the terminal. */
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

/* Closes and drops whatever is left but what is kept.  Not while the child may still read it. */
void spawn_plan_free(struct spawn_plan *plan);
/* The same but for what the child reads, and for the memory itself, which stay for ever: for a child
 * that may be between clone and exec as long as it likes. */
void spawn_plan_give_up(struct spawn_plan *plan);

/* Whether all descriptors that were given are open.  To be asked before any is opened for the child,
 * which could get the number of one that is not.  0, or -1 with OSError. */
int spawn_plan_check_fds(const struct spawn_plan *plan);

/* Holds the descriptors and the directory as they are now, for a plan that has to wait, if there is
 * room: a copy may have any number below `room`.  If not, nothing is kept. */
bool spawn_plan_keep_fds(struct spawn_plan *plan, struct fp_kept_fds *set, int room);
/* Releases what is still what it was; for a plan that waits no longer, or holds it again. */
void spawn_plan_let_go(struct spawn_plan *plan, struct fp_kept_fds *set);
void spawn_plan_release_fds(struct spawn_plan *plan, struct fp_kept_fds *set);

/* Closes our ends, as far as nobody has taken them. */
void spawn_plan_close_pipes(struct spawn_plan *plan);

/* Opens the pipes and starts the child; the parent's ends are in pipe_fds, non-blocking.
 * 0; or -errno, with nothing left behind but what is kept. */
int spawn_plan_start(struct fp_state *state, struct spawn_plan *plan);

#endif
