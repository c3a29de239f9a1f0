/* SPDX-License-Identifier: MIT
 *
 * A descriptor to read from, and how to read it: in one bounded gulp per call,
 * through shared scratch memory while the stream is small, straight into its
 * buffer once it has shown volume.
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
    int fd;    /* not owned */
    int err;   /* positive errno of the last FP_FLOW_ERROR */
    bool bulk; /* the last gulp was large */
    bool full; /* it was as large as a gulp can be: there may be more at once */
};

struct fp_scratch {
    unsigned char *bytes;
    size_t size;
};

/* One read(2). */
enum fp_flow fp_inflow_read(struct fp_inflow *inflow, struct fp_buffer *buffer,
                            const struct fp_memory *memory, const struct fp_scratch *scratch);

#endif
