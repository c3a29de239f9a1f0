/* The floor: what the workloads cost a C program that makes the same system calls and nothing else.
 *
 *     floor WORKLOAD AMOUNT
 *
 * A child is cloned in the parent's memory without suspending it and reports its exec through a
 * close-on-exec pipe; everything is waited for in one epoll.  Prints JSON as the other sides do.
 * Linux only.  Any error ends the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 32 * 1024, MIB = 1 << 20, FLIGHT = 100, ROUNDS_BEFORE = 20 };

extern char **environ;

static void check(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* ---- time ---- */

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double wall_then, cpu_then;

static void begin(void)
{
    wall_then = wall_seconds();
    cpu_then = cpu_seconds();
}

static void end(void)
{
    double cpu = cpu_seconds() - cpu_then, wall = wall_seconds() - wall_then;
    printf("{\"wall\": %.9f, \"cpu\": %.9f}\n", wall, cpu);
}

/* ---- children ---- */

struct child {
    const char *path;
    char *const *argv;
    int stdio[3];     /* the child's, or -1 */
    int ends[3];      /* ours, or -1 */
    int pidfd, outcome, report;
    int open;         /* descriptors that are waited for */
    sigset_t before;  /* the signal mask of the parent */
    char *stack;
};

static int poller;
static char scratch[64 * 1024];

static int run_child(void *argument)
{
    struct child *child = argument;
    for (int fd = 0; fd < 3; fd++)
        if (child->stdio[fd] >= 0 && syscall(SYS_dup3, child->stdio[fd], fd, 0) < 0)
            _exit(127);
    syscall(SYS_close_range, 3, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &child->before, NULL, 8);
    syscall(SYS_execve, child->path, child->argv, environ);
    int error = 1;
    syscall(SYS_write, child->report, &error, sizeof error);
    syscall(SYS_exit, 127);
    return 0;
}

static void watch(int fd, struct child *child)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = child};
    check(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void unwatch(int *fd)
{
    check(epoll_ctl(poller, EPOLL_CTL_DEL, *fd, NULL) == 0, "epoll_ctl");
    close(*fd);
    *fd = -1;
}

static void start(struct child *child, const char *path, char *const *argv, const char *pipes)
{
    sigset_t all;
    int ends[2];
    child->path = path;
    child->argv = argv;
    for (int fd = 0; fd < 3; fd++) {
        child->stdio[fd] = child->ends[fd] = -1;
        if (strchr(pipes, '0' + fd) == NULL)
            continue;
        check(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
        child->stdio[fd] = ends[fd == 0 ? 0 : 1];
        child->ends[fd] = ends[fd == 0 ? 1 : 0];
        fcntl(child->ends[fd], F_SETFL, O_NONBLOCK);
    }
    check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2");
    child->outcome = ends[0];
    child->report = ends[1];
    if (child->stack == NULL)
        child->stack = malloc(STACK);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &child->before);
    int pid = clone(run_child, child->stack + STACK - 64, CLONE_VM | CLONE_PIDFD | SIGCHLD, child,
                    &child->pidfd);
    sigprocmask(SIG_SETMASK, &child->before, NULL);
    check(pid > 0, "clone");
    close(child->report);
    for (int fd = 0; fd < 3; fd++)
        if (child->stdio[fd] >= 0)
            close(child->stdio[fd]);
    watch(child->outcome, child);
    child->open = 2; /* the outcome and the exit */
}

/* What the child's outcome or exit being ready leads to. */
static void advance(struct child *child)
{
    if (child->outcome >= 0) {
        int error;
        ssize_t size = read(child->outcome, &error, sizeof error);
        check(size <= 0, "exec");
        if (size < 0)
            return;
        unwatch(&child->outcome);
        watch(child->pidfd, child);
        for (int fd = 1; fd < 3; fd++)
            if (child->ends[fd] >= 0)
                watch(child->ends[fd], child), child->open++;
        child->open--;
        return;
    }
    siginfo_t info = {0};
    struct rusage usage;
    if (child->pidfd < 0 ||
        syscall(SYS_waitid, P_PIDFD, child->pidfd, &info, WEXITED | WNOHANG, &usage) < 0 ||
        info.si_pid == 0)
        return;
    unwatch(&child->pidfd);
    child->open--;
}

/* Reads once from each output.  How many bytes. */
static size_t gulp(struct child *child, char *to, size_t room)
{
    size_t total = 0;
    for (int fd = 1; fd < 3; fd++) {
        if (child->ends[fd] < 0 || child->outcome >= 0)
            continue;
        ssize_t size = read(child->ends[fd], to, room);
        if (size > 0)
            total += (size_t)size;
        else if (size == 0)
            unwatch(&child->ends[fd]), child->open--;
    }
    return total;
}

/* One turn of the loop. */
static void turn(struct child *only)
{
    struct epoll_event events[64];
    int count = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < count; i++) {
        struct child *child = events[i].data.ptr;
        if (child != only || child->outcome >= 0)
            advance(child);
    }
}

static size_t finish(struct child *child)
{
    size_t total = 0;
    while (child->open > 0) {
        turn(child);
        if (child->outcome >= 0 || child->open == 0)
            continue;
        total += gulp(child, scratch, sizeof scratch);
        advance(child);
    }
    return total;
}

static char *const TRUE_ARGV[] = {"true", NULL};
static char *const ECHO_ARGV[] = {"echo", "hello", NULL};
static char *const CAT_ARGV[] = {"cat", NULL};
static char *const SLEEP_ARGV[] = {"sleep", "600", NULL};

static void run_true(struct child *child)
{
    start(child, "/bin/true", TRUE_ARGV, "");
    finish(child);
}

static void run_echo(struct child *child)
{
    start(child, "/bin/echo", ECHO_ARGV, "12");
    check(finish(child) == 6, "echo");
}

static void run_cat(struct child *child)
{
    start(child, "/bin/cat", CAT_ARGV, "01");
    check(write(child->ends[0], "hello\n", 6) == 6, "write");
    close(child->ends[0]);
    check(finish(child) == 6, "cat");
}

static void repeat(void (*run)(struct child *), int amount)
{
    struct child child = {0};
    for (int i = 0; i < ROUNDS_BEFORE; i++)
        run(&child);
    begin();
    for (int i = 0; i < amount; i++)
        run(&child);
    free(child.stack);
}

static void one_after_another(void (*run)(struct child *), int amount)
{
    repeat(run, amount);
    end();
}

/* One more child, alone and beside others that live and have two pipes each. */
static void live(int amount)
{
    enum { MORE = 50 };
    struct child *children = calloc((size_t)amount, sizeof *children);
    check(children != NULL, "calloc");
    repeat(run_true, MORE);
    double alone = (cpu_seconds() - cpu_then) / MORE;
    for (int n = 0; n < amount; n++) {
        start(&children[n], "/bin/sleep", SLEEP_ARGV, "12");
        while (children[n].outcome >= 0)
            turn(&children[n]);
    }
    repeat(run_true, MORE);
    double beside = (cpu_seconds() - cpu_then) / MORE;
    for (int n = 0; n < amount; n++) {
        syscall(SYS_pidfd_send_signal, children[n].pidfd, SIGKILL, NULL, 0);
        finish(&children[n]);
    }
    printf("{\"alone\": %.9f, \"beside\": %.9f}\n", alone, beside);
}

static void flight(int amount)
{
    static struct child children[FLIGHT];
    for (int warm = 1; warm >= 0; warm--) {
        int rounds = warm ? 1 : amount / FLIGHT;
        if (!warm)
            begin();
        for (int i = 0; i < rounds; i++) {
            int running = FLIGHT;
            for (int n = 0; n < FLIGHT; n++)
                start(&children[n], "/bin/true", TRUE_ARGV, "");
            while (running > 0) {
                turn(NULL);
                running = 0;
                for (int n = 0; n < FLIGHT; n++)
                    running += children[n].open > 0;
            }
        }
    }
    end();
}

/* ---- bytes ---- */

static void start_writer(struct child *child, int mib)
{
    static char size[32];
    static char *argv[] = {"head", "-c", size, "/dev/zero", NULL};
    snprintf(size, sizeof size, "%lld", (long long)mib * MIB);
    start(child, "/usr/bin/head", argv, "1");
}

/* Into memory that grows as needed, or over and over into the same. */
static void read_all(int mib, int keep)
{
    struct child child = {0};
    char *kept = NULL;
    size_t size = 0, room = 0, total = (size_t)mib * MIB;
    begin();
    start_writer(&child, mib);
    while (child.open > 0) {
        turn(&child);
        if (child.outcome >= 0)
            continue;
        if (keep && child.ends[1] >= 0) {
            if (room - size < sizeof scratch) {
                room = room ? room + room / 2 : 2 * sizeof scratch;
                kept = realloc(kept, room);
                check(kept != NULL, "realloc");
            }
            size += gulp(&child, kept + size, room - size);
        } else {
            size += gulp(&child, scratch, sizeof scratch);
        }
        advance(&child);
    }
    check(size == total, "read");
    end();
    free(kept);
}

static void echo(int mib)
{
    struct child child = {0};
    size_t total = (size_t)mib * MIB, written = 0, size = 0, room = 0;
    char *data = calloc(total, 1), *kept = NULL;
    memset(data, 1, total);
    begin();
    start(&child, "/bin/cat", CAT_ARGV, "01");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &child};
    check(epoll_ctl(poller, EPOLL_CTL_ADD, child.ends[0], &event) == 0, "epoll_ctl");
    while (child.open > 0) {
        turn(&child);
        if (child.outcome >= 0)
            continue;
        if (child.ends[0] >= 0) {
            ssize_t n = write(child.ends[0], data + written, total - written);
            written += n > 0 ? (size_t)n : 0;
            if (written == total)
                unwatch(&child.ends[0]);
        }
        if (room - size < sizeof scratch) {
            room = room ? room + room / 2 : 2 * sizeof scratch;
            kept = realloc(kept, room);
            check(kept != NULL, "realloc");
        }
        size += gulp(&child, kept + size, room - size);
        advance(&child);
    }
    check(size == total, "read");
    end();
}

static void pingpong(int rounds)
{
    static const char line[] = "a line of output, as long as such lines often are\n";
    struct child child = {0};
    start(&child, "/bin/cat", CAT_ARGV, "01");
    while (child.outcome >= 0)
        turn(&child);
    for (int warm = 1; warm >= 0; warm--) {
        if (!warm)
            begin();
        for (int i = warm ? rounds - 100 : 0; i < rounds; i++) {
            size_t size = 0;
            check(write(child.ends[0], line, sizeof line - 1) == sizeof line - 1, "write");
            while (size < sizeof line - 1) {
                turn(&child);
                size += gulp(&child, scratch, sizeof scratch);
            }
        }
    }
    end();
    close(child.ends[0]);
    finish(&child);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floor WORKLOAD AMOUNT\n");
        return 2;
    }
    const char *workload = argv[1];
    int amount = atoi(argv[2]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(EPOLL_CLOEXEC);
    check(poller >= 0, "epoll_create1");
    if (strcmp(workload, "bigparent") == 0) {
        char *ballast = malloc((size_t)1024 * MIB);
        check(ballast != NULL, "malloc");
        memset(ballast, 1, (size_t)1024 * MIB);
        one_after_another(run_true, amount);
        return ballast[MIB] != 1;
    }
    if (strcmp(workload, "descriptors") == 0)
        for (int i = 0; i < 6000; i++)
            check(dup(0) >= 0, "dup");
    if (strcmp(workload, "spawn") == 0 || strcmp(workload, "descriptors") == 0)
        one_after_another(run_true, amount);
    else if (strcmp(workload, "pipes") == 0)
        one_after_another(run_echo, amount);
    else if (strcmp(workload, "cat") == 0)
        one_after_another(run_cat, amount);
    else if (strcmp(workload, "flight") == 0)
        flight(amount);
    else if (strcmp(workload, "live") == 0)
        live(amount);
    else if (strcmp(workload, "capture") == 0)
        read_all(amount, 1);
    else if (strcmp(workload, "relay") == 0)
        read_all(amount, 0);
    else if (strcmp(workload, "echo") == 0)
        echo(amount);
    else if (strcmp(workload, "pingpong") == 0)
        pingpong(amount);
    else
        return 2;
    return 0;
}
