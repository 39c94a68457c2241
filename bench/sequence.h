/* sequence.h: operations that every peer replays: a trace, or made by a workload.
 *
 *   | warm-up ... | timed_first ... | timed_end ... |
 *
 * A *closed* sequence is timed as a whole: it leaves nothing live, so it can be replayed again and
 * again, the first times to warm up. It travels from the program to the measuring processes in an
 * anonymous file, so that it is made once. */
#ifndef TSRMALLOC_BENCH_SEQUENCE_H
#define TSRMALLOC_BENCH_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sapi_stubs/engine/trace.h"

typedef enum bench_touch {
    TOUCH_NOTHING,              /* page faults and cache misses on blocks are not the allocator's */
    TOUCH_FIRST_BYTE,           /* the cache line a program would write to next */
    TOUCH_LAST_BYTE,            /* what a program appends to a string that has grown */
    TOUCH_EVERY_PAGE,           /* memory counts as it would in a program that fills its blocks */
} bench_touch;

typedef struct bench_sequence {
    const trace_op *ops;
    size_t op_count;
    const size_t *wide_sizes;
    size_t wide_count;
    size_t id_count;
    size_t timed_first, timed_end;
    bool closed;
    bench_touch touch;
    uint64_t live_peak;         /* bytes asked for */
} bench_sequence;

/* A sequence being made. */
typedef struct bench_builder {
    bench_sequence sequence;    /* op_count, id_count and live_peak are kept right by bench_add_* */
    trace_op *ops;
    size_t *wide_sizes;
    size_t op_capacity;
    size_t *sizes;              /* by id */
    size_t id_capacity;
    uint64_t live;
} bench_builder;

/* Sizes below 4 GiB. All of these end the process when memory is out. */
void bench_add_alloc(bench_builder *builder, size_t id, size_t size);
void bench_add_realloc(bench_builder *builder, size_t id, size_t size);
void bench_add_free(bench_builder *builder, size_t id);
void bench_add_end(bench_builder *builder);
void bench_builder_free(bench_builder *builder);

/* Read a trace into a closed sequence. false: `error` says why. */
bool bench_builder_read_trace(bench_builder *builder, const char *path, char *error,
    size_t error_size) __attribute__((warn_unused_result));

/* An anonymous file with the sequence, close-on-exec; -1: the system gives none. */
int bench_sequence_publish(const bench_sequence *sequence) __attribute__((warn_unused_result));
/* Map what was published. false: that is no such file. */
bool bench_sequence_map(int file, bench_sequence *sequence) __attribute__((warn_unused_result));

/* What an allocator without a request end is given: before each TRACE_END a free of every id that
 * is live, so that nobody has to look for them. The new operations are in a mapping of their own.
 */
void bench_sequence_expand(const bench_sequence *sequence, bench_sequence *expanded);

#endif
