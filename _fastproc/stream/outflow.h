/* SPDX-License-Identifier: MIT
 *
 * Bytes waiting to be written, in order, and their water marks.
 *
 * Large immutable data is kept by reference to its owner; the rest is copied
 * into chunks with room for what follows, so that thousands of small writes
 * become a few pieces of one writev(2).
 */
#ifndef FP_STREAM_OUTFLOW_H
#define FP_STREAM_OUTFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fp_piece;

struct fp_outflow {
    struct fp_piece *first, *last;
    size_t pending;               /* bytes queued */
    size_t high_water, low_water; /* bytes */
    void (*release)(void *owner); /* gives up a reference; may not touch the outflow */
};

/* asyncio's defaults. */
enum { FP_HIGH_WATER = 64 * 1024, FP_LOW_WATER = 16 * 1024 };

/* From this size on a reference is cheaper than a copy. */
enum { FP_WORTH_A_REFERENCE = 4096 };

void fp_outflow_init(struct fp_outflow *outflow, void (*release)(void *owner));

/* Queues a copy.  0 or -ENOMEM. */
int fp_outflow_copy(struct fp_outflow *outflow, const void *bytes, size_t count);

/* Queues the bytes themselves; takes the owner's reference on success.  0 or -ENOMEM. */
int fp_outflow_refer(struct fp_outflow *outflow, const void *bytes, size_t count, void *owner);

/* One writev(2) of what is pending: the bytes written, or -errno (-EAGAIN: none just now). */
ssize_t fp_outflow_flush(struct fp_outflow *outflow, int fd);

/* Drops all that is pending. */
void fp_outflow_clear(struct fp_outflow *outflow);

#endif
