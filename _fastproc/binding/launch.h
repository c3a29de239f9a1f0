/* SPDX-License-Identifier: MIT
 *
 * A child from the call of create_subprocess_*() until it has exec'd: its
 * request in one block of memory, what it is to be given as 0, 1 and 2, the
 * descriptors in between, and what an error message will want to name.
 *
 * While a child is between clone and exec the block must not be freed.
 */
#ifndef FP_BINDING_LAUNCH_H
#define FP_BINDING_LAUNCH_H

#include "binding/module.h"
#include "binding/own_env.h"
#include "posix/held.h"

enum { LAUNCH_INHERIT = -1 };

/* What of the parent a child that waits holds: 0, 1, 2, and the working directory. */
enum { LAUNCH_DIRECTORY = 3, LAUNCH_HELD };

enum launch_stdio {
    STDIO_INHERIT,
    STDIO_PIPE,
    STDIO_NULL,
    STDIO_STDOUT, /* of stderr: where stdout goes */
    STDIO_FD,
};

struct launch {
    struct fp_spawn_request request;
    struct fp_spawned child;
    struct fp_spawn_error error;
    struct fp_fork_hooks hooks;
    enum fp_spawn_method method;

    enum launch_stdio stdio[3];
    int given_fds[3];                  /* the user's, of STDIO_FD */
    struct fp_held *held[LAUNCH_HELD]; /* while it waits: what it is to be given instead, or NULL */
    int directory;     /* that of those; the child reads it when they may have gone */
    bool runs_at_once; /* depends on the descriptor table as it is now: may not wait */
    int pipe_size;     /* bytes; 0 or less: the system's */
    int pipe_fds[3];   /* our ends; -1: none */

    struct own_env *own_env; /* what request.envp points into, unless env= was given */
    PyObject *program;       /* what a failing exec is named after */
    PyObject *cwd;           /* what a failing chdir is named after, or NULL */
    PyObject *args;          /* list: what the audit event and the Popen view show */
    PyObject *failure;       /* the exception, when something else than the child failed */
    PyObject *preexec_fn;
};

/* What create_subprocess_exec and _shell were called with. */
struct launch_call {
    const char *function; /* for error messages */
    PyObject *args;       /* a tuple: the program and its arguments, or the command */
    PyObject *kwargs;     /* a dict or NULL; stdin, stdout and stderr among them */
    bool shell;
};

/* Converts and checks everything, with the exceptions that subprocess and asyncio would raise,
 * and raises the audit event.  NULL with an exception. */
struct launch *launch_new(struct fp_state *state, const struct launch_call *call);

/* Closes and drops whatever is left but what is held.  Not while the child may still read it. */
void launch_free(struct launch *launch);
/* The same but for what the child reads, and for the memory itself, which stay for ever: for a child
 * that may be between clone and exec as long as it likes. */
void launch_give_up(struct launch *launch);

/* Whether all descriptors that were given are open.  To be asked before any is opened for the child,
 * which could get the number of one that is not.  0, or -1 with OSError. */
int launch_check_fds(const struct launch *launch);

/* Holds the descriptors and the directory as they are now, for a launch that has to wait, if there is
 * room: a copy may have any number below `room`.  If not, nothing is held. */
bool launch_hold_fds(struct launch *launch, struct fp_held_set *set, int room);
/* Releases what is still what it was; for a launch that waits no longer, or holds it again. */
void launch_let_go(struct launch *launch, struct fp_held_set *set);
void launch_release_fds(struct launch *launch, struct fp_held_set *set);

/* Opens the pipes and starts the child; the parent's ends are in pipe_fds, non-blocking.
 * 0; or -errno, with nothing left behind but what is held. */
int launch_start(struct fp_state *state, struct launch *launch);

/* Raises what subprocess raises for launch->error. */
void launch_raise_error(struct fp_state *state, const struct launch *launch);

#endif
