/* SPDX-License-Identifier: MIT
 *
 * See pages.h.
 */
#include "posix/pages.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif

void fp_pages_provide(void *from, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    long page_size = sysconf(_SC_PAGESIZE);
    if (page_size <= 0)
        return;
    uintptr_t page = (uintptr_t)page_size;
    uintptr_t first = ((uintptr_t)from + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)from + size) / page * page;
    if (first >= end)
        return;
    int kept = errno;
    (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
    errno = kept;
#else
    (void)from;
    (void)size;
#endif
}
