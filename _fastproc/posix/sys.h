/* SPDX-License-Identifier: MIT
 *
 * Raw system calls, for code that shares the parent's memory and so its errno:
 * inline assembly that touches nothing but registers.  FP_HAVE_RAW_CALLS is 1
 * where that is written (Linux on x86-64 and aarch64); elsewhere children are
 * made by fork and may use the C library.
 *
 * Each sys_ function returns what the kernel returns: a value or -errno.
 */
#ifndef FP_POSIX_SYS_H
#define FP_POSIX_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__) && ((defined(__x86_64__) && !defined(__ILP32__)) || defined(__aarch64__))
#define FP_HAVE_RAW_CALLS 1
#else
#define FP_HAVE_RAW_CALLS 0
#endif

/* For everything that may run while memory is shared: no instrumentation, no canary. */
#if defined(__has_attribute)
#if __has_attribute(no_stack_protector)
#define FP_NO_CANARY __attribute__((no_stack_protector))
#endif
#endif
#ifndef FP_NO_CANARY
#define FP_NO_CANARY
#endif
#if defined(__clang__) && __has_attribute(disable_sanitizer_instrumentation)
/* With no_sanitize, ThreadSanitizer still records each call and return, in the parent's own thread. */
#define FP_IN_CHILD FP_NO_CANARY __attribute__((disable_sanitizer_instrumentation))
#elif defined(__clang__)
#define FP_IN_CHILD                                                                                \
    FP_NO_CANARY __attribute__((no_sanitize("address", "undefined", "thread", "memory")))
#elif defined(__GNUC__)
#define FP_IN_CHILD                                                                                \
    FP_NO_CANARY __attribute__((no_sanitize_address, no_sanitize_undefined, no_sanitize_thread))
#else
#define FP_IN_CHILD
#endif

#if FP_HAVE_RAW_CALLS

#include <linux/sched.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
FP_IN_CHILD static inline long sys_call(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

/* A clone that gives the child another stack: the child calls run(argument), which never
 * returns, instead of coming back. */
FP_IN_CHILD static inline long sys_clone_to(long number, long a, long b, long c,
                                            void (*run)(void *), void *argument)
{
    long result;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    register void (*r12)(void *) __asm__("r12") = run;
    register void *r13 __asm__("r13") = argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
FP_IN_CHILD static inline long sys_call(long number, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}

FP_IN_CHILD static inline long sys_clone_to(long number, long a, long b, long c,
                                            void (*run)(void *), void *argument)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    register void (*x20)(void *) __asm__("x20") = run;
    register void *x21 __asm__("x21") = argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, #0\n\t"
                     "mov x0, x21\n\t"
                     "blr x20\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x20), "r"(x21)
                     : "memory");
    return x0;
}
#endif

#define SYS1(name, a) sys_call(SYS_##name, (long)(a), 0, 0, 0, 0)
#define SYS2(name, a, b) sys_call(SYS_##name, (long)(a), (long)(b), 0, 0, 0)
#define SYS3(name, a, b, c) sys_call(SYS_##name, (long)(a), (long)(b), (long)(c), 0, 0)
#define SYS4(name, a, b, c, d) sys_call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0)

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

/* The kernel's own struct sigaction, all zero for SIG_DFL; only the handler is used. */
struct sys_sigaction {
    void *handler;
    unsigned long rest[3];
};
enum { SYS_SIGSET_SIZE = 8 };

#define sys_write(fd, from, size) SYS3(write, fd, from, size)
#define sys_exit(code) SYS1(exit_group, code)
#define sys_dup_above(fd, low) SYS3(fcntl, fd, F_DUPFD_CLOEXEC, low)
#define sys_dup_to(fd, to) SYS3(dup3, fd, to, 0)
#define sys_set_inheritable(fd) SYS3(fcntl, fd, F_SETFD, 0)
#define sys_close(fd) SYS1(close, fd)
#define sys_chdir(path) SYS1(chdir, path)
#define sys_fchdir(fd) SYS1(fchdir, fd)
#define sys_umask(mask) SYS1(umask, mask)
#define sys_setsid() SYS1(setsid, 0)
#define sys_setpgid(group) SYS2(setpgid, 0, group)
#define sys_take_terminal(fd) SYS3(ioctl, fd, TIOCSCTTY, 0)
#define sys_setgroups(count, groups) SYS2(setgroups, count, groups)
#define sys_setregid(gid) SYS2(setregid, gid, gid)
#define sys_setreuid(uid) SYS2(setreuid, uid, uid)
#define sys_setrlimit(resource, limit) SYS2(setrlimit, resource, limit)
#define sys_setpriority(nice) SYS3(setpriority, PRIO_PROCESS, 0, nice)
#define sys_set_affinity(size, cpus) SYS3(sched_setaffinity, 0, size, cpus)
#define sys_prctl(option, value) sys_call(SYS_prctl, option, value, 0, 0, 0)
#define sys_getppid() SYS1(getppid, 0)
#define sys_kill_self(signum) SYS2(kill, SYS1(getpid, 0), signum)
#define sys_execve(path, argv, envp) SYS3(execve, path, argv, envp)
#define sys_open_directory(path) SYS4(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_DIRECTORY, 0)
#define sys_open_to_write(folder, path) SYS4(openat, folder, path, O_WRONLY | O_CLOEXEC, 0)
#define sys_getdents(fd, to, size) SYS3(getdents64, fd, to, size)
#define sys_close_range(low, high, flags) SYS3(close_range, low, high, flags)
#define sys_sleep(time) SYS2(nanosleep, time, NULL)
#define sys_recvmsg(fd, message, flags) SYS3(recvmsg, fd, message, flags)
#define sys_set_mask(mask) SYS4(rt_sigprocmask, SIG_SETMASK, mask, NULL, SYS_SIGSET_SIZE)
#define sys_sigaction(signum, set, old) SYS4(rt_sigaction, signum, set, old, SYS_SIGSET_SIZE)

#else

#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#endif

static inline long sys_result(long result)
{
    return result < 0 ? -errno : result;
}

struct sys_sigaction {
    void *handler;
};

#define sys_write(fd, from, size) sys_result(write(fd, from, size))
#define sys_exit(code) _exit(code)
#define sys_dup_above(fd, low) sys_result(fcntl(fd, F_DUPFD_CLOEXEC, low))
#define sys_dup_to(fd, to) sys_result(dup2(fd, to))
#define sys_set_inheritable(fd) sys_result(fcntl(fd, F_SETFD, 0))
#define sys_close(fd) sys_result(close(fd))
#define sys_chdir(path) sys_result(chdir(path))
#define sys_fchdir(fd) sys_result(fchdir(fd))
#define sys_umask(mask) umask((mode_t)(mask))
#define sys_setsid() sys_result(setsid())
#define sys_setpgid(group) sys_result(setpgid(0, group))
#define sys_take_terminal(fd) sys_result(ioctl(fd, TIOCSCTTY, 0))
#define sys_setgroups(count, groups) sys_result(setgroups((int)(count), groups))
#define sys_setregid(gid) sys_result(setregid(gid, gid))
#define sys_setreuid(uid) sys_result(setreuid(uid, uid))
#define sys_setrlimit(resource, limit) sys_result(setrlimit(resource, limit))
#define sys_setpriority(nice) sys_result(setpriority(PRIO_PROCESS, 0, nice))
#define sys_execve(path, argv, envp) sys_result(execve(path, argv, envp))
#define sys_set_mask(mask) sys_result(sigprocmask(SIG_SETMASK, mask, NULL))
#define sys_sleep(time) nanosleep(time, NULL)
#ifdef __linux__
#define sys_open_to_write(folder, path) sys_result(openat(folder, path, O_WRONLY | O_CLOEXEC))
#define sys_set_affinity(size, cpus) sys_result(sched_setaffinity(0, size, (const void *)(cpus)))
#define sys_prctl(option, value) sys_result(prctl(option, value, 0, 0, 0))
#define sys_getppid() getppid()
#define sys_kill_self(signum) sys_result(kill(getpid(), signum))
#endif

static inline long sys_sigaction(int signum, const struct sys_sigaction *set,
                                 struct sys_sigaction *old)
{
    struct sigaction action = {.sa_handler = SIG_DFL}, before;
    if (set != NULL && set->handler == (void *)SIG_IGN)
        action.sa_handler = SIG_IGN;
    long result = sys_result(sigaction(signum, set != NULL ? &action : NULL, &before));
    if (old != NULL)
        old->handler = (void *)before.sa_handler;
    return result;
}

#endif
#endif
