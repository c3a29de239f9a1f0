/* SPDX-License-Identifier: MIT
 *
 * posix/pages: the pages that lie within are there afterwards, with what they
 * held, and no others; where the kernel refuses, nothing has changed.
 */
#include "check.h"
#include "posix/pages.h"
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGES = 8, POPULATE_WRITE = 23 };

static unsigned char *memory;
static size_t page;

static void set_up(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    (void)madvise(memory, PAGES * page, MADV_NOHUGEPAGE); /* a kernel without them refuses */
}

/* Which pages are there, as in "..##....". */
static bool are_there(const char *pattern)
{
    unsigned char there[PAGES];
    CHECK(mincore(memory, PAGES * page, there) == 0);
    for (int i = 0; i < PAGES; i++)
        if (((there[i] & 1) != 0) != (pattern[i] == '#'))
            return false;
    return true;
}

/* Whether this kernel can (Linux 5.14). */
static bool kernel_provides(void)
{
    return madvise(memory, 0, POPULATE_WRITE) == 0;
}

TEST(pages_within_are_provided)
{
    set_up();
    fp_pages_provide(memory + page + 1, 3 * page); /* the rest of one, two, and a byte */
    CHECK(are_there(kernel_provides() ? "..##...." : "........"));
    fp_pages_provide(memory + 5 * page, page);
    CHECK(are_there(kernel_provides() ? "..##.#.." : "........"));
    munmap(memory, PAGES * page);
}

TEST(pages_of_less_than_one_are_none)
{
    set_up();
    fp_pages_provide(memory + 1, page);
    fp_pages_provide(memory + 2 * page, page - 1);
    fp_pages_provide(memory + 3 * page + 1, page - 2);
    fp_pages_provide(memory + 4 * page, 0);
    CHECK(are_there("........"));
    munmap(memory, PAGES * page);
}

TEST(pages_keep_what_they_hold)
{
    set_up();
    memset(memory + page, 'x', 2 * page);
    fp_pages_provide(memory, PAGES * page);
    CHECK(memory[page] == 'x' && memory[3 * page - 1] == 'x' && memory[0] == 0);
    munmap(memory, PAGES * page);
}

static void when_refused(void)
{
    if (!refuse_call(SYS_madvise, EINVAL))
        return;
    set_up();
    errno = ENOTTY;
    fp_pages_provide(memory, PAGES * page);
    CHECK(errno == ENOTTY && are_there("........"));
    memset(memory, 'x', PAGES * page);
}

TEST(pages_that_are_refused_come_at_the_first_write)
{
    run_apart(when_refused);
}
