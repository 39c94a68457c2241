/* sequence: building, publishing, and the addresses that the limit computes for one. */
#include "config.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/peer.h"
#include "bench/random.h"

Test(sequence, the_live_peak_is_the_largest_sum_of_what_was_asked_for)
{
    bench_builder builder = { 0 };
    bench_add_alloc(&builder, 0, 100);
    bench_add_alloc(&builder, 1, 50);
    bench_add_realloc(&builder, 0, 200);
    bench_add_free(&builder, 1);
    bench_add_alloc(&builder, 1, 10);
    bench_add_end(&builder);
    bench_add_alloc(&builder, 0, 60);
    cr_assert_eq(builder.sequence.live_peak, 250);
    cr_assert_eq(builder.sequence.id_count, 2);
    cr_assert_eq(builder.sequence.op_count, 7);
    bench_builder_free(&builder);
}

Test(sequence, what_is_published_is_what_is_mapped)
{
    bench_builder builder = { 0 };
    bench_sequence mapped;
    for (size_t id = 0; id < 5000; id++) {
        bench_add_alloc(&builder, id, id + 1);
    }
    builder.sequence.timed_first = 17;
    builder.sequence.touch = TOUCH_EVERY_PAGE;
    int file = bench_sequence_publish(&builder.sequence);
    cr_assert(file >= 0);
    cr_assert(bench_sequence_map(file, &mapped));
    cr_assert_eq(mapped.op_count, 5000);
    cr_assert_eq(mapped.timed_first, 17);
    cr_assert_eq(mapped.touch, TOUCH_EVERY_PAGE);
    cr_assert_eq(memcmp(mapped.ops, builder.ops, 5000 * sizeof *builder.ops), 0);
    close(file);
    bench_builder_free(&builder);
}

Test(sequence, a_file_that_is_none_is_refused)
{
    bench_sequence mapped;
    int file = open("/dev/null", 0);
    cr_assert_not(bench_sequence_map(file, &mapped));
    cr_assert_not(bench_sequence_map(-1, &mapped));
    close(file);
}

Test(sequence, sizes_of_zero_in_a_trace_become_one)
{
    bench_builder builder = { 0 };
    char path[] = "/tmp/tsrmalloc-bench-XXXXXX", error[256] = "";
    FILE *file = fdopen(mkstemp(path), "w");
    fputs("#zmtrace 1\n# source: test\n# ids: 1\n# ops: 4\n# requests: 1\n# peak-bytes: 7\n"
        "a 0 0\nr 0 7\nr 0 0\nq\n", file);
    fclose(file);
    cr_assert(bench_builder_read_trace(&builder, path, error, sizeof error), "%s", error);
    cr_assert_eq(builder.ops[0].size, 1);
    cr_assert_eq(builder.ops[1].size, 7);
    cr_assert_eq(builder.ops[2].size, 1);
    cr_assert(builder.sequence.closed);
    unlink(path);
    bench_builder_free(&builder);
}

static void assert_op(const bench_sequence *sequence, size_t index, trace_op_kind kind, size_t id)
{
    cr_assert_eq(sequence->ops[index].kind, kind, "%zu: kind %u", index, sequence->ops[index].kind);
    cr_assert_eq(sequence->ops[index].id, id, "%zu: id %u", index, sequence->ops[index].id);
}

Test(sequence, expanded_it_frees_what_is_live_at_a_request_end)
{
    bench_builder builder = { 0 };
    bench_sequence expanded;
    bench_add_alloc(&builder, 0, 10);
    bench_add_alloc(&builder, 1, 10);
    bench_add_alloc(&builder, 2, 10);
    bench_add_realloc(&builder, 2, 20);
    bench_add_free(&builder, 0);
    bench_add_end(&builder);
    bench_add_alloc(&builder, 1, 10);
    bench_add_free(&builder, 1);
    bench_add_end(&builder);
    builder.sequence.timed_first = 5;
    builder.sequence.timed_end = 6;
    bench_sequence_expand(&builder.sequence, &expanded);
    cr_assert_eq(expanded.op_count, 11);
    assert_op(&expanded, 4, TRACE_FREE, 0);
    assert_op(&expanded, 5, TRACE_FREE, 1);
    assert_op(&expanded, 6, TRACE_FREE, 2);
    assert_op(&expanded, 7, TRACE_END, 0);
    assert_op(&expanded, 9, TRACE_FREE, 1);
    assert_op(&expanded, 10, TRACE_END, 0);
    cr_assert_eq(expanded.timed_first, 5);
    cr_assert_eq(expanded.timed_end, 8);
    builder.sequence.timed_end = builder.sequence.op_count;
    bench_sequence_expand(&builder.sequence, &expanded);
    cr_assert_eq(expanded.timed_end, 11);
    bench_builder_free(&builder);
}

/* ---- the limit ---- */

#define ID_COUNT 200

typedef struct block {
    char *address;
    size_t size;
} block;

static void make_random_sequence(bench_builder *builder)
{
    bench_random random = BENCH_RANDOM_SEED;
    bool live[ID_COUNT] = { false };
    for (size_t turn = 0; turn < 20000; turn++) {
        size_t id = bench_random_below(&random, ID_COUNT);
        size_t size = bench_random_between(&random, 1, (size_t)1 << (turn % 20));
        if (!live[id]) {
            bench_add_alloc(builder, id, size);
        } else if (turn % 3 == 0) {
            bench_add_realloc(builder, id, size);
        } else {
            bench_add_free(builder, id);
        }
        live[id] = !live[id] || turn % 3 == 0;
        if (turn % 5000 == 4999) {
            bench_add_end(builder);
            memset(live, 0, sizeof live);
        }
    }
}

static void assert_apart(const block *blocks, size_t id)
{
    for (size_t other = 0; other < ID_COUNT; other++) {
        cr_assert(other == id || blocks[other].size == 0
            || blocks[id].address + blocks[id].size <= blocks[other].address
            || blocks[other].address + blocks[other].size <= blocks[id].address);
    }
}

Test(limit, live_blocks_never_overlap)
{
    bench_builder builder = { 0 };
    bench_peer peer;
    char error[64];
    block blocks[ID_COUNT] = { { NULL, 0 } };
    make_random_sequence(&builder);
    cr_assert(bench_peer_open("limit", "", &peer, error, sizeof error));
    cr_assert(peer.plan(&builder.sequence));
    cr_assert(peer.start());
    peer.rewind();
    for (size_t index = 0; index < builder.sequence.op_count; index++) {
        const trace_op *op = &builder.ops[index];
        block *block = &blocks[op->id];
        if (op->kind == TRACE_END) {
            memset(blocks, 0, sizeof blocks);
        } else if (op->kind == TRACE_FREE) {
            block->size = 0;
        } else {
            block->address = op->kind == TRACE_ALLOC ? peer.alloc(op->size)
                                                     : peer.realloc(block->address, op->size,
                                                         0);
            block->size = op->size;
            assert_apart(blocks, op->id);
        }
    }
    bench_builder_free(&builder);
}

Test(limit, the_same_addresses_come_again_after_a_rewind)
{
    bench_builder builder = { 0 };
    bench_peer peer;
    char error[64];
    bench_add_alloc(&builder, 0, 10);
    bench_add_alloc(&builder, 1, 10);
    bench_add_end(&builder);
    cr_assert(bench_peer_open("limit", "", &peer, error, sizeof error));
    cr_assert(peer.plan(&builder.sequence));
    cr_assert(peer.start());
    peer.rewind();
    void *first = peer.alloc(10);
    cr_assert_neq(peer.alloc(10), first);
    peer.rewind();
    cr_assert_eq(peer.alloc(10), first);
    bench_builder_free(&builder);
}
