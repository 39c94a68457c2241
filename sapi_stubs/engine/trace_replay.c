/* trace_replay: the trace engine; replays one request of a trace on the calling thread's heap.
 * Owns        a runner's table of blocks, in C library memory: it outlives requests.
 * Thread      load, unload: main thread. A runner: the worker that made it.
 * Invariants  I1  the trace was checked by trace_read: no op needs a test here
 *             I2  with tracking: an id is live exactly when its address is not NULL
 *             I3  with content checks: a live block holds the pattern of its seed, all of it
 *             I4  an interrupt is looked for with tracking only: the plain loop is what is timed
 * Failure     zend_bailout() from the heap passes through; `current` says how far the run came.
 * Tests       tests/unit/trace_replay.c, tests/cli/storages.sh */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "trace.h"
#include "zend_alloc.h"

/* Odd, with its bits well mixed (2^64 divided by the golden ratio): neighbouring words of a pattern
 * share no byte by rule. */
#define PATTERN_FACTOR UINT64_C(0x9E3779B97F4A7C15)

typedef struct tracked_block {
    unsigned char *address;
    size_t size;
    uint64_t seed;
} tracked_block;

typedef struct trace_runner {
    const trace *program;
    const trace_op *first;      /* of the request that ran last */
    const trace_op *current;    /* op being done; behind a run: its end, or where it was left */
    bool finished;
    bool check_content;
    bool free_live;             /* no reset takes it back: ENGINE_KEEP_HEAP, or not our heap */
    engine_request *request;    /* of the run; may be NULL */
    void **blocks;              /* by id, for the plain loop; NULL with tracking */
    tracked_block *tracked;     /* by id; NULL without tracking */
    uint64_t sequence;          /* of fills, so that no two hold the same pattern */
    char error[256];
} trace_runner;

/* ---- plain loop: what is timed ---- */

/* Here and below the heap's functions are called without their macros, whose choice by constant
 * size can never apply. */

/* Write where a program writes first and last: both cache lines of a block come in. */
static inline void touch(void *block, size_t size, uint32_t id)
{
    unsigned char *bytes = block;
    uint64_t word = id;
    if (size >= sizeof(word)) {
        memcpy(bytes, &word, sizeof(word));
    } else if (size > 0) {
        bytes[0] = (unsigned char)id;
    }
    if (size > 0) {
        bytes[size - 1] = (unsigned char)id;
    }
}

static inline void plain_alloc(trace_runner *run, const trace_op *op, size_t size)
{
    run->current = op;
    void *block = _emalloc(size ZEND_MM_HERE);
    run->blocks[op->id] = block;
    touch(block, size, op->id);
}

static inline void plain_realloc(trace_runner *run, const trace_op *op, size_t size)
{
    run->current = op;
    void *block = _erealloc(run->blocks[op->id], size, 0 ZEND_MM_HERE);
    run->blocks[op->id] = block;
    touch(block, size, op->id);
}

static void run_plain(trace_runner *run, const trace_op *op)
{
    const size_t *wide_sizes = run->program->wide_sizes;
    for (;; op++) {
        switch ((trace_op_kind)op->kind) {
        case TRACE_ALLOC:
            plain_alloc(run, op, op->size);
            break;
        case TRACE_FREE:
            _efree(run->blocks[op->id] ZEND_MM_HERE);
            break;
        case TRACE_REALLOC:
            plain_realloc(run, op, op->size);
            break;
        case TRACE_ALLOC_WIDE:
            plain_alloc(run, op, wide_sizes[op->size]);
            break;
        case TRACE_REALLOC_WIDE:
            plain_realloc(run, op, wide_sizes[op->size]);
            break;
        case TRACE_END:
            run->current = op;
            return;
        }
    }
}

/* ---- tracking loop: knows which blocks are live, and their content if asked ---- */

static uint64_t pattern_word(uint64_t seed, size_t index)
{
    return (seed + index) * PATTERN_FACTOR;
}

static void fill(tracked_block *block)
{
    size_t words = block->size / sizeof(uint64_t);
    for (size_t index = 0; index < words; index++) {
        uint64_t word = pattern_word(block->seed, index);
        memcpy(block->address + index * sizeof(word), &word, sizeof(word));
    }
    uint64_t last = pattern_word(block->seed, words);
    memcpy(block->address + words * sizeof(last), &last, block->size % sizeof(last));
}

static size_t line_of(const trace_runner *run, const trace_op *op)
{
    return run->program->header_line_count + (size_t)(op - run->program->ops) + 1;
}

static bool report_content(trace_runner *run, const trace_op *op, const tracked_block *block,
    size_t offset)
{
    uint64_t word = pattern_word(block->seed, offset / sizeof(word));
    unsigned char expected[sizeof(word)];
    memcpy(expected, &word, sizeof(word));
    snprintf(run->error, sizeof(run->error),
        "%s:%zu: block %u, %zu bytes at %p: byte %zu is 0x%02x, 0x%02x was written",
        run->program->path,
        line_of(run, op),
        (unsigned int)(block - run->tracked), block->size, (void *)block->address, offset,
        block->address[offset], expected[offset % sizeof(word)]);
    return false;
}

/* Compare the first `size` bytes at `address` with the pattern of `block`. */
static bool check_content(trace_runner *run, const trace_op *op, const tracked_block *block,
    size_t size)
{
    size_t offset = 0;
    for (; offset + sizeof(uint64_t) <= size; offset += sizeof(uint64_t)) {
        uint64_t word = pattern_word(block->seed, offset / sizeof(word));
        if (memcmp(block->address + offset, &word, sizeof(word)) != 0) {
            size = offset + sizeof(word);
            break;
        }
    }
    uint64_t last = pattern_word(block->seed, offset / sizeof(last));
    const unsigned char *expected = (const unsigned char *)&last;
    for (size_t index = 0; offset + index < size; index++) {
        if (block->address[offset + index] != expected[index]) {
            return report_content(run, op, block, offset + index);
        }
    }
    return true;
}

static bool check_alignment(trace_runner *run, const trace_op *op, const tracked_block *block)
{
    if ((uintptr_t)block->address % ZEND_MM_ALIGNMENT == 0) {
        return true;
    }
    snprintf(run->error, sizeof(run->error), "%s:%zu: block %u, %zu bytes at %p: not %zu-aligned",
        run->program->path,
        line_of(run, op),
        (unsigned int)(block - run->tracked), block->size, (void *)block->address,
        ZEND_MM_ALIGNMENT);
    return false;
}

/* A block is new, has moved or has another size. */
static bool occupy(trace_runner *run, const trace_op *op, tracked_block *block)
{
    if (!run->check_content) {
        touch(block->address, block->size, op->id);
        return true;
    }
    block->seed = ++run->sequence * PATTERN_FACTOR ^ op->id;
    fill(block);
    return check_alignment(run, op, block);
}

static bool tracked_alloc(trace_runner *run, const trace_op *op, size_t size)
{
    tracked_block *block = &run->tracked[op->id];
    block->address = _emalloc(size ZEND_MM_HERE);
    block->size = size;
    return occupy(run, op, block);
}

static bool tracked_realloc(trace_runner *run, const trace_op *op, size_t size)
{
    tracked_block *block = &run->tracked[op->id];
    size_t kept = size < block->size ? size : block->size;
    if (run->check_content && !check_content(run, op, block, block->size)) {
        return false;
    }
    block->address = _erealloc(block->address, size, 0 ZEND_MM_HERE);
    block->size = size;
    if (run->check_content && !check_content(run, op, block, kept)) {
        return false;
    }
    return occupy(run, op, block);
}

static bool tracked_free(trace_runner *run, const trace_op *op)
{
    tracked_block *block = &run->tracked[op->id];
    if (run->check_content && !check_content(run, op, block, block->size)) {
        return false;
    }
    _efree(block->address ZEND_MM_HERE);
    block->address = NULL;
    return true;
}

static bool check_live(trace_runner *run, const trace_op *op)
{
    for (size_t id = 0; run->check_content && id < run->program->id_count; id++) {
        const tracked_block *block = &run->tracked[id];
        if (block->address != NULL && !check_content(run, op, block, block->size)) {
            return false;
        }
    }
    return true;
}

static void say_where(const trace_runner *run, const trace_op *op)
{
    char text[512];
    engine_request *request = run->request;
    if (atomic_load_explicit(&request->inspect_depth, memory_order_relaxed) == 0
        || atomic_exchange_explicit(&request->inspect_depth, 0, memory_order_acquire) == 0
        || request->functions->inspected == NULL) {
        return;
    }
    snprintf(text, sizeof(text), "[trace] %s:%zu\n", run->program->path, line_of(run, op));
    request->functions->inspected(request->context, text);
}

static bool is_stopped(const trace_runner *run, const trace_op *op)
{
    if (run->request != NULL) {
        say_where(run, op);
    }
    return run->request != NULL && engine_request_stop(run->request) != ENGINE_GO_ON;
}

static engine_result run_tracking(trace_runner *run, const trace_op *op)
{
    const size_t *wide_sizes = run->program->wide_sizes;
    bool good = true;
    for (; good; op++) {
        run->current = op;
        if (is_stopped(run, op)) {
            snprintf(run->error, sizeof(run->error), "%s:%zu: stopped", run->program->path,
                line_of(run, op));
            return ENGINE_STOPPED;
        }
        switch ((trace_op_kind)op->kind) {
        case TRACE_ALLOC:
            good = tracked_alloc(run, op, op->size);
            break;
        case TRACE_FREE:
            good = tracked_free(run, op);
            break;
        case TRACE_REALLOC:
            good = tracked_realloc(run, op, op->size);
            break;
        case TRACE_ALLOC_WIDE:
            good = tracked_alloc(run, op, wide_sizes[op->size]);
            break;
        case TRACE_REALLOC_WIDE:
            good = tracked_realloc(run, op, wide_sizes[op->size]);
            break;
        case TRACE_END:
            return check_live(run, op) ? ENGINE_DONE : ENGINE_CORRUPT;
        }
    }
    return ENGINE_CORRUPT;
}

/* ---- the engine ---- */

static void *load(const engine_script *script, char *error, size_t error_size)
{
    trace *program = malloc(sizeof(*program));
    if (program == NULL) {
        snprintf(error, error_size, "%s: no memory to hold the trace", script->path);
        return NULL;
    }
    if (!trace_read_file(script->path, script->file, program, error, error_size)) {
        free(program);
        return NULL;
    }
    return program;
}

static void unload(void *program)
{
    trace_free(program);
    free(program);
}

static void describe(const void *program, FILE *out)
{
    const trace *self = program;
    fprintf(out, "%s: %zu requests, %zu operations, at most %zu blocks and %.1f MiB live\n  %s\n",
        self->path, self->request_count, self->op_count, self->id_count,
        (double)self->peak_size / (1024 * 1024), self->source);
}

static size_t request_count(const void *program)
{
    return ((const trace *)program)->request_count;
}

static void runner_free(void *runner)
{
    trace_runner *run = runner;
    free(run->blocks);
    free(run->tracked);
    free(run);
}

static void *runner_new(const void *program, unsigned int flags)
{
    const trace *self = program;
    size_t count = self->id_count > 0 ? self->id_count : 1;
    trace_runner *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return NULL;
    }
    run->program = self;
    run->check_content = (flags & ENGINE_CHECK_CONTENT) != 0;
    run->free_live = (flags & ENGINE_KEEP_HEAP) != 0 || !is_zend_mm();
    if (run->check_content || run->free_live) {
        run->tracked = calloc(count, sizeof(*run->tracked));
    } else {
        run->blocks = calloc(count, sizeof(*run->blocks));
    }
    if (run->tracked == NULL && run->blocks == NULL) {
        free(run);
        return NULL;
    }
    return run;
}

static engine_result run_request(void *runner, size_t request_index, engine_request *request)
{
    trace_runner *run = runner;
    run->request = request;
    run->first = run->program->ops + run->program->request_first_ops[request_index];
    run->current = run->first;
    run->finished = false;
    engine_result result = ENGINE_DONE;
    if (run->tracked == NULL) {
        run_plain(run, run->first);
    } else {
        result = run_tracking(run, run->first);
    }
    run->finished = result == ENGINE_DONE;
    return result;
}

/* With ENGINE_KEEP_HEAP too nothing of the runner is left in the heap. */
static bool end_request(void *runner)
{
    trace_runner *run = runner;
    if (run->tracked == NULL) {
        return false;
    }
    for (size_t id = 0; id < run->program->id_count; id++) {
        if (run->free_live) {
            _efree(run->tracked[id].address ZEND_MM_HERE);
        }
        run->tracked[id].address = NULL;
    }
    return false;
}

static uint64_t operation_count(const void *runner)
{
    const trace_runner *run = runner;
    return (uint64_t)(run->current - run->first) + (run->finished ? 1 : 0);
}

static const char *runner_error(const void *runner)
{
    return ((const trace_runner *)runner)->error;
}

static int exit_status(const void *runner)
{
    (void)runner;
    return 0;
}

const sapi_engine trace_engine = {
    .name = "trace",
    .load = load,
    .unload = unload,
    .describe = describe,
    .request_count = request_count,
    .runner_new = runner_new,
    .runner_free = runner_free,
    .run = run_request,
    .end_request = end_request,
    .operation_count = operation_count,
    .runner_error = runner_error,
    .exit_status = exit_status,
};
