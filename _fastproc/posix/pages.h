/* SPDX-License-Identifier: MIT
 *
 * Fresh memory that is about to be filled.
 *
 * The kernel provides each page of it at the first write, with one page fault
 * each.  These faults interrupt a read(2) into such memory and are two fifths
 * of the cost of reading a large output.  Asking for all pages at once (Linux
 * 5.14) is faster: tests/bench/NOTES.rst has the figures.
 */
#ifndef FP_POSIX_PAGES_H
#define FP_POSIX_PAGES_H

#include <stddef.h>

/* Provides the pages that lie wholly within `size` bytes of memory from `from` on; what is there
 * stays.  A kernel that cannot, or has no memory, provides them at the first write as ever. */
void fp_pages_provide(void *from, size_t size);

#endif
