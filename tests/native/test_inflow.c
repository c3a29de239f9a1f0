/* SPDX-License-Identifier: MIT
 *
 * stream/inflow: one read per call, through the scratch memory while the stream
 * is small and past it once it has shown volume, and every way it can end.
 */
#include "check.h"
#include "posix/fd.h"
#include "stream/inflow.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SCRATCH = 64 * 1024, PIPE = 64 * 1024 };

static unsigned char scratch_bytes[SCRATCH];
static struct fp_scratch scratch = {scratch_bytes, SCRATCH};
static struct fp_buffer buffer;
static struct fp_inflow inflow;
static int write_end;

static void set_up(void)
{
    int ends[2];
    CHECK(fp_fd_pipe(ends) == 0);
    CHECK(fp_fd_set_nonblocking(ends[0]) == 0 && fp_fd_set_nonblocking(ends[1]) == 0);
    inflow.fd = ends[0];
    write_end = ends[1];
}

static void tear_down(void)
{
    fp_fd_close(&inflow.fd);
    fp_fd_close(&write_end);
    fp_buffer_free(&buffer, &guarded_memory);
    CHECK(guarded_block_size == 0);
}

static enum fp_flow gulp(void)
{
    return fp_inflow_read(&inflow, &buffer, &guarded_memory, &scratch);
}

static void send(const char *text)
{
    CHECK(write(write_end, text, strlen(text)) == (ssize_t)strlen(text));
}

static void send_many(char byte, size_t count)
{
    static char page[PIPE];
    memset(page, byte, count);
    CHECK(write(write_end, page, count) == (ssize_t)count);
}

static bool holds(const char *text)
{
    return fp_buffer_length(&buffer) == strlen(text) &&
           memcmp(fp_buffer_bytes(&buffer), text, strlen(text)) == 0;
}

static bool scratch_was_used(void)
{
    for (size_t i = 0; i < SCRATCH; i++)
        if (scratch_bytes[i] != 0)
            return true;
    return false;
}

TEST(inflow_of_little_data_takes_little_memory)
{
    set_up();
    send("hello");
    CHECK(gulp() == FP_FLOW_DATA && holds("hello"));
    CHECK(guarded_block_size == 5 && scratch_was_used() && !fp_inflow_is_bulk(&inflow));
    send(" again");
    CHECK(gulp() == FP_FLOW_DATA && holds("hello again"));
    tear_down();
}

TEST(inflow_with_nothing_there_takes_no_memory)
{
    set_up();
    CHECK(gulp() == FP_FLOW_AGAIN);
    CHECK(buffer.block == NULL && guarded_resizes_done == 0 && inflow.err == 0);
    send("x");
    CHECK(gulp() == FP_FLOW_DATA && gulp() == FP_FLOW_AGAIN && holds("x"));
    tear_down();
}

TEST(inflow_ends_after_the_last_byte)
{
    set_up();
    send("last words");
    fp_fd_close(&write_end);
    CHECK(gulp() == FP_FLOW_DATA && holds("last words"));
    CHECK(gulp() == FP_FLOW_EOF);
    CHECK(gulp() == FP_FLOW_EOF);
    CHECK(holds("last words") && inflow.err == 0);
    tear_down();
}

TEST(inflow_end_without_data_takes_no_memory)
{
    set_up();
    fp_fd_close(&write_end);
    CHECK(gulp() == FP_FLOW_EOF && guarded_resizes_done == 0);
    tear_down();
}

TEST(inflow_reads_once_and_no_more_than_the_scratch_holds)
{
    set_up();
    scratch.size = 4;
    send("abcdefghij");
    CHECK(gulp() == FP_FLOW_DATA && holds("abcd"));
    CHECK(gulp() == FP_FLOW_DATA && holds("abcdefgh"));
    CHECK(gulp() == FP_FLOW_DATA && holds("abcdefghij"));
    CHECK(gulp() == FP_FLOW_AGAIN);
    CHECK(scratch_bytes[4] == 0);
    tear_down();
}

TEST(inflow_without_scratch_goes_straight_into_the_buffer)
{
    set_up();
    scratch.bytes = NULL;
    send("all of it");
    CHECK(gulp() == FP_FLOW_DATA && holds("all of it") && !scratch_was_used());
    scratch.bytes = scratch_bytes;
    tear_down();
}

TEST(inflow_of_volume_goes_straight_into_the_buffer)
{
    set_up();
    send_many('a', PIPE);
    CHECK(gulp() == FP_FLOW_DATA && fp_inflow_is_bulk(&inflow));
    CHECK(fp_buffer_length(&buffer) == PIPE);
    memset(scratch_bytes, 0, SCRATCH);
    send_many('b', PIPE);
    CHECK(gulp() == FP_FLOW_DATA && fp_inflow_is_bulk(&inflow));
    CHECK(fp_buffer_length(&buffer) == 2 * PIPE && !scratch_was_used());
    CHECK(fp_buffer_bytes(&buffer)[PIPE - 1] == 'a' && fp_buffer_bytes(&buffer)[PIPE] == 'b');
    tear_down();
}

TEST(inflow_is_bulk_from_half_a_pipe_on)
{
    set_up();
    send_many('a', PIPE / 2 - 1);
    CHECK(gulp() == FP_FLOW_DATA && !fp_inflow_is_bulk(&inflow));
    fp_buffer_free(&buffer, &guarded_memory);
    send_many('a', PIPE / 2);
    CHECK(gulp() == FP_FLOW_DATA && fp_inflow_is_bulk(&inflow));
    tear_down();
}

TEST(inflow_goes_on_from_what_stdio_writes_at_a_time)
{
    set_up();
    CHECK(!fp_inflow_goes_on(&inflow));
    send_many('a', 4095);
    CHECK(gulp() == FP_FLOW_DATA && !fp_inflow_goes_on(&inflow));
    send_many('a', 4096);
    CHECK(gulp() == FP_FLOW_DATA && fp_inflow_goes_on(&inflow));
    tear_down();
}

TEST(inflow_that_has_become_small_is_not_bulk)
{
    set_up();
    inflow.last = FP_BIG_GULP;
    CHECK(gulp() == FP_FLOW_AGAIN);
    send("small");
    CHECK(gulp() == FP_FLOW_DATA && holds("small") && !fp_inflow_is_bulk(&inflow) &&
          !scratch_was_used());
    fp_buffer_free(&buffer, &guarded_memory);
    send("smaller");
    CHECK(gulp() == FP_FLOW_DATA && holds("smaller") && scratch_was_used());
    tear_down();
}

TEST(inflow_uses_room_that_is_already_there)
{
    set_up();
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, PIPE) != NULL);
    send("direct");
    CHECK(gulp() == FP_FLOW_DATA && holds("direct"));
    CHECK(!scratch_was_used() && guarded_resizes_done == 1);
    tear_down();
}

static const unsigned char *expected_from;
static size_t expected_size;
static int announcements;

static void note(void *from, size_t size)
{
    announcements++;
    expected_from = from;
    expected_size = size;
}

/* A gulp, announced or not, that gets `count` bytes. */
static void gulp_announced(size_t count, bool announced)
{
    const struct fp_memory memory = {guarded_memory.resize, note};
    int before = announcements;
    send_many('a', count);
    CHECK(fp_inflow_read(&inflow, &buffer, &memory, &scratch) == FP_FLOW_DATA);
    CHECK(announcements == before + announced);
}

TEST(inflow_of_volume_announces_what_will_come)
{
    enum { LARGE = 2 * 1024 * 1024 };
    set_up();
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, LARGE - 1) != NULL);
    gulp_announced(PIPE, false);
    gulp_announced(PIPE, false); /* volume, but the block is small */
    fp_buffer_free(&buffer, &guarded_memory);

    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, LARGE) != NULL);
    inflow.last = inflow.largest = 0;
    gulp_announced(PIPE, false); /* had none before */
    gulp_announced(PIPE / 2, true);
    CHECK(expected_from == buffer.block + PIPE && expected_size == PIPE);
    gulp_announced(PIPE / 2, false); /* what was announced is enough for as much again */
    gulp_announced(PIPE / 2 - 1, true);
    CHECK(expected_from == buffer.block + 2 * PIPE && expected_size == PIPE);

    inflow.last = PIPE; /* half of which was announced before */
    gulp_announced(1, true);
    CHECK(expected_from == buffer.block + 3 * PIPE && expected_size == PIPE);
    buffer.expected = buffer.end;
    gulp_announced(1, true); /* small gulps of a stream that had volume */
    buffer.expected = buffer.end;
    inflow.largest = PIPE / 2 - 1;
    gulp_announced(1, false); /* never had volume */

    inflow.last = inflow.largest = 4 * PIPE; /* of an enlarged pipe, but there is less room */
    fp_buffer_commit(&buffer, fp_buffer_room(&buffer) - PIPE - 1);
    gulp_announced(1, true);
    CHECK(expected_size == PIPE + 1 && expected_from + PIPE + 1 == buffer.block + buffer.size);
    inflow.last = 4 * PIPE;
    gulp_announced(1, false); /* to the end of the block */

    fp_buffer_free(&buffer, &guarded_memory);
    inflow.last = PIPE;
    CHECK(fp_buffer_reserve(&buffer, &guarded_memory, LARGE) != NULL);
    gulp_announced(1, true); /* another block */
    tear_down();
}

TEST(inflow_tells_what_the_system_says)
{
    set_up();
    send("kept");
    CHECK(gulp() == FP_FLOW_DATA);
    int fd = inflow.fd;
    inflow.fd = write_end;
    CHECK(gulp() == FP_FLOW_ERROR && inflow.err == EBADF);
    inflow.fd = open("/", O_RDONLY | O_CLOEXEC);
    inflow.last = FP_BIG_GULP;
    CHECK(gulp() == FP_FLOW_ERROR && inflow.err == EISDIR);
    CHECK(holds("kept"));
    fp_fd_close(&inflow.fd);
    inflow.fd = fd;
    tear_down();
}

TEST(inflow_out_of_memory_after_the_read)
{
    set_up();
    send("hello");
    guarded_resizes_left = 0;
    CHECK(gulp() == FP_FLOW_ERROR && inflow.err == ENOMEM);
    CHECK(buffer.block == NULL && fp_buffer_length(&buffer) == 0);
    guarded_resizes_left = -1;
    tear_down();
}

TEST(inflow_out_of_memory_before_the_read_leaves_the_data_in_the_pipe)
{
    set_up();
    inflow.last = FP_BIG_GULP;
    send("hello");
    guarded_resizes_left = 0;
    CHECK(gulp() == FP_FLOW_ERROR && inflow.err == ENOMEM);
    CHECK(buffer.block == NULL);
    guarded_resizes_left = -1;
    CHECK(gulp() == FP_FLOW_DATA && holds("hello"));
    tear_down();
}

/* Byte number `at` of a stream in which no two stretches look alike. */
static unsigned char expected(size_t at)
{
    return (unsigned char)(at * 7 + at / 251 * 13);
}

TEST(inflow_loses_and_swaps_nothing)
{
    enum { TOTAL = 4 << 20 };
    static unsigned char piece[PIPE];
    uint64_t seed = 9;
    size_t sent = 0, received = 0;
    bool ended = false;
    set_up();
    while (!ended) {
        if (sent < TOTAL && next_random(&seed) % 2) {
            size_t count = next_random(&seed) % 4 ? 1 + next_random(&seed) % 300 : PIPE;
            for (size_t i = 0; i < count; i++)
                piece[i] = expected(sent + i);
            ssize_t written = write(write_end, piece, count);
            sent += written > 0 ? (size_t)written : 0;
            if (sent >= TOTAL)
                fp_fd_close(&write_end);
        }
        switch (gulp()) {
        case FP_FLOW_DATA:
        case FP_FLOW_AGAIN:
            break;
        case FP_FLOW_EOF:
            ended = true;
            break;
        default:
            CHECK(false);
        }
        size_t length = fp_buffer_length(&buffer);
        size_t taken = ended ? length : length - length / 3;
        for (size_t i = 0; i < taken; i++)
            CHECK(fp_buffer_bytes(&buffer)[i] == expected(received + i));
        fp_buffer_consume(&buffer, taken);
        received += taken;
    }
    CHECK(received == sent && sent >= TOTAL);
    tear_down();
}
