/* SPDX-License-Identifier: MIT
 *
 * See fuzz.h.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

uint8_t take_byte(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->bytes++;
}

size_t take_size(struct input *input, size_t most)
{
    size_t size = take_byte(input);
    if (size >= 128) /* the upper half is large: a power of two and what is next to it */
        size = ((size_t)1 << (size & 31) % 25) + (size & 32) / 32 - (size & 64) / 64;
    return size < most ? size : most;
}

/* ---- streams ---- */

enum { PERIOD = 65521 }; /* prime, so that no power of two of bytes can be missing unnoticed */

static const uint8_t *stream_period(void)
{
    static uint8_t bytes[PERIOD];
    if (bytes[1] == 0)
        for (size_t i = 0; i < PERIOD; i++)
            bytes[i] = (uint8_t)(i * 31 ^ i >> 8);
    return bytes;
}

/* So much of the stream from `position` on is in one piece. */
static size_t stream_piece(size_t position, size_t count)
{
    size_t rest = PERIOD - position % PERIOD;
    return count < rest ? count : rest;
}

void stream_fill(uint8_t *to, size_t position, size_t count)
{
    while (count > 0) {
        size_t piece = stream_piece(position, count);
        memcpy(to, stream_period() + position % PERIOD, piece);
        to += piece;
        position += piece;
        count -= piece;
    }
}

bool stream_holds(const uint8_t *bytes, size_t position, size_t count)
{
    while (count > 0) {
        size_t piece = stream_piece(position, count);
        if (memcmp(bytes, stream_period() + position % PERIOD, piece) != 0)
            return false;
        bytes += piece;
        position += piece;
        count -= piece;
    }
    return true;
}

/* ---- memory ---- */

int fuzz_refusals, fuzz_blocks;

/* In front of each block, so that moving it is possible; the sanitizer still sees its end. */
struct header {
    size_t size;
    size_t unused; /* keeps what follows aligned */
};

static void discard(struct header *header)
{
    if (header == NULL)
        return;
    fuzz_blocks--;
    free(header);
}

static bool is_refused(size_t size)
{
    if (fuzz_refusals > 0) {
        fuzz_refusals--;
        return true;
    }
    return size > FUZZ_MOST;
}

static void *resize(void *block, size_t size)
{
    struct header *old = block != NULL ? (struct header *)block - 1 : NULL;
    if (size == 0 || is_refused(size)) {
        discard(old);
        return NULL;
    }
    struct header *header = malloc(sizeof *header + size);
    CHECK(header != NULL);
    fuzz_blocks++;
    header->size = size;
    memset(header + 1, 0xEE, size);
    if (old != NULL)
        memcpy(header + 1, block, old->size < size ? old->size : size);
    discard(old);
    return header + 1;
}

/* What is announced is to be written: any of it that is not the block's is seen by ASan. */
static void expect(void *from, size_t size)
{
    memset(from, 0xDD, size);
}

const struct fp_memory fuzz_memory = {resize, expect};
