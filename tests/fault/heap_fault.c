/* heap_fault: for n = 1, 2, ... the n-th storage call of a fixed workload fails. Every failure is
 * clean: the call that meets it gives NULL or bails out, the heap is valid and its blocks are as
 * before, a retry works, and at the end the storage has everything back.
 *
 * Owns        the process's error callback.
 * Thread      one.
 * Invariants  what the storage counts as given is the heap's real_size, at every step.
 * Failure     a CHECK; the run's n and step are printed.
 * Tests       alloc/heap*.c. */
#include "config.h"

#include <string.h>

#include "alloc/heap.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"
#include "tests/support/model.h"
#include "tests/support/place.h"
#include "tests/support/storage_fault.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

typedef enum step_kind { END, ALLOC, REALLOC, FREE, GC, RESET } step_kind;

/* `count` times; REALLOC and FREE work on the newest block but `index`. */
typedef struct step {
    step_kind kind;
    size_t count;
    size_t index;
    size_t size;
} step;

static const step mixed_workload[] = {
    { ALLOC, 50, 0, 100 },
    { ALLOC, 20, 0, 3000 },
    { ALLOC, 6, 0, 700 * KIB },         /* more units */
    { ALLOC, 2, 0, 3 * MIB },
    { REALLOC, 1, 0, 5 * MIB },         /* the huge block grows, shrinks, becomes large and small */
    { REALLOC, 1, 0, 2200 * KIB },
    { REALLOC, 1, 0, 900 * KIB },
    { REALLOC, 1, 0, 24 },
    { REALLOC, 1, 5, 1900 * KIB },      /* a large block grows, and becomes huge */
    { REALLOC, 1, 5, 4 * MIB },
    { REALLOC, 1, 70, 3 * MIB },        /* a small one becomes huge */
    { FREE, 4, 3, 0 },
    { ALLOC, 900, 0, 3000 },            /* more than a unit of small blocks */
    { ALLOC, 1, 0, 4 * MIB },
    { FREE, 600, 300, 0 },
    { GC, 1, 0, 0 },
    { ALLOC, 3, 0, 2 * MIB - 16 * KIB },
    { RESET, 1, 0, 0 },
    { ALLOC, 10, 0, 40 },
    { ALLOC, 4, 0, MIB },
    { ALLOC, 2, 0, 6 * MIB },
    { RESET, 2, 0, 0 },
    { ALLOC, 1, 0, 2500 * KIB },
    { ALLOC, 5, 0, 0 },
    { END, 0, 0, 0 },
};

/* The table of huge blocks grows, more blocks are freed than the cache keeps. */
static const step huge_workload[] = {
    { ALLOC, 2, 0, 1900 * KIB },
    { ALLOC, 100, 0, 2 * MIB + 1 },
    { FREE, 90, 2, 0 },
    { ALLOC, 5, 0, 2 * MIB },
    { RESET, 1, 0, 0 },
    { ALLOC, 1, 0, 2 * MIB },
    { RESET, 1, 0, 0 },
    { END, 0, 0, 0 },
};

/* How a run differs from the others. */
typedef struct variant {
    const char *sentence;
    const step *workload;
    storage_fault_kind kind;
    size_t fail_count;
    size_t block_size;
    int internal;
    bool bails_out;     /* the calls are the ones that never return NULL */
    bool can_resize;
    bool compacts;      /* the storage is compacted at each reset */
} variant;

typedef struct run {
    const variant *variant;
    storage_fault fault;
    zend_mm_heap *heap;
    model model;
} run;

static struct {
    unsigned int count;
    zend_mm_error_kind kind;
    size_t tried_size;
} seen;

static void on_error(zend_mm_error_kind kind, const char *message)
{
    char text[400];
    size_t held;
    seen.count++;
    seen.kind = kind;
    snprintf(text, sizeof text, "%s", message);
    cut_place(text);
    if (sscanf(text, "Out of memory (allocated %zu bytes) (tried to allocate %zu bytes)", &held,
            &seen.tried_size) != 2) {
        seen.tried_size = SIZE_MAX;
    }
}

/* ---- checks ---- */

static bool is_valid(const zend_mm_heap *heap)
{
    const char *what;
    if (zend_mm_heap_is_valid(heap, &what)) {
        return true;
    }
    printf("%s\n", what);
    return false;
}

static void check_accounts(run *run)
{
    zend_mm_heap_statistics stats;
    CHECK(zend_mm_heap_stats(run->heap, &stats));
    CHECK(stats.size == run->model.size);
    CHECK(stats.real_size == run->fault.live_size);
    CHECK(run->fault.misuse == NULL);
}

static void check_after_failure(run *run)
{
    CHECK(is_valid(run->heap));
    CHECK(model_all_match(&run->model));
    check_accounts(run);
}

/* ---- calls ---- */

static void *call(run *run, void *block, size_t size)
{
    if (block == NULL) {
        return run->variant->bails_out ? zend_mm_alloc(run->heap, size)
                                       : zend_mm_try_alloc(run->heap, size);
    }
    return run->variant->bails_out ? zend_mm_realloc(run->heap, block, size)
                                   : zend_mm_try_realloc(run->heap, block, size);
}

/* One call; NULL: it failed, by NULL or by one error and a bailout. */
static void *guarded_call(run *run, void *block, size_t size)
{
    void *volatile result = NULL;
    seen.count = 0;
    zend_try {
        result = call(run, block, size);
    } zend_catch {
        CHECK(seen.kind == ZEND_MM_ERROR_OUT_OF_MEMORY);
        CHECK(seen.tried_size == size);
    } zend_end_try();
    CHECK(seen.count == (result == NULL && run->variant->bails_out ? 1 : 0));
    return result;
}

/* Calls until it works, which takes at most as many retries as failures are planned. */
static void *insistent_call(run *run, void *block, size_t size)
{
    void *result = NULL;
    for (size_t attempt = 0; attempt <= run->variant->fail_count; attempt++) {
        size_t failed_before = run->fault.failure_count;
        result = guarded_call(run, block, size);
        if (result != NULL) {
            break;
        }
        CHECK(run->fault.failure_count > failed_before);
        check_after_failure(run);
    }
    CHECK(result != NULL);
    return result;
}

/* ---- steps ---- */

static bool do_alloc(run *run, size_t size)
{
    void *block = insistent_call(run, NULL, size);
    if (block != NULL) {
        CHECK(model_is_aligned(block, size));
        model_add(&run->model, block, size);
    }
    return block != NULL;
}

static size_t newest_but(const run *run, size_t index)
{
    return run->model.count > index ? run->model.count - 1 - index : 0;
}

static bool do_realloc(run *run, size_t index, size_t size)
{
    model_block old = run->model.blocks[index];
    void *block = insistent_call(run, old.address, size);
    if (block != NULL) {
        CHECK(model_matches(&old, block, size));
        model_replace(&run->model, index, block, size);
    }
    return block != NULL;
}

static bool do_free(run *run, size_t index)
{
    const model_block *block = &run->model.blocks[index];
    CHECK(model_matches(block, block->address, block->size));
    zend_mm_free(run->heap, block->address);
    model_remove(&run->model, index);
    return true;
}

static bool do_reset(run *run)
{
    size_t failed_before = run->fault.failure_count;
    bool was_empty = run->heap->real_size == 0;
    CHECK(model_all_match(&run->model));
    zend_mm_shutdown(run->heap, 0, 1);
    model_clear(&run->model);
    /* Without its first unit a heap waits for the next allocation. */
    bool is_empty = was_empty || run->fault.failure_count > failed_before;
    CHECK(run->heap->real_size == (is_empty ? 0 : run->variant->block_size));
    check_after_failure(run);
    return true;
}

static bool do_step(run *run, const step *step)
{
    switch (step->kind) {
    case ALLOC:
        return do_alloc(run, step->size);
    case REALLOC:
        return do_realloc(run, newest_but(run, step->index), step->size);
    case FREE:
        return do_free(run, newest_but(run, step->index));
    case GC:
        (void)zend_mm_gc(run->heap);
        return true;
    default:
        return do_reset(run);
    }
}

static bool do_workload(run *run)
{
    for (const step *step = run->variant->workload; step->kind != END; step++) {
        for (size_t time = 0; time < step->count; time++) {
            if (!do_step(run, step)) {
                printf("call %zu fails: step %zu\n", run->fault.fail_at,
                    (size_t)(step - run->variant->workload));
                return false;
            }
        }
        CHECK(is_valid(run->heap));
        check_accounts(run);
    }
    return true;
}

/* ---- runs ---- */

static bool start_heap(run *run)
{
    for (size_t attempt = 0; attempt <= run->variant->fail_count && run->heap == NULL; attempt++) {
        size_t failed_before = run->fault.failure_count;
        run->heap = zend_mm_startup_ex(&storage_fault_handlers, run->variant->block_size,
            ZEND_MM_DEFAULT_RESERVE_SIZE, run->variant->internal, &run->fault);
        if (run->heap == NULL) {
            CHECK(run->fault.failure_count > failed_before);
            CHECK(storage_fault_is_clean(&run->fault));
        }
    }
    return CHECK(run->heap != NULL);
}

/* The whole workload with the call `fail_at` failing; false: there was no such call. */
static bool run_once(const variant *variant, size_t fail_at)
{
    run run = { .variant = variant, .model = { .seed = fail_at } };
    run.fault.fail_at = fail_at;
    run.fault.fail_count = variant->fail_count;
    run.fault.kind = variant->kind;
    run.fault.can_resize = variant->can_resize;
    if (start_heap(&run)) {
        run.heap->compact_size = variant->compacts ? 1 : 0;
        bool done = do_workload(&run);
        zend_mm_shutdown(run.heap, 1, 1);
        CHECK(done);
        CHECK(!done || (run.fault.compact_count > 0) == (variant->compacts && !variant->internal));
        if (!CHECK(storage_fault_is_clean(&run.fault))) {
            printf("call %zu fails: %s, %zu bytes\n", fail_at,
                run.fault.misuse != NULL ? run.fault.misuse : "not all given back",
                run.fault.live_size);
        }
    }
    model_end(&run.model);
    return run.fault.failure_count > 0;
}

static void run_variant(const variant *variant)
{
    CHECK_CASE(variant->sentence);
    /* Sanitizers make each of the many huge blocks slow: every eighth call has to do there. */
    bool is_slow = TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD;
    size_t stride = is_slow && variant->workload == huge_workload ? 8 : 1;
    size_t run_count = 0;
    while (run_once(variant, 1 + run_count * stride) && run_count < 10000) {
        run_count++;
    }
    printf("%zu runs, one for each storage call that failed\n", run_count);
    CHECK(run_count > 5);
}

static void failing_init(void)
{
    storage_fault fault = { .fail_init = true };
    CHECK_CASE("a storage that cannot start gives no heap, and one once it can");
    CHECK(zend_mm_startup_ex(&storage_fault_handlers, ZEND_MM_SEGMENT_SIZE, 0, 0, &fault) == NULL);
    CHECK(fault.call_count == 0);
    CHECK(storage_fault_is_clean(&fault));
    fault.fail_init = false;
    zend_mm_heap *heap =
        zend_mm_startup_ex(&storage_fault_handlers, ZEND_MM_SEGMENT_SIZE, 0, 0, &fault);
    if (CHECK(heap != NULL)) {
        CHECK(is_valid(heap));
        zend_mm_shutdown(heap, 1, 1);
    }
    CHECK(storage_fault_is_clean(&fault));
}

int main(void)
{
    static const variant variants[] = {
        { "each storage call of a workload fails once and is retried",
            mixed_workload, STORAGE_FAULT_NULL, 1, 2 * MIB, 0, false, true, false },
        { "each storage call fails once, with bailouts",
            mixed_workload, STORAGE_FAULT_NULL, 1, 2 * MIB, 0, true, true, false },
        { "each storage call fails three times in a row",
            mixed_workload, STORAGE_FAULT_NULL, 3, 2 * MIB, 0, true, true, false },
        { "each storage call fails once, of a storage that cannot resize, in units of 8 MiB",
            mixed_workload, STORAGE_FAULT_NULL, 1, 8 * MIB, 0, false, false, false },
        { "each storage call fails once while the table of huge blocks grows",
            huge_workload, STORAGE_FAULT_NULL, 1, 2 * MIB, 0, false, true, false },
        { "each storage call gives a misaligned block once",
            mixed_workload, STORAGE_FAULT_MISALIGNED, 1, 2 * MIB, 0, true, true, false },
        { "each storage call gives a misaligned block twice, for an internal heap",
            mixed_workload, STORAGE_FAULT_MISALIGNED, 2, 4 * MIB, 1, false, true, true },
        { "each storage call fails once, with a storage that is compacted at each reset",
            mixed_workload, STORAGE_FAULT_NULL, 1, 2 * MIB, 0, true, true, true },
        { "each storage call fails five times, with a storage that is compacted at each reset",
            mixed_workload, STORAGE_FAULT_NULL, 5, 2 * MIB, 0, true, true, true },
    };
    alloc_begin();
    zend_mm_set_error_callback(on_error);
    failing_init();
    for (size_t index = 0; index < sizeof variants / sizeof variants[0]; index++) {
        run_variant(&variants[index]);
    }
    alloc_end();
    return check_summary();
}
