/* SPDX-License-Identifier: MIT
 *
 * The seam of the fault matrix.  Stands in front of every function in calls.h:
 * the linker's --wrap=NAME makes the extension call __wrap_NAME, which asks
 * decide() and then either jumps to NAME, its arguments untouched, or returns a
 * failure.  Armed and asked by matrix.py through the functions at the end.
 *
 * Counted apart are the calls of the main thread, those of other threads, and
 * those of children between clone and exec.  All state is in shared memory, so
 * that a forked child counts on in it.  A child that shares the parent's memory
 * comes here through seam_raw() only, which keeps the rules of posix/child.c.
 */
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__x86_64__) || defined(__ILP32__)
#error "the seam is written for x86-64"
#endif

#define EXPORT __attribute__((visibility("default")))
#define IN_CHILD                                                                                   \
    __attribute__((optimize("no-stack-protector"), no_sanitize_address, no_sanitize_undefined))

enum how {
    SAYS_ERRNO,
    SAYS_NUMBER,
    SAYS_NULL,
    SAYS_NOTHING,
    RAISES_NULL,
    RAISES_INT,
    RAISES_ZERO,
    RAISES_ONLY,
};
enum kind { KIND_SYSTEM = 1, KIND_MEMORY = 2, KIND_PYTHON = 4 };
enum place { MAIN, THREAD, CHILD, PLACES };
enum { MOST_ERRNOS = 6, MOST_REFUSED = 8 };

struct call {
    void (*real)(void);
    const char *name;
    const char *of; /* the function that this is a part of, or NULL */
    long number;    /* among its parts */
    enum how how;
    int errnos[MOST_ERRNOS];
};

/* ---- the table ---- */

#define CALL(function, how_, ...) extern void real_##function(void) __asm__(#function);
#include "calls.h"
#undef CALL

enum {
#define CALL(function, how_, ...) AT_##function,
#define PART(function, part, ...) AT_##function##_##part,
#include "calls.h"
#undef CALL
#undef PART
    COUNT,
};

static struct call calls[] = {
#define CALL(function, how_, ...) {real_##function, #function, NULL, 0, how_, {__VA_ARGS__}},
#define PART(function, part, ...) {NULL, #part, #function, SYS_##part, SAYS_ERRNO, {__VA_ARGS__}},
#include "calls.h"
#undef CALL
#undef PART
};

long seam_raw(long number);
bool seam_counts_allocations(void);
bool seam_allocation_fails(uintptr_t from);

static struct {
    int kinds;        /* that are counted, 0: none */
    enum place place; /* where */
    int at;           /* the call that is to fail, from 0 on; -1: only count */
    int which;        /* of its errnos */
    pid_t main_process, main_thread;
    atomic_int counted;
    atomic_int hit, hit_errno; /* index in calls, -1: not yet */
    atomic_uintptr_t hit_from;
    atomic_long blocks; /* of memory that the extension holds */
    struct {
        int call, err;
    } refused[MOST_REFUSED];
    int refused_count;
} * seam;

__attribute__((constructor)) static void make_room(void)
{
    seam = mmap(NULL, sizeof *seam, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    seam->hit = -1;
    seam->main_process = getpid();
    seam->main_thread = (pid_t)syscall(SYS_gettid);
}

/* ---- who fails ---- */

/* The errno that the call at `index` has to fail with, or 0. */
IN_CHILD static int chosen(int index, enum place place, uintptr_t from)
{
    const struct call *call = &calls[index];
    for (int i = 0; i < seam->refused_count; i++)
        if (seam->refused[i].call == index)
            return seam->refused[i].err;
    enum kind kind = call->how <= SAYS_NUMBER ? KIND_SYSTEM : KIND_MEMORY;
    if (!(seam->kinds & kind) || seam->place != place)
        return 0;
    if (atomic_fetch_add(&seam->counted, 1) != seam->at)
        return 0;
    int err = seam->which < MOST_ERRNOS ? call->errnos[seam->which] : 0;
    seam->hit_errno = err;
    seam->hit_from = from;
    seam->hit = index;
    return err;
}

IN_CHILD static int part(const char *of, long number)
{
    for (int i = 0; i < COUNT; i++)
        if (calls[i].of != NULL && calls[i].of[0] == of[0] && calls[i].number == number)
            return i;
    return -1;
}

IN_CHILD long seam_raw(long number)
{
    int index = part("raw", number);
    if (index < 0)
        return 0;
    bool parents = number == SYS_clone || number == SYS_clone3;
    return -chosen(index, parents ? MAIN : CHILD, 0);
}

static enum place place_of_caller(void)
{
    if (getpid() != seam->main_process)
        return CHILD;
    return syscall(SYS_gettid) == seam->main_thread ? MAIN : THREAD;
}

/* ---- how they fail ---- */

/* What a call with these arguments cannot fail with. */
static bool is_safe(int index, const long *args)
{
    switch (index) {
    case AT_fcntl:
    case AT_fcntl64: /* F_SETPIPE_SZ may be refused, the flags of an open descriptor not */
        return args[1] != F_DUPFD_CLOEXEC && args[1] != F_SETPIPE_SZ;
    case AT_PyLong_FromLong: /* the small ones are made already */
        return args[0] >= -5 && args[0] <= 256;
    case AT_PyBytes_FromStringAndSize:
        return args[1] == 0;
    case AT_PyTuple_New:
        return args[0] == 0;
    case AT_PyObject_IsTrue:
        return PyBool_Check((PyObject *)args[0]) || (PyObject *)args[0] == Py_None;
    case AT_PyObject_CallOneArg: /* a task's wake-up: C, that is called as it is */
        return PyCFunction_CheckExact((PyObject *)args[0]);
    default:
        return false;
    }
}

/* Some of what is said to have failed has happened, and had happened before it failed: a close, the
 * removal of what is gone already, a signal to who has gone; a child that is not to be found was
 * reaped by somebody else.  False if it cannot have failed this way. */
static bool happens_all_the_same(int index, const long *args, int err)
{
    if (index == AT_close)
        return syscall(SYS_close, args[0]) == 0;
    if (index == AT_epoll_ctl && args[1] == EPOLL_CTL_DEL)
        return syscall(SYS_epoll_ctl, args[0], args[1], args[2], args[3]) == 0;
    if (index == AT_kill && err == ESRCH)
        return syscall(SYS_kill, args[0], args[1]) == 0;
    if (index == AT_syscall_pidfd_send_signal && err == ESRCH)
        return syscall(SYS_pidfd_send_signal, args[1], args[2], NULL, 0) == 0;
    if (index == AT_syscall_waitid && err == EINVAL) /* a kernel without P_PIDFD */
        return args[1] == P_PIDFD;
    if (index == AT_syscall_waitid && err == ECHILD) {
        siginfo_t info = {0};
        int options = ((int)args[4] & WNOHANG) | WEXITED;
        return syscall(SYS_waitid, args[1], args[2], &info, options, NULL) == 0 && info.si_pid != 0;
    }
    if (index == AT__PyBytes_Resize) {
        PyObject **bytes = (PyObject **)args[0];
        Py_CLEAR(*bytes);
    }
    return true;
}

static long fail(const struct call *call, int err)
{
    switch (call->how) {
    case SAYS_NUMBER:
        return err;
    case SAYS_ERRNO:
        errno = err;
        return -1;
    case SAYS_NULL:
        errno = err;
        return 0;
    case SAYS_NOTHING:
        return 0;
    case RAISES_INT:
        PyErr_NoMemory();
        return -1;
    case RAISES_NULL:
    case RAISES_ZERO:
    case RAISES_ONLY:
        PyErr_NoMemory();
        return 0;
    }
    return 0;
}

/* Memory is counted, so that it is seen when some is not given back.  True if the call was made. */
static bool count_blocks(int index, const long *args, long *result)
{
    void *block = NULL;
    switch (index) {
    case AT_malloc:
        block = malloc((size_t)args[0]);
        break;
    case AT_PyMem_Malloc:
        block = PyMem_Malloc((size_t)args[0]);
        break;
    case AT_PyMem_RawMalloc:
        block = PyMem_RawMalloc((size_t)args[0]);
        break;
    case AT_PyMem_Realloc:
        block = PyMem_Realloc((void *)args[0], (size_t)args[1]);
        if (args[0] != 0 && block != NULL)
            seam->blocks--;
        break;
    default:
        return false;
    }
    if (block != NULL)
        seam->blocks++;
    *result = (long)block;
    return true;
}

struct decision {
    long taken;
    long result;
};

/* Called by every __wrap_ with what it was called with. */
__attribute__((used)) static struct decision decide(const struct call *call, const long *args,
                                                    uintptr_t from)
{
    int saved = errno;
    int index = (int)(call - calls);
    struct decision decision = {0, 0};
    if (index == AT_syscall)
        index = part("syscall", args[0]);
    int err = index < 0 || is_safe(index, args) ? 0 : chosen(index, place_of_caller(), from);
    errno = saved;
    if (err != 0 && happens_all_the_same(index, args, err))
        decision = (struct decision){1, fail(&calls[index], err)};
    else
        decision.taken = count_blocks(index, args, &decision.result);
    return decision;
}

/* ---- the way in ---- */

/* r11: the call.  Saves what arguments are passed in, asks, and goes one way or the other. */
__asm__(".text\n"
        "seam_enter:\n"
        "  pushq %rbp\n"
        "  movq %rsp, %rbp\n"
        "  subq $192, %rsp\n"
        "  movq %rdi, 0(%rsp)\n"
        "  movq %rsi, 8(%rsp)\n"
        "  movq %rdx, 16(%rsp)\n"
        "  movq %rcx, 24(%rsp)\n"
        "  movq %r8, 32(%rsp)\n"
        "  movq %r9, 40(%rsp)\n"
        "  movq %rax, 48(%rsp)\n"
        "  movq %r11, 56(%rsp)\n"
        "  movups %xmm0, 64(%rsp)\n"
        "  movups %xmm1, 80(%rsp)\n"
        "  movups %xmm2, 96(%rsp)\n"
        "  movups %xmm3, 112(%rsp)\n"
        "  movups %xmm4, 128(%rsp)\n"
        "  movups %xmm5, 144(%rsp)\n"
        "  movups %xmm6, 160(%rsp)\n"
        "  movups %xmm7, 176(%rsp)\n"
        "  movq %r11, %rdi\n"
        "  movq %rsp, %rsi\n"
        "  movq 8(%rbp), %rdx\n"
        "  call decide\n"
        "  testq %rax, %rax\n"
        "  jnz 1f\n"
        "  movq 0(%rsp), %rdi\n"
        "  movq 8(%rsp), %rsi\n"
        "  movq 16(%rsp), %rdx\n"
        "  movq 24(%rsp), %rcx\n"
        "  movq 32(%rsp), %r8\n"
        "  movq 40(%rsp), %r9\n"
        "  movq 48(%rsp), %rax\n"
        "  movq 56(%rsp), %r11\n"
        "  movups 64(%rsp), %xmm0\n"
        "  movups 80(%rsp), %xmm1\n"
        "  movups 96(%rsp), %xmm2\n"
        "  movups 112(%rsp), %xmm3\n"
        "  movups 128(%rsp), %xmm4\n"
        "  movups 144(%rsp), %xmm5\n"
        "  movups 160(%rsp), %xmm6\n"
        "  movups 176(%rsp), %xmm7\n"
        "  leave\n"
        "  jmp *(%r11)\n"
        "1:\n"
        "  movq %rdx, %rax\n"
        "  leave\n"
        "  ret\n");

#define CALL(function, how_, ...)                                                                  \
    __attribute__((used)) static struct call *const at_##function = &calls[AT_##function];         \
    __asm__(".text\n.globl __wrap_" #function "\n.type __wrap_" #function ", @function\n"          \
            "__wrap_" #function ":\n"                                                              \
            "  movq at_" #function "(%rip), %r11\n"                                                \
            "  jmp seam_enter\n");
#include "calls.h"
#undef CALL

/* Frees cannot fail; they are counted. */
#define FREE(function)                                                                             \
    void __wrap_##function(void *block);                                                           \
    void __wrap_##function(void *block)                                                            \
    {                                                                                              \
        if (block != NULL)                                                                         \
            seam->blocks--;                                                                        \
        function(block);                                                                           \
    }
FREE(free)
FREE(PyMem_Free)
FREE(PyMem_RawFree)

/* ---- Python's allocator: see allocator.c ---- */

bool seam_counts_allocations(void)
{
    return (seam->kinds & KIND_PYTHON) && place_of_caller() == seam->place;
}

bool seam_allocation_fails(uintptr_t from)
{
    if (atomic_fetch_add(&seam->counted, 1) != seam->at)
        return false;
    seam->hit_errno = ENOMEM;
    seam->hit_from = from;
    seam->hit = COUNT;
    return true;
}

/* ---- for matrix.py ---- */

EXPORT void seam_arm(int kinds, int place, int at, int which)
{
    seam->place = (enum place)place;
    seam->at = at;
    seam->which = which;
    seam->counted = 0;
    seam->hit = -1;
    seam->kinds = kinds;
}

/* The number of calls since it was armed. */
EXPORT int seam_disarm(void)
{
    seam->kinds = 0;
    return seam->counted;
}

/* Has all calls of this name fail with this errno.  False if there is none. */
EXPORT int seam_refuse(const char *name, int err)
{
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(calls[i].name, name) != 0)
            continue;
        seam->refused[seam->refused_count].call = i;
        seam->refused[seam->refused_count++].err = err;
        return 1;
    }
    return 0;
}

EXPORT const char *seam_hit_name(void)
{
    if (seam->hit == COUNT)
        return "an allocation";
    return seam->hit >= 0 ? calls[seam->hit].name : NULL;
}

EXPORT int seam_hit_errno(void)
{
    return seam->hit_errno;
}

/* Where the call that failed returns to, as an address in the file of the extension. */
EXPORT long seam_hit_from(void)
{
    Dl_info info;
    struct link_map *map;
    if (seam->hit_from == 0 ||
        !dladdr1((void *)seam->hit_from, &info, (void **)&map, RTLD_DL_LINKMAP))
        return 0;
    return (long)(seam->hit_from - map->l_addr);
}

EXPORT long seam_blocks(void)
{
    return seam->blocks;
}
