/* SPDX-License-Identifier: MIT
 *
 * See trial.h.
 */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "posix/fd.h"
#include "support.h"

static const char reporter_name[] = "fp-reporter";
static const char report_variable[] = "FP_REPORT";
extern char **environ;

static size_t read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fp_fd_read(fd, to, size - 1);
    close(fd);
    to[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static uint64_t signal_set(const char *proc_status, const char *field)
{
    const char *line = strstr(proc_status, field);
    return line != NULL ? strtoull(line + strlen(field), NULL, 16) : 0;
}

static void look_around(struct report *report)
{
    for (int fd = 0; fd < 64; fd++)
        report->open |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
    report->descriptors = check_open_descriptors();
    if (report->descriptors < 0) { /* cannot be listed; the tests stay below this */
        report->descriptors = 0;
        for (int fd = 0; fd < 4096; fd++)
            report->descriptors += fcntl(fd, F_GETFD) >= 0;
    }
    for (int fd = 0; fd < 3; fd++) {
        struct stat info;
        report->stdio[fd] = fstat(fd, &info) == 0 ? info.st_ino : 0;
    }
    report->pid = getpid();
    report->parent = getppid();
    report->session = getsid(0);
    report->group = getpgid(0);
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    report->foreground = terminal >= 0 ? tcgetpgrp(terminal) : -1;
    close(terminal);
    report->umask = umask(0);
    getresuid(&report->uids[0], &report->uids[1], &report->uids[2]);
    getresgid(&report->gids[0], &report->gids[1], &report->gids[2]);
    report->supplementary_count = getgroups(16, report->supplementary);

    static char proc_status[8192];
    read_file("/proc/self/status", proc_status, sizeof proc_status);
    report->blocked = signal_set(proc_status, "SigBlk:");
    report->ignored = signal_set(proc_status, "SigIgn:");
    report->handled = signal_set(proc_status, "SigCgt:");
    read_file("/proc/self/cmdline", report->arguments, sizeof report->arguments);
    if (getcwd(report->directory, sizeof report->directory) == NULL)
        report->directory[0] = '\0';
    const char *word = getenv("FP_WORD");
    snprintf(report->word, sizeof report->word, "%s", word != NULL ? word : "");
}

/* Before main(), which takes arguments for names of tests. */
__attribute__((constructor)) static void report_if_asked(void)
{
    if (strcmp(program_invocation_name, reporter_name) != 0)
        return;
    static struct report report;
    look_around(&report);
    const char *fd = getenv(report_variable);
    if (fd != NULL && fp_fd_write(atoi(fd), &report, sizeof report) != (ssize_t)sizeof report)
        _exit(1);
    _exit(REPORTER_CODE);
}

void trial_set_up(struct trial *trial, enum fp_spawn_method method)
{
    memset(trial, 0, sizeof *trial);
    trial->method = method;
    CHECK(fp_fd_pipe(trial->report_ends) == 0);
    snprintf(trial->report_variable, sizeof trial->report_variable, "%s=%d", report_variable,
             trial->report_ends[1]);
    trial->argv[0] = (char *)reporter_name;
    trial->next_variable = trial->envp;
    *trial->next_variable++ = trial->report_variable;
    for (char **variable = environ; *variable != NULL; variable++)
        if (strncmp(*variable, "LD_LIBRARY_PATH=", 16) == 0)
            *trial->next_variable++ = *variable;
    trial->paths[0] = REPORTER;

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (FP_SPAWN_STACK + page - 1) / page * page;
    trial->stack =
        mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(trial->stack != MAP_FAILED && mprotect(trial->stack, page, PROT_NONE) == 0);
    trial->request = (struct fp_spawn_request){
        .argv = trial->argv,
        .envp = trial->envp,
        .paths = trial->paths,
        .stdio = {-1, -1, -1},
        .pass_fds = &trial->report_ends[1],
        .pass_fd_count = 1,
        .process_group = -1,
        .umask = -1,
        .close_fds = true,
        .restore_signals = true,
        .stack = trial->stack + page,
        .stack_size = FP_SPAWN_STACK,
    };
}

int trial_start(struct trial *trial)
{
    int err = fp_spawn_start(&trial->request, &trial->method, &trial->child);
    if (err < 0)
        CHECK(trial->child.pid == -1 && trial->child.pidfd == -1 && trial->child.outcome_fd == -1);
    else
        CHECK(trial->child.pid > 0 && trial->child.outcome_fd > 2);
    return err;
}

int trial_finish(struct trial *trial)
{
    int status;
    do
        wait_readable(trial->child.outcome_fd);
    while (fp_spawn_outcome(trial->child.outcome_fd, &trial->error) == FP_OUTCOME_PENDING);
    CHECK(waitpid(trial->child.pid, &status, 0) == trial->child.pid);
    fp_fd_close(&trial->child.outcome_fd);
    fp_fd_close(&trial->child.pidfd);
    return status;
}

void trial_tear_down(struct trial *trial)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(trial->stack, page + (FP_SPAWN_STACK + page - 1) / page * page);
    fp_fd_close(&trial->report_ends[0]);
    fp_fd_close(&trial->report_ends[1]);
}

void trial_report(struct trial *trial, struct report *report)
{
    CHECK(trial_start(trial) == 0);
    pid_t pid = trial->child.pid;
    int status = trial_finish(trial);
    CHECK(trial->error.err == 0 && trial->error.stage == FP_STAGE_NONE);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == REPORTER_CODE);
    fp_fd_close(&trial->report_ends[1]);
    CHECK(fp_fd_read(trial->report_ends[0], report, sizeof *report) == (ssize_t)sizeof *report);
    CHECK(report->pid == pid && report->parent == getpid());
    trial_tear_down(trial);
}

void trial_fails(struct trial *trial, enum fp_spawn_stage stage, int err)
{
    CHECK(trial_start(trial) == 0);
    int status = trial_finish(trial);
    CHECK(trial->error.stage == (int)stage);
    CHECK(trial->error.err == err);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 255);
    trial_tear_down(trial);
}
