/* SPDX-License-Identifier: MIT
 *
 * In the place of libFuzzer, where there is none: runs the inputs in the files it is given, then
 * so many random ones, the same at every call.
 *
 *     fuzz_buffer COUNT [FILE ...]
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 4096 };

static uint64_t state = 0x9E3779B97F4A7C15u;

/* xorshift64* */
static uint64_t next_random(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Du;
}

/* In memory of exactly its size, so that reading too far is seen. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *input = malloc(size + (size == 0));
    CHECK(input != NULL);
    memcpy(input, bytes, size);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
}

static void run_file(const char *name)
{
    static uint8_t bytes[LONGEST];
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    run(bytes, size);
}

/* Mostly short, now and then long. */
static void run_random(void)
{
    static uint8_t bytes[LONGEST];
    size_t size = (size_t)(next_random() % (next_random() % 16 == 0 ? LONGEST : 200));
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(next_random() >> 56);
    run(bytes, size);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    for (int i = 2; i < argc; i++)
        run_file(argv[i]);
    for (long i = 0; i < count; i++)
        run_random();
    printf("%ld executions\n", count + (argc > 2 ? argc - 2 : 0));
    return 0;
}
