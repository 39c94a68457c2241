/* The replay of traces, on a heap that this file fakes: it can lie, overwrite and fail. */
#include "config.h"

#include <criterion/criterion.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "zend_alloc.h"

/* ---- the fake heap ---- */

static struct {
    unsigned char blocks[4096]; /* handed out in order, 128 bytes each, never reused */
    size_t given_count;
    size_t freed_count;
    size_t misalign;            /* added to every address */
    size_t fail_at;             /* the call of that number jumps out */
    size_t spoil_at;            /* at the call of that number the first block is overwritten */
    size_t lose_at;             /* the realloc of that number forgets the content */
    bool not_built_in;
    jmp_buf outside;
} fake;

static void *give(void)
{
    fake.given_count++;
    if (fake.given_count == fake.fail_at) {
        longjmp(fake.outside, 1);
    }
    if (fake.given_count == fake.spoil_at) {
        fake.blocks[3] ^= 0xff;
    }
    return fake.blocks + (fake.given_count - 1) * 128 + fake.misalign;
}

/* The places that a debug build passes are of no use here. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

void *_emalloc(size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    cr_assert(size <= 64);
    return give();
}

void *_erealloc(void *block, size_t size, int allow_failure ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC)
{
    cr_assert(size <= 64 && allow_failure == 0);
    void *moved = give();
    if (fake.given_count != fake.lose_at) {
        memcpy(moved, block, 64);
    }
    return moved;
}

void _efree(void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    fake.freed_count += block != NULL;
}

bool is_zend_mm(void)
{
    return !fake.not_built_in;
}

/* ---- helpers ---- */

static char path[64];

static void *load_text(const char *text)
{
    char error[512];
    strcpy(path, "trace_replay.XXXXXX");
    int file = mkstemp(path);
    cr_assert(file >= 0);
    cr_assert(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    engine_script script = { .path = path, .file = -1 };
    void *program = trace_engine.load(&script, error, sizeof(error));
    unlink(path);
    cr_assert_not_null(program, "%s", error);
    return program;
}

/* Blocks 0 and 1 live at the end of request 0; line 7 is the first op. */
static const char text[] =
    "#zmtrace 1\n# source: test\n# ids: 3\n# ops: 9\n# requests: 2\n# peak-bytes: 145\n"
    "a 0 64\na 1 17\na 2 64\nf 2\nr 1 40\nq\na 0 8\nf 0\nq\n";

static void *program;
static void *runner;

static void start(unsigned int flags)
{
    program = load_text(text);
    runner = trace_engine.runner_new(program, flags);
    cr_assert_not_null(runner);
}

static void finish(void)
{
    trace_engine.runner_free(runner);
    trace_engine.unload(program);
}

/* ---- cases ---- */

Test(trace_replay, a_request_makes_its_calls_and_no_others)
{
    start(ENGINE_CHECK_NOTHING);
    cr_expect(trace_engine.request_count(program) == 2);
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE);
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(trace_engine.operation_count(runner) == 6);
    cr_expect(fake.given_count == 4);
    cr_expect(fake.freed_count == 1);
    cr_expect(trace_engine.run(runner, 1, NULL) == ENGINE_DONE);
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(trace_engine.operation_count(runner) == 3);
    cr_expect(fake.given_count == 5);
    cr_expect(fake.freed_count == 2);
    finish();
}

Test(trace_replay, every_block_is_touched_at_both_ends_and_not_beyond)
{
    start(ENGINE_CHECK_NOTHING);
    memset(fake.blocks, 0xee, sizeof(fake.blocks));
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE);
    cr_expect(fake.blocks[0] == 0 && fake.blocks[7] == 0 && fake.blocks[8] == 0xee);
    cr_expect(fake.blocks[63] == 0 && fake.blocks[64] == 0xee);
    cr_expect(fake.blocks[128] == 1 && fake.blocks[128 + 16] == 1 && fake.blocks[128 + 17] == 0xee);
    finish();
}

Test(trace_replay, with_checks_every_byte_is_written_and_not_beyond)
{
    start(ENGINE_CHECK_CONTENT);
    memset(fake.blocks, 0xee, sizeof(fake.blocks));
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE);
    size_t untouched = 0;
    for (size_t index = 0; index < 64; index++) {
        untouched += fake.blocks[index] == 0xee;
    }
    cr_expect(untouched < 8);
    for (size_t index = 64; index < 128; index++) {
        cr_expect(fake.blocks[index] == 0xee);
    }
    finish();
}

Test(trace_replay, checks_pass_on_an_honest_heap)
{
    start(ENGINE_CHECK_CONTENT);
    for (size_t turn = 0; turn < 3; turn++) {
        cr_expect(trace_engine.run(runner, turn % 2, NULL) == ENGINE_DONE, "%s",
            trace_engine.runner_error(runner));
        cr_expect_not(trace_engine.end_request(runner));
    }
    finish();
}

Test(trace_replay, a_byte_changed_by_someone_else_is_found_at_the_request_end)
{
    start(ENGINE_CHECK_CONTENT);
    fake.spoil_at = 3;
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_CORRUPT);
    char expected[128];
    snprintf(expected, sizeof(expected), "%s:12: block 0, 64 bytes at %p: byte 3 is 0x", path,
        (void *)fake.blocks);
    cr_expect(strncmp(trace_engine.runner_error(runner), expected, strlen(expected)) == 0, "%s",
        trace_engine.runner_error(runner));
    finish();
}

Test(trace_replay, content_lost_by_a_realloc_is_found_at_once)
{
    start(ENGINE_CHECK_CONTENT);
    fake.lose_at = 4;
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_CORRUPT);
    cr_expect(strstr(trace_engine.runner_error(runner), ":11: block 1, 40 bytes") != NULL, "%s",
        trace_engine.runner_error(runner));
    finish();
}

Test(trace_replay, a_block_that_is_not_aligned_is_found)
{
    start(ENGINE_CHECK_CONTENT);
    fake.misalign = 4;
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_CORRUPT);
    cr_expect(strstr(trace_engine.runner_error(runner), "not 8-aligned") != NULL, "%s",
        trace_engine.runner_error(runner));
    finish();
}

static void run_until_the_heap_fails(unsigned int flags)
{
    start(flags);
    fake.fail_at = 3;
    if (setjmp(fake.outside) == 0) {
        (void)trace_engine.run(runner, 0, NULL);
        cr_assert_fail("the fake heap did not fail");
    }
    cr_expect(trace_engine.operation_count(runner) == 2);
    cr_expect_not(trace_engine.end_request(runner));
    fake.fail_at = 0;
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE, "%s", trace_engine.runner_error(runner));
    cr_expect(trace_engine.operation_count(runner) == 6);
    finish();
}

Test(trace_replay, a_run_that_was_left_says_how_far_it_came_and_can_be_repeated)
{
    run_until_the_heap_fails(ENGINE_CHECK_NOTHING);
}

Test(trace_replay, the_same_with_checks)
{
    run_until_the_heap_fails(ENGINE_CHECK_CONTENT);
}

Test(trace_replay, live_blocks_are_left_to_the_reset_of_the_built_in_heap)
{
    start(ENGINE_CHECK_CONTENT);
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE);
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(fake.freed_count == 1);
    finish();
}

Test(trace_replay, live_blocks_are_freed_one_by_one_where_there_is_no_reset)
{
    fake.not_built_in = true;
    start(ENGINE_CHECK_NOTHING);
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE);
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(fake.freed_count == 3);
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(fake.freed_count == 3);
    finish();
}

Test(trace_replay, a_run_that_was_left_frees_what_it_had_where_there_is_no_reset)
{
    fake.not_built_in = true;
    start(ENGINE_CHECK_NOTHING);
    fake.fail_at = 3;
    if (setjmp(fake.outside) == 0) {
        (void)trace_engine.run(runner, 0, NULL);
        cr_assert_fail("the fake heap did not fail");
    }
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(fake.freed_count == 2);
    finish();
}

Test(trace_replay, with_a_heap_that_is_kept_live_blocks_are_freed_one_by_one)
{
    start(ENGINE_KEEP_HEAP);
    cr_expect(trace_engine.run(runner, 0, NULL) == ENGINE_DONE);
    cr_expect_not(trace_engine.end_request(runner));
    cr_expect(fake.freed_count == 3);
    finish();
}

Test(trace_replay, an_interrupt_ends_a_tracked_run_before_its_next_operation)
{
    engine_request request = { .stop = ENGINE_STOP_TIMEOUT };
    start(ENGINE_KEEP_HEAP);
    cr_expect(trace_engine.run(runner, 0, &request) == ENGINE_STOPPED);
    cr_expect(fake.given_count == 0);
    cr_expect(strstr(trace_engine.runner_error(runner), ":7: stopped") != NULL, "%s",
        trace_engine.runner_error(runner));
    finish();
}

static char frames[256];

static void keep_frames(void *context, const char *text)
{
    (void)context;
    snprintf(frames, sizeof(frames), "%s", text);
}

Test(trace_replay, a_tracked_run_says_where_it_is)
{
    static const engine_request_functions functions = { .inspected = keep_frames };
    engine_request request = { .functions = &functions, .inspect_depth = 5 };
    start(ENGINE_KEEP_HEAP);
    cr_expect(trace_engine.run(runner, 0, &request) == ENGINE_DONE);
    cr_expect(strstr(frames, ":7\n") != NULL, "%s", frames);
    cr_expect(request.inspect_depth == 0);
    finish();
}

Test(trace_replay, the_description_names_the_numbers)
{
    char out[512] = "";
    start(ENGINE_CHECK_NOTHING);
    FILE *file = fmemopen(out, sizeof(out), "w");
    cr_assert_not_null(file);
    trace_engine.describe(program, file);
    fclose(file);
    cr_expect(strstr(out, "2 requests, 9 operations, at most 3 blocks and 0.0 MiB live") != NULL,
        "%s", out);
    finish();
}
