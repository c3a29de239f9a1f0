/* SPDX-License-Identifier: MIT
 *
 * Starting a child: the request, a child described as plain data, and the
 * parent's half of the work.  The child's half is child.c.
 *
 * The request, all that it points to and its stack are read by the child until
 * it has exec'd or exited, while the parent already runs on (FP_SPAWN_CLONE).
 * They must not change until fp_spawn_outcome() has reported that.
 */
#ifndef FP_POSIX_SPAWN_H
#define FP_POSIX_SPAWN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "posix/attributes.h"
#include "posix/handover.h"

enum fp_spawn_method {
    FP_SPAWN_CLONE, /* shares memory, parent runs on: the cheapest, independent of memory size */
    FP_SPAWN_VFORK, /* shares memory, parent thread suspended until exec */
    FP_SPAWN_FORK,  /* own memory */
};

/* Where a child failed.  The caller reports it as subprocess does. */
enum fp_spawn_stage {
    FP_STAGE_NONE,
    FP_STAGE_SETUP,     /* descriptors, session, group, ids */
    FP_STAGE_CHDIR,     /* the working directory */
    FP_STAGE_PREEXEC,   /* the caller's hook */
    FP_STAGE_EXEC,      /* the program */
    FP_STAGE_TERMINAL,  /* the terminal of the session */
    FP_STAGE_ATTRIBUTE, /* plus N: attribute N of enum fp_attribute */
};

struct fp_spawn_error {
    int err;   /* positive errno, 0 for none */
    int stage; /* of enum fp_spawn_stage */
};

/* Python's side of a real fork; every function gets `context`. */
struct fp_fork_hooks {
    void (*before)(void *context);
    void (*in_parent)(void *context);
    void (*in_child)(void *context);
    int (*preexec)(void *context); /* 0, or anything else to give up */
    void *context;
};

struct fp_spawn_request {
    char *const *argv;
    char *const *envp;
    char *const *paths;  /* candidates for execve, in order, NULL at the end */
    const char *cwd;     /* NULL: the parent's */
    const int *begin_in; /* a descriptor of the directory for a relative cwd; NULL: the parent's */
    int stdio[3];        /* what becomes 0, 1, 2; -1: the parent's */
    const int *pass_fds; /* ascending */
    size_t pass_fd_count;
    const gid_t *groups;
    size_t group_count;
    const struct fp_fork_hooks *hooks;  /* not NULL: real fork */
    const struct fp_handover *handover; /* not NULL: used instead of a copied table, if possible */
    const struct fp_attributes *attributes; /* NULL: none */
    uid_t uid;
    gid_t gid;
    pid_t process_group; /* -1: the parent's */
    int terminal;        /* the one of 0, 1 and 2 that is a terminal, if it takes one */
    int umask;           /* -1: the parent's */
    bool close_fds;
    bool close_stdio[3]; /* where stdio[] is -1: the child gets none */
    bool waits;          /* if possible, suspend this thread until the child has exec'd or exited */
    bool others_are_starting; /* and may hold the program open for writing, as the parent did */
    bool restore_signals;
    bool new_session;
    bool takes_terminal; /* `terminal` becomes the session's, with the child in the foreground */
    bool set_groups, set_gid, set_uid;

    unsigned char *stack; /* for the child, 16-byte aligned at both ends */
    size_t stack_size;    /* FP_SPAWN_STACK or more */

    /* Filled in by fp_spawn_start(). */
    int outcome_fd; /* the child's end of the outcome pipe; -1 until the child has received it */
    sigset_t caller_mask;
    pid_t parent;        /* the process that starts it, if it has attributes */
    bool enters_cgroup;  /* the child has to do what CLONE_INTO_CGROUP does */
    bool reset_handlers; /* the child has to do what CLONE_CLEAR_SIGHAND does */
    bool shares_table;   /* the handover is in use until the child has exec'd or exited */
    /* Filled in by a child that shares the table: the received directory (as are outcome_fd and
     * stdio), or the error that prevented it.  The outcome pipe does not report that error.  If the
     * child exits before it has received, the pipe has no EOF until the handover is taken back. */
    int received_directory;
    /* Also filled in by a child that was waited for: the error that prevented its exec. */
    struct fp_spawn_error early_error;
};

/* The child's deepest frame is a directory buffer of 1 KiB. */
enum { FP_SPAWN_STACK = 8 * 1024 };

struct fp_spawned {
    pid_t pid;
    int pidfd;      /* -1 if the kernel has none */
    int outcome_fd; /* readable when the child has exec'd or failed; non-blocking */
};

/* Starts the child by *method or, where this machine refuses that, by a simpler method, which is then
 * stored in *method.  On failure -errno, with nothing left behind.
 *
 * A child that was waited for has exec'd or failed by then: outcome_fd is -1, early_error says which. */
int fp_spawn_start(struct fp_spawn_request *request, enum fp_spawn_method *method,
                   struct fp_spawned *child);

enum fp_spawn_outcome {
    FP_OUTCOME_PENDING, /* still between clone and exec */
    FP_OUTCOME_GONE,    /* exec'd or exited: the request may be freed; *error says which */
};

/* Reads the child's report.  Pass the same *error to all calls, zeroed before the first.  A report
 * that cannot be read is an error too: the child may then be at any stage, and has to be killed. */
enum fp_spawn_outcome fp_spawn_outcome(int outcome_fd, struct fp_spawn_error *error);

/* Whether a child can begin in its parent's descriptor table here, and leave it: 1 or 0.  Tries it
 * with a child; -errno if there could be none now. */
int fp_spawn_can_share_table(void);

/* The best method that this build and the environment allow; tries nothing. */
enum fp_spawn_method fp_spawn_best_method(void);

#endif
