/* SPDX-License-Identifier: MIT
 *
 * One spawn, from request to wait status, for the tests of posix/spawn.
 *
 * What is started is this very program, which takes its name, "fp-reporter", for
 * an order to report what it finds itself to be: descriptors, signals, ids and so
 * on.  It then exits with code 42.
 */
#ifndef FP_TESTS_NATIVE_TRIAL_H
#define FP_TESTS_NATIVE_TRIAL_H

#include <stdint.h>

#include "posix/spawn.h"

enum { REPORTER_CODE = 42 };

/* The path of this program, in any child that has not exec'd. */
#define REPORTER "/proc/self/exe"

struct report {
    pid_t pid, parent, session, group;
    uid_t uids[3]; /* real, effective, saved */
    gid_t gids[3];
    pid_t foreground; /* the process group at its terminal; -1 if it has none */
    int supplementary_count;
    gid_t supplementary[16];
    mode_t umask;
    int descriptors;                    /* how many are open */
    uint64_t open;                      /* bit N: descriptor N, below 64, is open */
    uint64_t stdio[3];                  /* the inodes of 0, 1, 2; 0 if closed */
    uint64_t blocked, ignored, handled; /* bit N - 1: signal N */
    char directory[256];
    char arguments[256]; /* all, each with its NUL */
    char word[32];       /* $FP_WORD */
};

struct trial {
    struct fp_spawn_request request; /* to be changed between set-up and start */
    enum fp_spawn_method method;
    struct fp_spawned child;
    struct fp_spawn_error error;
    int report_ends[2]; /* the write end is the one that is passed on */
    char report_variable[32];
    char *argv[4], *envp[4], *paths[8];
    char **next_variable; /* in envp */
    unsigned char *stack; /* with a guard page below */
};

/* enum fp_spawn_method, to be counted through */
enum { METHODS = FP_SPAWN_FORK + 1 };

/* A request for the reporter, and for nothing else out of the ordinary. */
void trial_set_up(struct trial *trial, enum fp_spawn_method method);

/* 0 or -errno, as fp_spawn_start(). */
int trial_start(struct trial *trial);

/* Waits until the child has exec'd or failed, then for its end.  The wait status; trial->error
 * says what was reported. */
int trial_finish(struct trial *trial);

/* For one that was not started, or is finished. */
void trial_tear_down(struct trial *trial);

/* All of it, for a child that must come up. */
void trial_report(struct trial *trial, struct report *report);

/* From set-up to tear-down, for a child that must fail so. */
void trial_fails(struct trial *trial, enum fp_spawn_stage stage, int err);

#endif
