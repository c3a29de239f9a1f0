/* SPDX-License-Identifier: MIT
 *
 * See exit.h.
 */
#include "posix/exit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "posix/clock.h"
#include "posix/fd.h"
#include "posix/refusal.h"
#include "posix/retry.h"

#ifdef __linux__
#include <sys/ioctl.h>
#include <sys/syscall.h>
#endif

/* Kernel facts that the C library of an old distribution does not name. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
enum { WAIT_BY_PIDFD = 3 }; /* P_PIDFD */

static int decode_wait_status(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#ifdef __linux__
/* struct pidfd_info of <linux/pidfd.h>, its first published size. */
struct pidfd_info_v0 {
    uint64_t mask;
    uint64_t cgroupid;
    uint32_t ids[11];
    int32_t exit_code;
};
#define ASK_PIDFD_INFO _IOWR(0xFF, 11, struct pidfd_info_v0)
#define INFO_EXIT (UINT64_C(1) << 3)

/* Rung 2.  True with *returncode set if the kernel still knows.
 *
 * A child that waitid() does not find any more may still be exiting on another processor.  Its exit
 * is known a moment later: at once in all but 2 to 4 of 3,000 children with SIGCHLD ignored, but after
 * milliseconds when a thread that reaps it has to wait for a processor there.  Until then the kernel
 * answers without the exit, and with ESRCH in the instant that the child leaves.  A kernel that never
 * keeps the exit answers ESRCH from then on. */
static bool ask_exit_info(int pidfd, int *returncode)
{
    enum { TRIES = 1000, LONGEST_NS = 2000000 }; /* 2 s in all */
    struct timespec pause = {.tv_nsec = 20000};
    struct pidfd_info_v0 info;
    int gone = 0;
    for (int i = 0; i < TRIES; i++) {
        memset(&info, 0, sizeof info);
        info.mask = INFO_EXIT;
        if (ioctl(pidfd, ASK_PIDFD_INFO, &info) < 0) {
            if (errno != ESRCH || ++gone > 1)
                return false;
            continue;
        }
        if (info.mask & INFO_EXIT) {
            *returncode = decode_wait_status(info.exit_code);
            return true;
        }
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < LONGEST_NS)
            pause.tv_nsec *= 2;
    }
    return false;
}

static int open_pidfd(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

static int wait_for(int by, int id, siginfo_t *info, int options, struct rusage *usage)
{
    int result;
    info->si_pid = 0;
    FP_RETRY(result = (int)syscall(SYS_waitid, by, id, info, options, usage));
    return result < 0 ? -errno : 0;
}
#else
static bool ask_exit_info(int pidfd, int *returncode)
{
    (void)pidfd;
    (void)returncode;
    return false;
}

static int open_pidfd(pid_t pid)
{
    (void)pid;
    return -ENOSYS;
}

static int wait_for(int by, int id, siginfo_t *info, int options, struct rusage *usage)
{
    int result;
    info->si_pid = 0;
    FP_RETRY(result = waitid((idtype_t)by, (id_t)id, info, options));
    if (usage != NULL)
        memset(usage, 0, sizeof *usage);
    return result < 0 ? -errno : 0;
}
#endif

/* Whether the child has exited, which makes fd readable. */
static bool has_ended(const struct fp_exit *child)
{
    struct pollfd told = {.fd = child->fd, .events = POLLIN};
    return child->fd >= 0 && poll(&told, 1, 0) > 0;
}

struct waiter {
    pid_t pid;
    int wake; /* write end */
};

/* What the thread writes if it had to take the status; else it writes a byte, which only reports
 * the exit. */
struct told {
    int status;
    struct rusage usage;
};

static void *wait_in_thread(void *argument)
{
    struct waiter waiter = *(struct waiter *)argument;
    free(argument);
    siginfo_t info;
    int err = wait_for(P_PID, waiter.pid, &info, WEXITED | WNOWAIT, NULL);
    struct told told = {0};
    pid_t ended = 0;
    if (err < 0 && err != -ECHILD) /* no waitid() here */
        FP_RETRY(ended = wait4(waiter.pid, &told.status, 0, &told.usage));
    /* Closing is not enough: a process forked since has a copy. */
    fp_fd_write(waiter.wake, &told, ended > 0 ? sizeof told : 1);
    fp_fd_close(&waiter.wake);
    return NULL;
}

/* Rung 3.  Leaves in child->fd a pipe that becomes readable.  0 or -errno. */
static int start_waiter_thread(struct fp_exit *child)
{
    int ends[2];
    int err = fp_fd_pipe(ends);
    if (err < 0)
        return err;
    struct waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL) {
        err = -ENOMEM;
        goto close_pipe;
    }
    *waiter = (struct waiter){child->pid, ends[1]};

    pthread_attr_t attributes;
    err = -pthread_attr_init(&attributes);
    if (err < 0)
        goto free_waiter;
    pthread_attr_setstacksize(&attributes,
                              (size_t)256 * 1024); /* one call deep, but TLS counts too */
    sigset_t all, before;
    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = -pthread_create(&child->waiter, &attributes, wait_in_thread, waiter);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (err < 0)
        goto free_waiter;
    child->fd = ends[0];
    child->has_waiter = true;
    return 0;

free_waiter:
    free(waiter);
close_pipe:
    fp_fd_close(&ends[0]);
    fp_fd_close(&ends[1]);
    return err;
}

/* Joins the thread if it has reported the exit, because then it only has to close its end and
 * return; else detaches it. */
static void leave_waiter(struct fp_exit *child)
{
    if (!child->has_waiter)
        return;
    child->has_waiter = false;
    if (has_ended(child))
        pthread_join(child->waiter, NULL);
    else
        pthread_detach(child->waiter);
}

static void set_info(siginfo_t *info, pid_t pid, int status)
{
    info->si_pid = pid;
    info->si_code = WIFSIGNALED(status) ? CLD_KILLED : CLD_EXITED;
    info->si_status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* Replaces waitid() by wait4(), which can only take a status, not look whether there is one. */
static int wait_plainly(const struct fp_exit *child, siginfo_t *info, int options,
                        struct rusage *usage)
{
    bool takes = !(options & WNOWAIT);
    int status = 0;
    pid_t pid = 0;
    info->si_pid = 0;
    if (child->has_waiter || !takes) {
        if (child->fd >= 0 && !has_ended(child))
            return 0;
        if (!takes)
            return -ENODATA;
    }
    if (child->has_waiter) { /* the thread may have taken the status */
        struct told told;
        ssize_t size = fp_fd_read(child->fd, &told, sizeof told);
        if (size != (ssize_t)sizeof told)
            return size < 0 ? (int)size : -ECHILD;
        status = told.status;
        *usage = told.usage;
        pid = child->pid;
    } else {
        FP_RETRY(pid = wait4(child->pid, &status, WNOHANG, usage));
    }
    if (pid > 0)
        set_info(info, pid, status);
    return pid < 0 ? -errno : 0;
}

/* waitid() on the child: by its pidfd if possible, else by its pid, else by wait4().  0 or -errno:
 * only -ECHILD means that other code has the status; -ENODATA means that there is one, but it
 * cannot be looked at. */
static int wait_for_child(const struct fp_exit *child, siginfo_t *info, int options,
                          struct rusage *usage)
{
    int err = -EINVAL;
    if (child->is_pidfd)
        err = wait_for(WAIT_BY_PIDFD, child->fd, info, options, usage);
    if (err < 0 && err != -ECHILD) /* no pidfd, or one on Linux before 5.4, or a sandbox */
        err = wait_for(P_PID, child->pid, info, options, usage);
    if (err < 0 && err != -ECHILD)
        err = wait_plainly(child, info, options, usage);
    return err;
}

/* Whether the child is still ours to reap.  If not, its pid says nothing any more. */
static bool is_there(const struct fp_exit *child)
{
    siginfo_t info;
    int found = wait_for_child(child, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
    return found != -ECHILD && !(found == -ENODATA && child->has_waiter);
}

int fp_exit_watch(struct fp_exit *child, pid_t pid, int pidfd, enum fp_exit_mode mode)
{
    *child = (struct fp_exit){.pid = pid, .fd = -1, .may_ask = mode == FP_EXIT_AUTO};
    if (mode != FP_EXIT_THREAD) {
        bool by_pid = pidfd < 0; /* the pid may be another process' by now */
        child->fd = pidfd >= 0 ? pidfd : open_pidfd(pid);
        int err = child->fd >= 0 ? fp_fd_lift(&child->fd) : child->fd;
        child->is_pidfd = err == 0;
        if (err == 0 && (!by_pid || is_there(child)))
            return 0;
        child->is_pidfd = false;
        pidfd = fp_fd_take(&child->fd);
        if (err < 0 && !fp_is_refusal(err) && err != -ESRCH)
            return err; /* EMFILE and the like: a thread would need a descriptor as well */
    }
    fp_fd_close(&pidfd);
    return start_waiter_thread(child); /* reports at once a child that is gone */
}

int fp_exit_signal(const struct fp_exit *child, int signum)
{
    if (child->reaped || child->pid <= 0)
        return -ESRCH;
    int result;
#ifdef __linux__
    if (child->is_pidfd) {
        result = (int)syscall(SYS_pidfd_send_signal, child->fd, signum, NULL, 0);
        if (result == 0)
            return 0;
        if (errno == ESRCH) /* somebody else has reaped it, and we have not noticed yet */
            return 0;
        if (has_ended(child)) /* then the pid may be somebody else's by now */
            return 0;
        /* Whether it may not be signalled, or a sandbox has no such call, the other tells. */
    }
#endif
    if (!is_there(child)) /* the same, and the pid may be somebody else's by now */
        return 0;
    result = kill(child->pid, signum);
    if (result < 0 && errno == ESRCH)
        return 0;
    return result < 0 ? -errno : 0;
}

static int decode_info(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status : -info->si_status;
}

enum fp_reap fp_exit_reap(struct fp_exit *child, struct fp_exit_status *status)
{
    siginfo_t info;
    memset(status, 0, sizeof *status);
    if (child->reaped)
        return FP_REAP_LOST;
    int err = wait_for_child(child, &info, WEXITED | WNOHANG, &status->usage);
    if (err == 0 && info.si_pid == 0)
        return FP_REAP_RUNNING;
    child->reaped = true;
    leave_waiter(child);
    if (err == 0) {
        status->returncode = decode_info(&info);
        return FP_REAP_DONE;
    }
    if (child->is_pidfd && child->may_ask && ask_exit_info(child->fd, &status->returncode))
        return FP_REAP_INFO;
    return FP_REAP_LOST;
}

static long now_in_ms(void)
{
    return (long)(fp_clock_ns() / 1000000);
}

enum fp_reap fp_exit_reap_within(struct fp_exit *child, struct fp_exit_status *status,
                                 int *milliseconds)
{
    struct pollfd ended = {.fd = child->fd, .events = POLLIN};
    long begun = now_in_ms(), waited = 0;
    while (waited < *milliseconds && poll(&ended, 1, *milliseconds - (int)waited) < 0 &&
           errno == EINTR)
        waited = now_in_ms() - begun;
    waited = now_in_ms() - begun;
    *milliseconds = waited < *milliseconds ? *milliseconds - (int)waited : 0;
    return fp_exit_reap(child, status);
}

enum fp_reap fp_exit_peek(const struct fp_exit *child, int *returncode)
{
    siginfo_t info;
    *returncode = 0;
    if (child->reaped)
        return FP_REAP_LOST;
    int err = wait_for_child(child, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
    if (err == 0 && info.si_pid == 0)
        return FP_REAP_RUNNING;
    if (err == 0) {
        *returncode = decode_info(&info);
        return FP_REAP_DONE;
    }
    if (err == -ECHILD && child->is_pidfd && child->may_ask && ask_exit_info(child->fd, returncode))
        return FP_REAP_INFO;
    return FP_REAP_LOST;
}

int fp_exit_destroy(struct fp_exit *child, struct fp_exit_status *status)
{
    enum {
        PATIENCE_MS = 5000
    }; /* mostly a killed child exits within one; some are stuck in the kernel */
    int err = fp_exit_signal(child, SIGKILL);
    enum fp_reap reap = FP_REAP_RUNNING;
    if (err == 0) {
        struct pollfd ended = {.fd = child->fd, .events = POLLIN};
        int ready = -1;
        if (child->fd >= 0) /* else the watch could not be set up */
            FP_RETRY(ready = poll(&ended, 1, PATIENCE_MS));
        const struct timespec pause = {.tv_nsec = 1000000};
        reap = fp_exit_reap(child, status);
        for (int left = PATIENCE_MS; ready < 0 && reap == FP_REAP_RUNNING && left > 0; left--) {
            nanosleep(&pause, NULL);
            reap = fp_exit_reap(child, status);
        }
        if (reap == FP_REAP_RUNNING)
            err = -ETIMEDOUT;
        else if (reap == FP_REAP_LOST)
            status->returncode = -SIGKILL; /* the signal that was just sent */
    }
    leave_waiter(child);
    fp_fd_close(&child->fd);
    return err;
}

#ifdef __linux__
/* Starts a child that does nothing until it is killed.  Its pidfd is from clone() or else
 * pidfd_open(); -1 if neither works.  The child must not exit before its pidfd is open, because
 * where SIGCHLD is ignored there would be nothing left to open.  Its pid or -1. */
static pid_t start_idler(int *pidfd)
{
    enum { PIDFD = 0x1000 }; /* CLONE_PIDFD */
    *pidfd = -1;
    pid_t pid = (pid_t)syscall(SYS_clone, PIDFD | SIGCHLD, 0, pidfd, 0, 0);
    if (pid < 0) {
        *pidfd = -1;
        pid = fork();
    }
    if (pid == 0) {
        alarm(5);
        for (;;)
            pause();
    }
    if (pid > 0 && *pidfd < 0)
        *pidfd = open_pidfd(pid);
    return pid;
}

static void end_idler(pid_t pid)
{
    siginfo_t info;
    kill(pid, SIGKILL);
    if (wait_for(P_PID, pid, &info, WEXITED, NULL) < 0)
        waitpid(pid, NULL, 0);
}

bool fp_exit_has_pidfd(void)
{
    int fd = open_pidfd(getpid());
    if (fd < 0) {
        pid_t pid = start_idler(&fd);
        if (pid > 0)
            end_idler(pid);
    }
    bool known = fd >= 0;
    fp_fd_close(&fd);
    return known;
}

bool fp_exit_has_info(void)
{
    /* Only a process that has exited has a status to report, so this asks about a real one. */
    int fd, code = 0;
    pid_t pid = start_idler(&fd);
    if (pid < 0)
        return false;
    end_idler(pid);
    bool known = fd >= 0 && ask_exit_info(fd, &code) && code == -SIGKILL;
    fp_fd_close(&fd);
    return known;
}
#else
bool fp_exit_has_pidfd(void)
{
    return false;
}

bool fp_exit_has_info(void)
{
    return false;
}
#endif
