/* SPDX-License-Identifier: MIT
 *
 * See arrivals.h.
 */
#include "stream/arrivals.h"

#include <stdlib.h>

enum {
    FIRST_ROOM = 16,
    MOST_ROOM = 1 << 17, /* two streams with 64 KiB each, byte by byte in turns */
};

struct fp_arrivals *fp_arrivals_new(void)
{
    struct fp_arrivals *arrivals = malloc(sizeof *arrivals);
    if (arrivals != NULL)
        *arrivals = (struct fp_arrivals){.owners = 1};
    return arrivals;
}

void fp_arrivals_drop(struct fp_arrivals *arrivals)
{
    if (arrivals == NULL || --arrivals->owners > 0)
        return;
    free(arrivals->runs);
    free(arrivals);
}

static struct fp_run *run_at(const struct fp_arrivals *arrivals, size_t at)
{
    return &arrivals->runs[(arrivals->first + at) & (arrivals->room - 1)];
}

/* Makes room for one more run.  False if there is no memory, or too many because nobody takes them. */
static bool grow(struct fp_arrivals *arrivals)
{
    if (arrivals->used < arrivals->room)
        return true;
    size_t room = arrivals->room > 0 ? 2 * arrivals->room : FIRST_ROOM;
    if (room > MOST_ROOM)
        return false;
    struct fp_run *runs = malloc(room * sizeof *runs);
    if (runs == NULL)
        return false;
    for (size_t i = 0; i < arrivals->used; i++)
        runs[i] = *run_at(arrivals, i);
    free(arrivals->runs);
    arrivals->runs = runs;
    arrivals->room = room;
    arrivals->first = 0;
    return true;
}

void fp_arrivals_add(struct fp_arrivals *arrivals, int stream, size_t count)
{
    struct fp_run *latest = arrivals->used > 0 ? run_at(arrivals, arrivals->used - 1) : NULL;
    if (latest != NULL && latest->stream == stream) {
        latest->count += count;
        return;
    }
    if (!grow(arrivals))
        return; /* the reader looks at the buffers when there is no run */
    *run_at(arrivals, arrivals->used++) = (struct fp_run){stream, count};
}

const struct fp_run *fp_arrivals_oldest(const struct fp_arrivals *arrivals)
{
    return arrivals->used > 0 ? run_at(arrivals, 0) : NULL;
}

void fp_arrivals_take(struct fp_arrivals *arrivals, size_t count)
{
    if (arrivals->used == 0)
        return;
    struct fp_run *oldest = run_at(arrivals, 0);
    if (count < oldest->count) {
        oldest->count -= count;
        return;
    }
    arrivals->first = (arrivals->first + 1) & (arrivals->room - 1);
    if (--arrivals->used == 0) {
        free(arrivals->runs);
        arrivals->runs = NULL;
        arrivals->room = arrivals->first = 0;
    }
}
