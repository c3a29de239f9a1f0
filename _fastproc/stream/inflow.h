/* SPDX-License-Identifier: MIT
 *
 * A descriptor to read from, and how to read it: in one bounded gulp per call,
 * through shared scratch memory while the stream is small, straight into its
 * buffer once its reads are large.
 */
#ifndef FP_STREAM_INFLOW_H
#define FP_STREAM_INFLOW_H

#include <stdbool.h>

#include "stream/buffer.h"

enum fp_flow {
    FP_FLOW_DATA,  /* some bytes went into the buffer */
    FP_FLOW_EOF,   /* no writer is left, and all was read */
    FP_FLOW_AGAIN, /* nothing there now */
    FP_FLOW_ERROR, /* inflow->err says which */
};

struct fp_inflow {
    int fd;         /* not owned */
    int err;        /* positive errno of the last FP_FLOW_ERROR */
    size_t last;    /* bytes that the last gulp got */
    size_t largest; /* the most that any gulp got */
};

enum {
    FP_GULP = 64 * 1024,     /* a pipe's capacity: more cannot be there, unless it was enlarged */
    FP_BIG_GULP = 32 * 1024, /* from here on a copy costs more than a reservation */
    FP_BUFFERFUL = 4096,     /* the usual buffer of a program that writes much: more may follow */
};

/* The last gulp was large. */
static inline bool fp_inflow_is_bulk(const struct fp_inflow *inflow)
{
    return inflow->last >= FP_BIG_GULP;
}

/* Some gulp was large.  Later ones may be small, because a reader that keeps up finds little. */
static inline bool fp_inflow_has_been_bulk(const struct fp_inflow *inflow)
{
    return inflow->largest >= FP_BIG_GULP;
}

/* More is likely to follow at once. */
static inline bool fp_inflow_goes_on(const struct fp_inflow *inflow)
{
    return inflow->last >= FP_BUFFERFUL;
}

/* The last gulp was as large as one can be: there may be more at once. */
static inline bool fp_inflow_is_full(const struct fp_inflow *inflow)
{
    return inflow->last >= FP_GULP;
}

struct fp_scratch {
    unsigned char *bytes; /* NULL: there is none now, so reads go straight into their buffer */
    size_t size;
};

/* One read(2). */
enum fp_flow fp_inflow_read(struct fp_inflow *inflow, struct fp_buffer *buffer,
                            const struct fp_memory *memory, const struct fp_scratch *scratch);

#endif
