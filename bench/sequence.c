/* sequence: operations made once and replayed by every peer.
 * Owns        the arrays of a builder; the mapping of a published sequence lives as the process.
 * Thread      the main thread.
 * Invariants  I1  no op needs a test when it is replayed: sizes are not 0 (realloc() with 0 means
 *                 different things to different allocators), ids are live where they must be
 * Failure     no memory ends the process: this program measures, it does not serve.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/sequence.h"

#include "bench/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *grow(void *array, size_t *capacity, size_t needed, size_t element_size)
{
    if (needed <= *capacity) {
        return array;
    }
    size_t wanted = needed + needed / 2 + 1024;
    char *moved = realloc(array, wanted * element_size);
    if (moved == NULL) {
        fprintf(stderr, "tsrmalloc-bench: no memory for a sequence of operations\n");
        exit(1);
    }
    memset(moved + *capacity * element_size, 0, (wanted - *capacity) * element_size);
    *capacity = wanted;
    return moved;
}

/* ---- making one ---- */

static void add(bench_builder *builder, trace_op_kind kind, size_t id, size_t size)
{
    bench_sequence *sequence = &builder->sequence;
    builder->ops = grow(builder->ops, &builder->op_capacity, sequence->op_count + 1,
        sizeof *builder->ops);
    builder->sizes = grow(builder->sizes, &builder->id_capacity, id + 1, sizeof *builder->sizes);
    builder->ops[sequence->op_count++] = (trace_op){
        .kind = kind & ((1u << TRACE_KIND_BITS) - 1), .id = id & TRACE_ID_MAX,
        .size = (uint32_t)size };
    sequence->ops = builder->ops;
    sequence->id_count = id + 1 > sequence->id_count ? id + 1 : sequence->id_count;
    builder->live = builder->live - builder->sizes[id] + size;
    builder->sizes[id] = size;
    if (builder->live > sequence->live_peak) {
        sequence->live_peak = builder->live;
    }
}

void bench_add_alloc(bench_builder *builder, size_t id, size_t size)
{
    add(builder, TRACE_ALLOC, id, size);
}

void bench_add_realloc(bench_builder *builder, size_t id, size_t size)
{
    add(builder, TRACE_REALLOC, id, size);
}

void bench_add_free(bench_builder *builder, size_t id)
{
    add(builder, TRACE_FREE, id, 0);
}

void bench_add_end(bench_builder *builder)
{
    add(builder, TRACE_END, 0, 0);
    memset(builder->sizes, 0, builder->id_capacity * sizeof *builder->sizes);
    builder->live = 0;
}

void bench_builder_free(bench_builder *builder)
{
    free(builder->ops);
    free(builder->wide_sizes);
    free(builder->sizes);
    memset(builder, 0, sizeof *builder);
}

bool bench_builder_read_trace(bench_builder *builder, const char *path, char *error,
    size_t error_size)
{
    trace trace;
    if (!trace_read(path, &trace, error, error_size)) {
        return false;
    }
    for (size_t index = 0; index < trace.op_count; index++) {
        trace_op *op = &trace.ops[index];
        if (op->size == 0 && (op->kind == TRACE_ALLOC || op->kind == TRACE_REALLOC)) {
            op->size = 1;
        }
    }
    builder->ops = trace.ops;
    builder->wide_sizes = trace.wide_sizes;
    builder->sequence = (bench_sequence){
        .ops = trace.ops, .op_count = trace.op_count, .wide_sizes = trace.wide_sizes,
        .wide_count = trace.wide_size_count, .id_count = trace.id_count,
        .timed_end = trace.op_count, .closed = true, .touch = TOUCH_FIRST_BYTE,
        .live_peak = trace.peak_size };
    trace.ops = NULL;                   /* the builder has them now */
    trace.wide_sizes = NULL;
    trace_free(&trace);
    return true;
}

/* ---- request ends as frees ---- */

/* Follow one op; how many ids are live behind it. */
static size_t follow(const trace_op *op, unsigned char *live, size_t id_count, size_t live_count)
{
    bool is_live = op->kind != TRACE_FREE;
    if (op->kind == TRACE_END) {
        memset(live, 0, id_count);
        return 0;
    }
    live_count += (size_t)is_live - live[op->id];
    live[op->id] = is_live;
    return live_count;
}

static size_t count_live_at_ends(const bench_sequence *sequence, unsigned char *live)
{
    size_t count = 0, live_count = 0;
    memset(live, 0, sequence->id_count);
    for (size_t index = 0; index < sequence->op_count; index++) {
        count += sequence->ops[index].kind == TRACE_END ? live_count : 0;
        live_count = follow(&sequence->ops[index], live, sequence->id_count, live_count);
    }
    return count;
}

static size_t add_frees(const unsigned char *live, size_t id_count, trace_op *ops)
{
    size_t count = 0;
    for (size_t id = 0; id < id_count; id++) {
        if (live[id] != 0) {
            ops[count++] = (trace_op){ .kind = TRACE_FREE, .id = id & TRACE_ID_MAX };
        }
    }
    return count;
}

void bench_sequence_expand(const bench_sequence *sequence, bench_sequence *expanded)
{
    unsigned char *live = bench_memory_map(sequence->id_count);
    size_t size = sequence->op_count + count_live_at_ends(sequence, live), count = 0;
    trace_op *ops = bench_memory_map(size * sizeof *ops);
    *expanded = *sequence;
    memset(live, 0, sequence->id_count);
    for (size_t index = 0; index < sequence->op_count; index++) {
        const trace_op *op = &sequence->ops[index];
        expanded->timed_first = index == sequence->timed_first ? count : expanded->timed_first;
        expanded->timed_end = index == sequence->timed_end ? count : expanded->timed_end;
        if (op->kind == TRACE_END) {
            count += add_frees(live, sequence->id_count, ops + count);
        }
        (void)follow(op, live, sequence->id_count, 0);
        ops[count++] = *op;
    }
    expanded->timed_end = sequence->timed_end == sequence->op_count ? count : expanded->timed_end;
    expanded->ops = ops;
    expanded->op_count = count;
}

/* ---- from process to process: the structure, the ops, the wide sizes ---- */

static bool write_all(int file, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t written = write(file, at, size);
        if (written <= 0) {
            return false;
        }
        at += written;
        size -= (size_t)written;
    }
    return true;
}

int bench_sequence_publish(const bench_sequence *sequence)
{
    int file = memfd_create("tsrmalloc-bench", MFD_CLOEXEC);
    if (file >= 0 && write_all(file, sequence, sizeof *sequence)
        && write_all(file, sequence->ops, sequence->op_count * sizeof *sequence->ops)
        && write_all(file, sequence->wide_sizes,
            sequence->wide_count * sizeof *sequence->wide_sizes)) {
        return file;
    }
    if (file >= 0) {
        close(file);
    }
    return -1;
}

bool bench_sequence_map(int file, bench_sequence *sequence)
{
    struct stat status;
    if (fstat(file, &status) != 0 || (size_t)status.st_size < sizeof *sequence) {
        return false;
    }
    const char *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE,
        file, 0);
    if (data == MAP_FAILED) {
        return false;
    }
    memcpy(sequence, data, sizeof *sequence);
    sequence->ops = (const trace_op *)(const void *)(data + sizeof *sequence);
    sequence->wide_sizes = (const size_t *)(const void *)(sequence->ops + sequence->op_count);
    return true;
}
