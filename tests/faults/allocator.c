/* SPDX-License-Identifier: MIT
 *
 * Python's allocator in the fault matrix.  Of every allocation that Python makes,
 * those fail which it makes for the extension: on whose way up the stack there is
 * nothing but the interpreter's C code until the extension is there.
 *
 * Not those that Python code or asyncio's C code makes, as _testcapi's
 * set_nomemory() would: with the 6th allocation of a task that calls
 * asyncio.create_subprocess_exec() failing, CPython 3.13.0 crashes, with others
 * its loop forgets the task, all without us.  It forgets it as well when there is
 * no memory for what it asks of a future, a method of ours; so not that either.
 */
#include <Python.h>

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

void seam_hook_allocators(void);
/* seam.c: whether allocations are to fail here and now, and whether this one is. */
bool seam_counts_allocations(void);
bool seam_allocation_fails(uintptr_t from);

static struct {
    uintptr_t start, end;
} evaluation;
static void *own_file, *python_file, *c_file;
static PyMemAllocatorEx allocators[3];

static void *file_of(void *address)
{
    Dl_info info;
    return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* Whether the interpreter is looking up an attribute there, as it does for a task (wakeup.c). */
static bool looks_up(void *address)
{
    Dl_info info;
    return dladdr(address, &info) != 0 && info.dli_sname != NULL &&
           strstr(info.dli_sname, "GenericGetAttr") != NULL;
}

/* Where the extension called what allocates now, or 0. */
static uintptr_t extension_on_stack(void)
{
    enum { DEEP = 48 };
    void *frames[DEEP];
    int depth = backtrace(frames, DEEP), at = 0;
    while (at < depth && file_of(frames[at]) == own_file) /* the seam */
        at++;
    for (; at < depth; at++) {
        uintptr_t address = (uintptr_t)frames[at];
        void *file = file_of(frames[at]);
        if (file == own_file)
            return looks_up(frames[at - 1]) ? 0 : address;
        if ((file != python_file && file != c_file) ||
            (address > evaluation.start && address <= evaluation.end))
            return 0;
    }
    return 0;
}

static bool allocation_fails(void)
{
    uintptr_t from = seam_counts_allocations() ? extension_on_stack() : 0;
    return from != 0 && seam_allocation_fails(from);
}

static void *hooked_malloc(void *context, size_t size)
{
    PyMemAllocatorEx *real = context;
    return allocation_fails() ? NULL : real->malloc(real->ctx, size);
}

static void *hooked_calloc(void *context, size_t count, size_t size)
{
    PyMemAllocatorEx *real = context;
    return allocation_fails() ? NULL : real->calloc(real->ctx, count, size);
}

static void *hooked_realloc(void *context, void *block, size_t size)
{
    PyMemAllocatorEx *real = context;
    return allocation_fails() ? NULL : real->realloc(real->ctx, block, size);
}

static void hooked_free(void *context, void *block)
{
    PyMemAllocatorEx *real = context;
    real->free(real->ctx, block);
}

/* Once, before "python" is armed. */
EXPORT void seam_hook_allocators(void)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    void *evaluate = dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault");
    if (evaluate != NULL && dladdr1(evaluate, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 &&
        symbol != NULL) {
        evaluation.start = (uintptr_t)evaluate;
        evaluation.end = evaluation.start + symbol->st_size;
    }
    own_file = file_of(seam_hook_allocators);
    python_file = file_of(evaluate);
    c_file = file_of(dlsym(RTLD_DEFAULT, "malloc"));
    extension_on_stack(); /* loads what it needs */
    for (int domain = 0; domain < 3; domain++) {
        PyMemAllocatorEx hooked = {&allocators[domain], hooked_malloc, hooked_calloc,
                                   hooked_realloc, hooked_free};
        PyMem_GetAllocator((PyMemAllocatorDomain)domain, &allocators[domain]);
        PyMem_SetAllocator((PyMemAllocatorDomain)domain, &hooked);
    }
}
