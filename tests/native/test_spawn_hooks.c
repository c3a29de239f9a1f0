/* SPDX-License-Identifier: MIT
 *
 * posix/spawn with hooks: a real fork, and the caller's functions before it, on
 * both sides of it, and last before the exec.
 */
#include "check.h"
#include "posix/fd.h"
#include "trial.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct trial trial;
static struct report report;

/* Hooks that note in a pipe what runs where, because they may be in two processes. */
static int notes[2];
static int preexec_result;

static void note(void *context, char what)
{
    char entry[2] = {what, (char)(getpid() == *(pid_t *)context ? 'P' : 'C')};
    CHECK(fp_fd_write(notes[1], entry, 2) == 2);
}

static void note_before(void *context)
{
    note(context, 'b');
}

static void note_in_parent(void *context)
{
    note(context, 'p');
}

static void note_in_child(void *context)
{
    note(context, 'c');
}

static int note_preexec(void *context)
{
    note(context, 'x');
    return preexec_result;
}

/* What was noted, the child's share apart from the parent's, which it may mingle with. */
static bool were_noted(const char *in_parent, const char *in_child)
{
    char got[16] = "", parents[16] = "", childs[16] = "";
    CHECK(fp_fd_read(notes[0], got, sizeof got - 1) > 0);
    for (char *entry = got; *entry != '\0'; entry += 2) {
        char *to = entry[1] == 'P' ? parents : childs;
        to[strlen(to)] = *entry;
    }
    return got[0] == 'b' && strcmp(parents, in_parent) == 0 && strcmp(childs, in_child) == 0;
}

TEST(spawn_hooks_run_in_order_and_in_their_process)
{
    pid_t pid = getpid();
    struct fp_fork_hooks hooks = {note_before, note_in_parent, note_in_child, note_preexec, &pid};
    CHECK(fp_fd_pipe(notes) == 0);
    for (unsigned method = 0; method < METHODS; method++) {
        preexec_result = 0;
        trial_set_up(&trial, method);
        trial.request.hooks = &hooks;
        trial_report(&trial, &report);
        CHECK(were_noted("bp", "cx"));
    }
    hooks.preexec = NULL;
    trial_set_up(&trial, FP_SPAWN_FORK);
    trial.request.hooks = &hooks;
    trial_report(&trial, &report);
    CHECK(were_noted("bp", "c"));
    fp_fd_close(&notes[0]);
    fp_fd_close(&notes[1]);
}

TEST(spawn_gives_up_when_the_preexec_hook_does)
{
    pid_t pid = getpid();
    struct fp_fork_hooks hooks = {note_before, note_in_parent, note_in_child, note_preexec, &pid};
    CHECK(fp_fd_pipe(notes) == 0);
    for (preexec_result = -1; preexec_result <= 1; preexec_result += 2) {
        trial_set_up(&trial, FP_SPAWN_CLONE);
        trial.request.hooks = &hooks;
        trial.paths[0] = "/nonexistent"; /* never comes to this */
        trial_fails(&trial, FP_STAGE_PREEXEC, 0);
        CHECK(were_noted("bp", "cx"));
    }
    fp_fd_close(&notes[0]);
    fp_fd_close(&notes[1]);
}

/* The hook sees what comes before it in subprocess' order: directory, mask of files, session. */
static int look_around_in_hook(void *context)
{
    char directory[8];
    bool as_expected = getcwd(directory, sizeof directory) != NULL && strcmp(directory, "/") == 0 &&
                       umask(0) == 0123 && getsid(0) == getpid() &&
                       fcntl(*(int *)context, F_GETFD) >= 0; /* and closing comes after it */
    return as_expected ? 0 : -1;
}

static void do_nothing(void *context)
{
    (void)context;
}

TEST(spawn_preexec_hook_runs_after_the_rest_and_before_closing)
{
    int fd = fcntl(2, F_DUPFD, 20);
    struct fp_fork_hooks hooks = {do_nothing, do_nothing, do_nothing, look_around_in_hook, &fd};
    trial_set_up(&trial, FP_SPAWN_FORK);
    trial.request.hooks = &hooks;
    trial.request.cwd = "/";
    trial.request.umask = 0123;
    trial.request.new_session = true;
    trial_report(&trial, &report);
    CHECK((report.open & UINT64_C(1) << fd) == 0);
    close(fd);
}
