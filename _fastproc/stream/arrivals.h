/* SPDX-License-Identifier: MIT
 *
 * The order in which the bytes of several streams arrived: runs of bytes, each of
 * one stream, the oldest first.  The bytes themselves are in the streams' buffers.
 */
#ifndef FP_STREAM_ARRIVALS_H
#define FP_STREAM_ARRIVALS_H

#include <stdbool.h>
#include <stddef.h>

struct fp_run {
    int stream;
    size_t count; /* bytes */
};

struct fp_arrivals {
    struct fp_run *runs; /* a ring, or NULL */
    size_t room;         /* a power of two, or 0 */
    size_t first, used;
    int owners; /* fp_arrivals_drop() by the last frees it */
};

/* With one owner; NULL if there is no memory. */
struct fp_arrivals *fp_arrivals_new(void);
void fp_arrivals_drop(struct fp_arrivals *arrivals);

/* Adds bytes that arrived after all others.  If there is no memory for one more run it is left out:
 * the reader then finds bytes that belong to no run. */
void fp_arrivals_add(struct fp_arrivals *arrivals, int stream, size_t count);

/* The oldest run, or NULL. */
const struct fp_run *fp_arrivals_oldest(const struct fp_arrivals *arrivals);

/* Removes the oldest `count` bytes of the oldest run. */
void fp_arrivals_take(struct fp_arrivals *arrivals, size_t count);

#endif
