/* trace.h: a trace in memory, between trace_reader.c and trace_replay.c.
 *
 *    ops:       | a 0 | a 1 | f 0 | a 0 | ... | q | a 0 | ...            | q |
 *    requests:  ^ first_op of request 0             ^ first_op of request 1
 *
 * An op takes 8 bytes: 3 bits kind, 29 bits id, 32 bits size. Sizes of 4 GiB and more (no real
 * trace had one) stand in `wide_sizes`, and the op has the index instead; they use kinds of their
 * own, so that the common ones need no test. */
#ifndef TSRMALLOC_TRACE_H
#define TSRMALLOC_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum trace_op_kind {
    TRACE_ALLOC,
    TRACE_REALLOC,
    TRACE_FREE,
    TRACE_END,
    TRACE_ALLOC_WIDE,
    TRACE_REALLOC_WIDE,
} trace_op_kind;

#define TRACE_KIND_BITS 3
#define TRACE_ID_BITS (32 - TRACE_KIND_BITS)
#define TRACE_ID_MAX ((UINT32_C(1) << TRACE_ID_BITS) - 1)

typedef struct trace_op {
    uint32_t kind : TRACE_KIND_BITS;
    uint32_t id : TRACE_ID_BITS;
    uint32_t size;              /* bytes; index into wide_sizes for the wide kinds */
} trace_op;

/* Const after trace_read(): all workers read the same one. */
typedef struct trace {
    char *path;
    char *source;               /* the header's text */
    trace_op *ops;              /* op_count of them, the last one is a TRACE_END */
    size_t op_count;
    size_t *request_first_ops;  /* request_count of them */
    size_t request_count;
    size_t *wide_sizes;
    size_t wide_size_count;
    size_t id_count;
    uint64_t peak_size;         /* bytes */
    size_t header_line_count;   /* line of ops[i] is header_line_count + i + 1 */
} trace;

/* Read a trace, plain or gzip-compressed, and check all of it. false: `error` has
 * `PATH:LINE: found 'TEXT', expected WHAT`, or what the system said; *out is empty. */
bool trace_read(const char *path, trace *out, char *error, size_t error_size)
    __attribute__((warn_unused_result));
/* The same from a file that is open at its start and stays open; `path` names it. */
bool trace_read_file(const char *path, int file, trace *out, char *error, size_t error_size)
    __attribute__((warn_unused_result));
void trace_free(trace *out);

#endif
