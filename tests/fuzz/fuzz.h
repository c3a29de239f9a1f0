/* SPDX-License-Identifier: MIT
 *
 * What the fuzzers share.  Each reads its input as a program: a byte says what to do, the bytes
 * behind it how much; after every step the real thing is compared with a simple model of it.
 */
#ifndef FP_TESTS_FUZZ_FUZZ_H
#define FP_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/buffer.h"

/* What does not hold ends the process, which is what a fuzzer looks for. */
#define CHECK(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_failed(const char *file, int line, const char *condition);

/* The input, as far as it is not used up.  When it is, all that is taken from it is 0. */
struct input {
    const uint8_t *bytes;
    size_t left;
};

uint8_t take_byte(struct input *input);
/* Up to `most`: mostly small, because that is where the corner cases are. */
size_t take_size(struct input *input, size_t most);

/* The bytes of a stream: the one at a position is always the same, and its neighbours differ. */
void stream_fill(uint8_t *to, size_t position, size_t count);
bool stream_holds(const uint8_t *bytes, size_t position, size_t count);

/* Memory for a buffer: blocks that end where the sanitizer looks, moved at every chance, and
 * refused when told so or when somebody asks for a lot. */
extern const struct fp_memory fuzz_memory;
extern int fuzz_refusals;     /* so many requests to come are refused */
extern int fuzz_blocks;       /* in use */
enum { FUZZ_MOST = 1 << 24 }; /* bytes; more is refused */

/* A fuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
