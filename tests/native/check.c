/* SPDX-License-Identifier: MIT
 *
 * Runs the tests that check.h registers, in the order in which they stand:
 *
 *     tests [TEXT ...]    those whose name contains one of the texts; else all
 *
 * One line each, `ok NAME` or `not ok NAME: why`; exit status 1 if any failed.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG = 60 }; /* seconds, far more than any test takes under a sanitizer */

static struct check_test *first, **last = &first;

void check_register(struct check_test *test)
{
    *last = test;
    last = &test->next;
}

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, condition);
    fflush(NULL);
    _exit(1);
}

int check_open_descriptors(void)
{
    DIR *dir = opendir("/dev/fd");
    if (dir == NULL)
        return -1;
    int count = -3; /* opendir's own, "." and ".." */
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static _Noreturn void run_in_child(const struct check_test *test)
{
    alarm(HANG);
    int descriptors = check_open_descriptors();
    test->run();
    CHECK(check_open_descriptors() == descriptors);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    exit(0); /* not _exit: the leak sanitizer looks here */
}

static bool run(const struct check_test *test)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_in_child(test);
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        printf("not ok %s: %s\n", test->name, strerror(errno));
        return false;
    }
    if (WIFSIGNALED(status))
        printf("not ok %s: %s\n", test->name, strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        printf("not ok %s: exit status %d\n", test->name, WEXITSTATUS(status));
    else
        printf("ok %s\n", test->name);
    return status == 0;
}

static bool wanted(const char *name, char **texts)
{
    if (*texts == NULL)
        return true;
    for (; *texts != NULL; texts++)
        if (strstr(name, *texts) != NULL)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    (void)argc;
    bool passed = true;
    for (struct check_test *test = first; test != NULL; test = test->next)
        if (wanted(test->name, argv + 1))
            passed &= run(test);
    return passed ? 0 : 1;
}
