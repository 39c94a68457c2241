/* stress.h: what the files of tsrmalloc-stress share.
 *
 *   main     the order of things         options  the command line
 *   run      one mode: its workers, the clock, the live line
 *   worker   one thread's loop, faults   blocks   live blocks, their patterns, the accounting
 *   mix      random heap calls           report   table and JSON
 *   mode_*   what an operation is in each mode
 *
 * A worker's choices come from its own generator, so that they are the same for the same seed,
 * whatever the other threads do. */
#ifndef TSRMALLOC_STRESS_H
#define TSRMALLOC_STRESS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stress/random.h"
#include "zend_alloc.h"

/* Exit statuses; 64 and 71 are those of sysexits.h. */
enum {
    STRESS_EXIT_OK = 0,
    STRESS_EXIT_FAULT = 1,      /* a mode found something wrong */
    STRESS_EXIT_USAGE = 64,
    STRESS_EXIT_SYSTEM = 71,    /* the system refused memory or a thread */
};

#ifdef ZTS
# define STRESS_ZTS 1
#else
# define STRESS_ZTS 0
#endif

#define STRESS_THREADS_MAX 1024
#define STRESS_TRACES_MAX 16
#define STRESS_MODE_COUNT 10

/* Sanitizers slow the program down and children of fork() more than that. */
#define STRESS_SANITIZED (TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD)

typedef struct stress_run stress_run;
typedef struct stress_worker stress_worker;

/* ---- options.c ---- */

typedef enum stress_action { STRESS_RUN, STRESS_HELP, STRESS_VERSION } stress_action;

typedef struct stress_options {
    stress_action action;
    unsigned int thread_count;
    uint64_t duration;          /* nanoseconds, of all modes together */
    uint64_t seed;
    uint64_t stop_at;           /* operations of each worker; 0: the clock decides */
    size_t memory_limit;        /* bytes of each heap; SIZE_MAX: none */
    bool json;
    bool modes_given;
    bool chosen[STRESS_MODE_COUNT];
    const char *traces[STRESS_TRACES_MAX];
    size_t trace_count;
} stress_options;

/* false: wrong usage, said on stderr. */
bool stress_options_parse(int argc, char **argv, stress_options *options)
    __attribute__((warn_unused_result));
void stress_options_help(FILE *out);

/* ---- blocks.c ---- */

typedef struct stress_block {
    unsigned char *address;
    size_t asked_size;          /* bytes that were asked for */
    size_t size;                /* usable bytes, as the heap says */
    uint64_t pattern;           /* what its bytes follow from */
} stress_block;

/* Live blocks of one heap; the list is made once, so that a forked child needs no malloc. */
typedef struct stress_blocks {
    stress_block *list;
    size_t count, capacity;
    size_t size;                /* sum of the blocks' sizes */
} stress_blocks;

bool stress_blocks_init(stress_blocks *blocks, size_t capacity)
    __attribute__((warn_unused_result));
void stress_blocks_end(stress_blocks *blocks);

/* Fill a block with the pattern `pattern`. */
void stress_block_fill(const stress_block *block);
/* Do the first `length` bytes at `address` carry the block's pattern? */
bool stress_block_matches(const stress_block *block, const void *address, size_t length);

/* Record a fresh block of the worker's heap, check its size and alignment, fill it. */
void stress_blocks_add(stress_worker *worker, void *address, size_t asked_size);
/* Block `index` has a new address or size: record both and fill it anew. */
void stress_blocks_replace(stress_worker *worker, size_t index, void *address, size_t asked_size);
/* Check the contents of block `index`, and forget it: the last one takes its place. */
stress_block stress_blocks_take(stress_worker *worker, size_t index);

/* The heap's size is the blocks' sum (plus `other_size` bytes the worker knows of). */
void stress_check_accounting(stress_worker *worker, size_t other_size);
/* Contents of all blocks, and what the heap's statistics must agree on. */
void stress_check_everything(stress_worker *worker);

/* ---- worker.c ---- */

typedef struct stress_counters {
    uint64_t operation_count;
    uint64_t allocation_count;  /* successful allocations and moves */
    uint64_t request_count;     /* heap resets */
    uint64_t thread_count;      /* threads that began and ended */
    uint64_t refusal_count;     /* errors and NULLs that had to come: limits, storage */
    uint64_t remote_count;      /* blocks freed by another thread */
    uint64_t child_count;       /* forked children that ended well */
} stress_counters;

/* What the error callback saw in this thread; cleared before each operation. */
typedef struct stress_error {
    unsigned int count;
    zend_mm_error_kind kind;
    char message[400];
} stress_error;

/* Bounds of the live blocks of one heap. */
typedef struct stress_profile {
    size_t count_max;
    size_t live_max;            /* bytes */
    size_t size_max;            /* bytes of one block */
    unsigned int huge_share;    /* of 10000 sizes, so many are huge */
} stress_profile;

/* Owner only, unless tagged. A cache line apart from its neighbours. */
struct stress_worker {
    alignas(64) stress_run *run;        /* const */
    unsigned int index;                 /* const; of a short-lived thread: its parent's */
    _Atomic uint64_t operation;         /* relaxed: the owner counts, the live line reads */
    _Atomic size_t live_size;           /* relaxed, as above */
    uint64_t random;
    bool may_fail;                      /* allocations may be refused: a limit, a bad storage */
    bool counts_blocks;                 /* nobody else allocates from its heap: sums are checked */
    size_t fresh_size;                  /* real size of its heap after a reset, bytes */
    unsigned int grow_chance;           /* of 100 */
    stress_profile profile;
    stress_blocks blocks;
    stress_error error;
    void (*on_error)(stress_worker *worker);    /* runs inside the error callback; or NULL */
    stress_counters counters;
    void *state;                        /* the mode's own */
};

/* The first thing that is found wrong is printed with the line that repeats it, and ends the run. */
void stress_fail(stress_worker *worker, const char *what, ...)
    __attribute__((format(printf, 2, 3)));
/* stress_fail() unless it holds. Yields `holds`. */
bool stress_expect(stress_worker *worker, bool holds, const char *what);
/* Should this worker's loop end? Also true once anybody has failed. */
bool stress_stops(const stress_worker *worker);

/* Catch faults of the library that end the process, and take the heap's errors. Once. */
void stress_worker_begin_process(void);
/* The calling thread is `worker`'s from now on. NULL: nobody's. */
void stress_worker_enter(stress_worker *worker);
stress_worker *stress_worker_current(void);

/* Set up for `run`, with the generator of worker `index`, and room for the profile's blocks. */
bool stress_worker_init(stress_worker *worker, stress_run *run, unsigned int index)
    __attribute__((warn_unused_result));
/* A worker for a thread or child that `parent` starts; its choices follow from `seed`. */
bool stress_worker_init_child(stress_worker *worker, const stress_worker *parent, uint64_t seed,
    size_t count_max) __attribute__((warn_unused_result));
void stress_worker_free(stress_worker *worker);
void stress_counters_add(stress_counters *sum, const stress_counters *more);

/* One call of `body`, with bailouts caught. true: it was left by zend_bailout(). */
bool stress_protected(stress_worker *worker, void (*body)(stress_worker *worker));
/* The thread's whole life in a mode; its TSRM entry exists. */
void stress_worker_run(stress_worker *worker);
/* End the request: every block dies with it. */
void stress_end_request(stress_worker *worker);

/* ---- mix.c ---- */

/* A random size within the worker's profile. */
size_t stress_random_size(stress_worker *worker);
/* One random heap call: an allocation, a resize or a free, by one of the functions that do it. */
void stress_mix_step(stress_worker *worker);
void stress_mix_alloc(stress_worker *worker, size_t size);
void stress_mix_realloc(stress_worker *worker, size_t index, size_t size);
void stress_mix_free(stress_worker *worker, size_t index);
/* `count` of them, fewer when the run stops. */
void stress_mix_steps(stress_worker *worker, size_t count);

/* ---- modes ---- */

typedef enum stress_need { STRESS_NEEDS_NOTHING, STRESS_NEEDS_ZTS, STRESS_NEEDS_TRACES } stress_need;

typedef struct stress_mode {
    const char *name;
    const char *summary;
    stress_need need;
    bool may_fail;                              /* refused allocations are part of it */
    /* Main thread, before and after the workers; NULL: nothing. false: said on stderr. */
    bool (*begin)(stress_run *run);
    void (*end)(stress_run *run);
    /* In the worker, around its operations; NULL: nothing. */
    bool (*enter)(stress_worker *worker);
    void (*leave)(stress_worker *worker);
    void (*operate)(stress_worker *worker);
} stress_mode;

extern const stress_mode *const stress_modes[STRESS_MODE_COUNT];
extern const stress_mode stress_mode_request, stress_mode_trace, stress_mode_handoff,
    stress_mode_churn, stress_mode_ids, stress_mode_limit, stress_mode_huge, stress_mode_fork,
    stress_mode_oom, stress_mode_misbehave;

/* mode_trace.c: name the installed traces in `options`, if there are any. */
void stress_traces_find(stress_options *options);

/* ---- run.c ---- */

struct stress_run {
    const stress_options *options;
    const stress_mode *mode;
    uint64_t seed;
    uint64_t duration;                  /* nanoseconds */
    uint64_t stop_at;
    unsigned int thread_count;
    stress_worker *workers;
    bool exact;                         /* the heap's size is the sum of block sizes */
    size_t page_size;                   /* of the system, bytes */
    bool counts_blocks;                 /* nobody else allocates from its heap: sums are checked */
    size_t fresh_size;                  /* real size of a fresh heap, bytes */
    atomic_bool stopping;               /* relaxed: set by the clock; a flag, orders nothing */
    atomic_uint fault_count;            /* relaxed */
    void *state;                        /* the mode's own, const while workers run */
};

/* What one mode's run came to. */
typedef struct stress_result {
    const stress_mode *mode;
    const char *skipped;                /* why it did not run; NULL: it ran */
    stress_counters counters;
    uint64_t duration;                  /* nanoseconds */
    unsigned int fault_count;
    size_t resident_size;               /* bytes of the process after it */
} stress_result;

/* Run a mode on the options' threads. false: the system refused a thread or memory, said. */
bool stress_run_mode(const stress_options *options, const stress_mode *mode, uint64_t seed,
    uint64_t duration, stress_result *result) __attribute__((warn_unused_result));

/* The C library keeps what was freed in an arena that one of many threads had: that would hide
 * what this library keeps. Before threads begin. */
void stress_settle_malloc(void);
/* Bytes of this process that are in memory, after this library and the C library gave back what they
 * can. No worker runs. */
size_t stress_resident_size(void);
uint64_t stress_now(void);

/* ---- report.c ---- */

typedef struct stress_summary {
    size_t resident_before, resident_after;     /* bytes, around all modes, after the warm-up */
    const stress_result *results;
    size_t result_count;
} stress_summary;

void stress_report_table(const stress_summary *summary);
void stress_report_json(const stress_options *options, const stress_summary *summary);

/* ---- the heap of the calling thread, with and without ZTS ---- */

static inline size_t stress_usage(int real)
{
    TSRMLS_FETCH();
    return zend_memory_usage(real TSRMLS_CC);
}

static inline void stress_reset_heap(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(1, 0 TSRMLS_CC);
}

static inline zend_mm_heap *stress_set_heap(zend_mm_heap *heap)
{
    TSRMLS_FETCH();
    return zend_mm_set_heap(heap TSRMLS_CC);
}

#endif
