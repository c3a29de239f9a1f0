/* SPDX-License-Identifier: MIT
 *
 * See support.h.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { FEW = 128 }; /* descriptors while they are scarce */

static int fillers[FEW], filler_count;
static struct rlimit usual_limit;

void leave_free_descriptors(int count)
{
    CHECK(getrlimit(RLIMIT_NOFILE, &usual_limit) == 0);
    struct rlimit limit = {FEW, usual_limit.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int fd;
    while ((fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
        fillers[filler_count++] = fd;
    CHECK(errno == EMFILE && filler_count >= count);
    while (count-- > 0)
        close(fillers[--filler_count]);
}

void free_descriptors(void)
{
    while (filler_count > 0)
        close(fillers[--filler_count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &usual_limit) == 0);
}

int count_low_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < FEW; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

void run_apart(void (*body)(void))
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int descriptors = check_open_descriptors();
        body();
        /* A thread that was left to itself closes its end a moment later. */
        for (int ms = 0; ms < 1000 && check_open_descriptors() != descriptors; ms++)
            usleep(1000);
        CHECK(check_open_descriptors() == descriptors);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        fflush(NULL);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
}

bool refuse_call_if(long number, int argument, uint32_t mask, uint32_t value, int err)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)argument)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool refuse_call(long number, int err)
{
    return refuse_call_if(number, 0, 0, 0, err);
}

void wait_readable(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int ready;
    do
        ready = poll(&wanted, 1, -1);
    while (ready < 0 && errno == EINTR);
    CHECK(ready == 1 && !(wanted.revents & POLLNVAL));
}

int guarded_resizes_left = -1;
int guarded_resizes_done;
size_t guarded_block_size;
static unsigned char *guarded_block, *mapping;
static size_t mapping_size;

static void *guarded_resize(void *block, size_t size)
{
    CHECK(block == guarded_block); /* the one that is alive, or NULL for none */
    unsigned char *old_mapping = mapping, *new_block = NULL;
    size_t old_mapping_size = mapping_size, old_size = guarded_block_size;
    bool granted = size > 0 && guarded_resizes_left != 0;
    if (granted) {
        if (guarded_resizes_left > 0)
            guarded_resizes_left--;
        guarded_resizes_done++;
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t usable = (size + page - 1) / page * page;
        mapping_size = usable + page;
        mapping =
            mmap(NULL, mapping_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(mapping != MAP_FAILED && mprotect(mapping + usable, page, PROT_NONE) == 0);
        new_block = mapping + usable - size;
        memset(new_block, 0xA5, size); /* not the zeros that a careless reader would expect */
        if (block != NULL)
            memcpy(new_block, block, old_size < size ? old_size : size);
    }
    if (block != NULL)
        munmap(old_mapping, old_mapping_size);
    guarded_block = new_block;
    guarded_block_size = granted ? size : 0;
    return new_block;
}

const struct fp_memory guarded_memory = {.resize = guarded_resize};

uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}
