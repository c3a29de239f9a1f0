/* SPDX-License-Identifier: MIT
 *
 * What more than one test file needs: scarce descriptors, system calls that this
 * machine suddenly does not have, memory that ends at a guard page, and numbers
 * that are random but the same in every run.
 */
#ifndef FP_TESTS_NATIVE_SUPPORT_H
#define FP_TESTS_NATIVE_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/buffer.h"

/* Leaves this process exactly so many descriptors to open (above 2), until free_descriptors(). */
void leave_free_descriptors(int count);
void free_descriptors(void);

/* How many of the descriptors that leave_free_descriptors() deals with are open; opens none. */
int count_low_descriptors(void);

/* Runs body in a process of its own, as the harness runs a test, but one that may refuse itself
 * the calls that the leak sanitizer lives on. */
void run_apart(void (*body)(void));

/* From now on the system call fails in this process and its children: always (mask 0), or where
 * its argument's lower half, masked, equals value.  False if this machine cannot do that. */
bool refuse_call(long number, int err);
bool refuse_call_if(long number, int argument, uint32_t mask, uint32_t value, int err);

/* Waits until fd is readable or hung up. */
void wait_readable(int fd);

/* For one buffer at a time: every block ends where an inaccessible page begins. */
extern const struct fp_memory guarded_memory;
extern int guarded_resizes_left;  /* that many succeed; -1, the default: all */
extern int guarded_resizes_done;  /* that succeeded and were no free */
extern size_t guarded_block_size; /* 0 if there is no block */

/* xorshift64*; *state is not 0. */
uint64_t next_random(uint64_t *state);

#endif
