/* The floor: what the workloads cost a C program that makes the same system calls and nothing else.
 *
 *     floor WORKLOAD AMOUNT
 *
 * It knows what _fastproc knows.  A child is cloned in the parent's memory without suspending it and
 * reports its exec through a close-on-exec pipe.  Beside many descriptors it begins in the parent's
 * table of them, and receives its own through a socket.  Pipes for megabytes are enlarged, the memory
 * for them is provided ahead, and what is read and dropped is read several times a turn.  Everything is
 * waited for in one epoll.  Prints JSON as the other sides do.  Linux only.  Any error ends the
 * program.
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STACK = 32 * 1024,
    MIB = 1 << 20,
    FLIGHT = 100,
    ROUNDS_BEFORE = 20,
    LARGE_PIPE = 256 * 1024,
    GULPS = 8,        /* of one turn */
    BUFFERFUL = 4096, /* after a gulp of that there may be more */
};

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
static char scratch[LARGE_PIPE];
static int handover[2] = {-1, -1}; /* ours, the child's; -1: its table is a copy of ours */

struct handed { /* what a child receives: the outcome's report, and its pipes */
    struct iovec part;
    struct msghdr message;
    char byte;
    char room[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
};

static struct cmsghdr *lay_out(struct handed *handed, int count)
{
    *handed = (struct handed){.part = {&handed->byte, 1}};
    handed->message = (struct msghdr){.msg_iov = &handed->part,
                                      .msg_iovlen = 1,
                                      .msg_control = handed->room,
                                      .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    return CMSG_FIRSTHDR(&handed->message);
}

static void hand_over(const struct child *child)
{
    struct handed handed;
    int fds[4] = {child->report}, count = 1;
    for (int fd = 0; fd < 3; fd++)
        if (child->stdio[fd] >= 0)
            fds[count++] = child->stdio[fd];
    struct cmsghdr *header = lay_out(&handed, count);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, (size_t)count * sizeof(int));
    check(sendmsg(handover[0], &handed.message, 0) == 1, "sendmsg");
}

/* In the child, whose memory is the parent's: what it learns goes into a copy. */
static void leave_table(struct child *own)
{
    struct handed handed;
    struct cmsghdr *header = lay_out(&handed, 4);
    syscall(SYS_close_range, handover[1] + 1, ~0U, 1U << 1 /* CLOSE_RANGE_UNSHARE */);
    if (syscall(SYS_recvmsg, handover[1], &handed.message, MSG_CMSG_CLOEXEC) != 1)
        syscall(SYS_exit, 127);
    int fds[4], next = 1;
    memcpy(fds, CMSG_DATA(header), sizeof fds);
    own->report = fds[0];
    for (int fd = 0; fd < 3; fd++)
        if (own->stdio[fd] >= 0)
            own->stdio[fd] = fds[next++];
}

static int run_child(void *argument)
{
    struct child own = *(struct child *)argument, *child = &own;
    if (handover[0] >= 0)
        leave_table(child);
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
    if (handover[0] >= 0)
        hand_over(child);
    if (child->stack == NULL)
        child->stack = malloc(STACK);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &child->before);
    int shared = handover[0] >= 0 ? CLONE_FILES : 0;
    int pid = clone(run_child, child->stack + STACK - 64, CLONE_VM | CLONE_PIDFD | shared | SIGCHLD,
                    child, &child->pidfd);
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

/* Reads as long as more is likely to be there.  How many bytes. */
static size_t gulp_on(struct child *child)
{
    size_t total = 0;
    for (int gulps = 0; gulps < GULPS; gulps++) {
        size_t size = gulp(child, scratch, sizeof scratch);
        total += size;
        if (size < BUFFERFUL)
            break;
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

struct memory {
    char *bytes;
    size_t size, room;
};

/* For the next read, with its pages provided: they are many, so one call is cheaper than the faults. */
static char *reserve(struct memory *memory)
{
    if (memory->room - memory->size < LARGE_PIPE) {
        size_t room = memory->room ? memory->room + memory->room / 2 : 2 * LARGE_PIPE;
        room = (room + 4095) / 4096 * 4096;
        memory->bytes = memory->bytes == NULL
                            ? mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                            : mremap(memory->bytes, memory->room, room, MREMAP_MAYMOVE);
        check(memory->bytes != MAP_FAILED, "mmap");
        memory->room = room;
    }
    char *next = memory->bytes + memory->size, *page = next - memory->size % 4096;
    madvise(page, LARGE_PIPE, 23 /* MADV_POPULATE_WRITE */);
    return next;
}

static void enlarge(int pipe)
{
    check(fcntl(pipe, F_SETPIPE_SZ, LARGE_PIPE) >= LARGE_PIPE, "F_SETPIPE_SZ");
}

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
    struct memory kept = {0};
    size_t size = 0, total = (size_t)mib * MIB;
    begin();
    start_writer(&child, mib);
    enlarge(child.ends[1]);
    while (child.open > 0) {
        turn(&child);
        if (child.outcome >= 0)
            continue;
        if (keep && child.ends[1] >= 0)
            size = kept.size += gulp(&child, reserve(&kept), LARGE_PIPE);
        else
            size += gulp_on(&child);
        advance(&child);
    }
    check(size == total, "read");
    end();
}

static void echo(int mib)
{
    struct child child = {0};
    struct memory kept = {0};
    size_t total = (size_t)mib * MIB, written = 0;
    char *data = calloc(total, 1);
    check(data != NULL, "calloc");
    memset(data, 1, total);
    begin();
    start(&child, "/bin/cat", CAT_ARGV, "01");
    enlarge(child.ends[0]);
    enlarge(child.ends[1]);
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
        if (child.ends[1] >= 0)
            kept.size += gulp(&child, reserve(&kept), LARGE_PIPE);
        advance(&child);
    }
    check(kept.size == total, "read");
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
    if (strcmp(workload, "descriptors") == 0 || strcmp(workload, "live") == 0)
        check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, handover) == 0, "socketpair");
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
