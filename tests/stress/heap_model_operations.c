/* heap_model_operations: the random operations of heap_model, each followed by a comparison.
 * Owns        the process's error callback.
 * Thread      one.
 * Invariants  heap size == model size (plus blocks freed remotely that nobody collected yet).
 * Failure     run->fault says what differs first.
 * Tests       this is one; see heap_model.c. */
#include "config.h"

#include "tests/stress/heap_model.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/alloc_support.h"
#include "stress/random.h"
#include "tests/support/place.h"

enum { BLOCK_COUNT_MAX = 3000, HUGE_COUNT_MAX = 12, MESSAGE_SIZE = 300 };

/* What the error callback saw; it has no argument of its own. */
static struct {
    unsigned int count;
    zend_mm_error_kind kind;
    char message[MESSAGE_SIZE];
    bool allocates;
} seen;

static bool expect(run *run, bool holds, const char *what)
{
    if (!holds && run->fault == NULL) {
        run->fault = what;
    }
    return holds;
}

static void on_error(zend_mm_error_kind kind, const char *message)
{
    seen.count++;
    seen.kind = kind;
    snprintf(seen.message, sizeof seen.message, "%s", message);
    cut_place(seen.message);
    if (seen.allocates) {
        void *note = emalloc(100);
        memset(note, 0, 100);
        efree(note);
    }
}

void heap_model_begin(void)
{
    zend_mm_set_error_callback(on_error);
    seen.allocates = true;
}

/* ---- sizes ---- */

static size_t near(run *run, size_t boundary)
{
    size_t below = stress_below(&run->random, 3);
    return boundary + 1 >= below ? boundary + 1 - below : 0;
}

static size_t random_size(run *run)
{
    static const size_t bins[] = {
#define SIZE(index, slot_size, slots, pages) slot_size,
        ZEND_MM_BINS(SIZE)
#undef SIZE
    };
    uint64_t *random = &run->random;
    size_t dice = stress_below(random, 1000);
    if (dice < 300) {
        return near(run, bins[stress_below(random, ZEND_MM_BIN_COUNT)]);
    }
    if (dice < 700) {
        return stress_below(random, 600);
    }
    if (dice < 720) {
        return stress_below(random, 2);
    }
    if (dice < 850) {
        return stress_below(random, 16 * 1024);
    }
    if (dice < 960) {
        return near(run, stress_below(random, 40) * ZEND_MM_PAGE_SIZE);
    }
    if (dice < 985) {
        return stress_below(random, ZEND_MM_MAX_LARGE_SIZE);
    }
    if (dice < 991) {
        return near(run, ZEND_MM_MAX_LARGE_SIZE);
    }
    if (run->huge_count >= HUGE_COUNT_MAX) {
        return stress_below(random, 8);
    }
    if (dice < 995) {
        return near(run, ZEND_MM_SEGMENT_SIZE * (1 + stress_below(random, 3)));
    }
    return ZEND_MM_MAX_LARGE_SIZE + stress_below(random, 6 * 1024 * 1024);
}

/* ---- comparing ---- */

static void compare(run *run)
{
    zend_mm_heap_statistics stats;
    if (!expect(run, zend_mm_heap_stats(run->heap, &stats), "zend_mm_heap_stats: false")) {
        return;
    }
    if (stats.size == run->model.size) {
        run->remote_size = 0;
    }
    expect(run, stats.size == run->model.size + run->remote_size, "size is not the blocks' sum");
    expect(run, stats.peak >= stats.size, "peak is below size");
    expect(run, stats.real_peak >= stats.real_size, "real_peak is below real_size");
    expect(run, stats.limit == run->limit, "the limit has changed");
    expect(run, run->may_exceed || stats.real_size <= run->limit, "real_size is above the limit");
    if (run->remote_size == 0) {
        expect(run, stats.huge_count == run->huge_count, "huge_count is wrong");
    }
    expect(run, stats.real_size == stats.segment_count * ZEND_MM_SEGMENT_SIZE
        + run->heap->huge.touched_size + stats.cached_size, "real_size is not what is held");
    if (run->is_current) {
        expect(run, alloc_usage(0) == stats.size, "zend_memory_usage is wrong");
    }
}

void heap_model_validate(run *run)
{
    const char *what;
    if (!zend_mm_heap_is_valid(run->heap, &what)) {
        expect(run, false, what);
    }
}

void heap_model_check_everything(run *run)
{
    expect(run, model_all_match(&run->model), "a block has lost its contents");
    expect(run, model_is_disjoint(&run->model), "two blocks overlap");
    for (size_t index = 0; index < run->model.count; index++) {
        const model_block *block = &run->model.blocks[index];
        expect(run, zend_mm_block_size(run->heap, block->address) == block->size,
            "zend_mm_block_size is wrong");
    }
}

/* ---- the record of what was done ---- */

static bool is_huge(size_t size)
{
    return size > ZEND_MM_MAX_LARGE_SIZE;
}

static void added(run *run, void *address, size_t size)
{
    expect(run, model_is_aligned(address, size), "a fresh block is not aligned");
    model_add(&run->model, address, size);
    run->huge_count += is_huge(size);
    expect(run, zend_mm_block_size(run->heap, address) == model_size_of(size),
        "a fresh block has another size");
}

/* A call failed: it may, if what it needed in the worst case is above the limit. */
static void refused(run *run, size_t size)
{
    size_t needed = is_huge(size) ? model_size_of(size) : 0;
    needed += is_huge(size) && run->huge_count == 0 ? run->segment_size : 0;
    needed = needed > run->segment_size ? needed : run->segment_size;
    expect(run, run->limit != SIZE_MAX, "a call failed without a limit");
    expect(run, run->heap->real_size + needed > run->limit, "a call failed below the limit");
    run->limit_count++;
    heap_model_validate(run);
}

static void reported(run *run, size_t size)
{
    char message[MESSAGE_SIZE];
    snprintf(message, sizeof message,
        "Allowed memory size of %zu bytes exhausted (tried to allocate %zu bytes)", run->limit,
        size);
    expect(run, seen.count == 1, "a bailout came without its one error");
    expect(run, seen.kind == ZEND_MM_ERROR_LIMIT, "the error was of another kind");
    expect(run, strcmp(seen.message, message) == 0, "the error's text is wrong");
    run->may_exceed = true;
    refused(run, size);
}

/* ---- calls, each by one of the public functions that mean the same ---- */

static void *call_alloc(run *run, size_t size)
{
    if (!run->is_current) {
        return zend_mm_alloc(run->heap, size);
    }
    switch (stress_below(&run->random, 6)) {
    case 0:
        return zend_mm_alloc(run->heap, size);
    case 1:
        return _emalloc_large(size);
    case 2:
        return _emalloc_huge(size);
    case 3:
        return safe_emalloc(1, size, 0);
    case 4:
        return ecalloc(size, 1);
    default:
        return emalloc(size);
    }
}

static void *call_realloc(run *run, void *block, size_t size, size_t copy_size)
{
    if (!run->is_current) {
        return zend_mm_realloc(run->heap, block, size);
    }
    switch (stress_below(&run->random, 4)) {
    case 0:
        return zend_mm_realloc(run->heap, block, size);
    case 1:
        return erealloc(block, size);
    case 2:
        return safe_erealloc(block, size, 1, 0);
    default:
        return erealloc2(block, size, copy_size);
    }
}

static void *call_try_realloc(run *run, void *block, size_t size, size_t copy_size)
{
    if (!run->is_current || stress_below(&run->random, 2) == 0) {
        return zend_mm_try_realloc(run->heap, block, size);
    }
    return stress_below(&run->random, 2) == 0 ? erealloc_recoverable(block, size)
                                              : erealloc2_recoverable(block, size, copy_size);
}

static void free_by_bin(void *block, size_t size)
{
    switch (size) {
#define CASE(index, slot_size, slots, pages) \
    case slot_size: \
        _efree_##slot_size(block); \
        break;
    ZEND_MM_BINS(CASE)
#undef CASE
    default:
        efree_size(block, size);
        break;
    }
}

static void call_free(run *run, const model_block *block)
{
    if (!run->is_current) {
        zend_mm_free(run->heap, block->address);
        return;
    }
    switch (stress_below(&run->random, 5)) {
    case 0:
        zend_mm_free(run->heap, block->address);
        break;
    case 1:
        _efree_large(block->address, block->asked_size);
        break;
    case 2:
        _efree_huge(block->address, block->asked_size);
        break;
    case 3:
        free_by_bin(block->address, block->size);
        break;
    default:
        efree(block->address);
        break;
    }
}

/* ---- operations ---- */

static void op_alloc(run *run)
{
    size_t size = random_size(run);
    void *volatile block = NULL;
    seen.count = 0;
    if (stress_below(&run->random, 4) == 0) {
        block = zend_mm_try_alloc(run->heap, size);
        if (block == NULL) {
            refused(run, size);
        }
    } else {
        zend_try {
            block = call_alloc(run, size);
        } zend_catch {
            reported(run, size);
        } zend_end_try();
    }
    if (block != NULL) {
        added(run, block, size);
    }
}

static void resized(run *run, size_t index, void *address, size_t size, size_t copy_size)
{
    const model_block *block = &run->model.blocks[index];
    size_t old_size = block->asked_size;
    expect(run, model_matches(block, address, copy_size), "realloc has lost contents");
    model_replace(&run->model, index, address, size);
    run->huge_count += is_huge(size);
    run->huge_count -= is_huge(old_size);
    expect(run, zend_mm_block_size(run->heap, address) == model_size_of(size),
        "a resized block has another size");
}

static size_t random_new_size(run *run, size_t old_size)
{
    switch (stress_below(&run->random, 4)) {
    case 0:
        return random_size(run);
    case 1:
        return near(run, old_size);
    case 2:
        return old_size / 2 + stress_below(&run->random, old_size + 1);
    default:
        return old_size + stress_below(&run->random, 2 * ZEND_MM_PAGE_SIZE);
    }
}

static void op_realloc(run *run)
{
    if (run->model.count == 0) {
        return;
    }
    size_t index = stress_below(&run->random, run->model.count);
    model_block old = run->model.blocks[index];
    size_t size = random_new_size(run, old.asked_size);
    size_t copy_size =
        stress_below(&run->random, 3) != 0 ? size : stress_below(&run->random, size + 1);
    void *volatile block = NULL;
    seen.count = 0;
    if (stress_below(&run->random, 4) == 0) {
        block = call_try_realloc(run, old.address, size, copy_size);
        if (block == NULL) {
            refused(run, size);
        }
    } else {
        zend_try {
            block = call_realloc(run, old.address, size, copy_size);
        } zend_catch {
            reported(run, size);
        } zend_end_try();
    }
    if (block != NULL) {
        resized(run, index, block, size, copy_size);
    } else {
        expect(run, model_matches(&old, old.address, old.size), "a failed realloc has changed it");
    }
}

/* Free through the thread's heap while that is another one: as if another thread did it. */
static void free_remotely(run *run, const model_block *block)
{
    efree(block->address);
    run->remote_size += block->size;
}

static void op_free(run *run)
{
    if (run->model.count == 0) {
        return;
    }
    size_t index = stress_below(&run->random, run->model.count);
    model_block block = run->model.blocks[index];
    expect(run, model_matches(&block, block.address, block.size), "a block has lost its contents");
    if (!run->is_current && !run->internal && stress_below(&run->random, 2) == 0) {
        free_remotely(run, &block);
    } else {
        call_free(run, &block);
    }
    run->huge_count -= is_huge(block.asked_size);
    model_remove(&run->model, index);
}

static void op_gc(run *run)
{
    size_t held = run->heap->real_size;
    size_t freed = zend_mm_gc(run->heap);
    expect(run, freed % ZEND_MM_PAGE_SIZE == 0, "gc has freed parts of pages");
    expect(run, run->heap->real_size <= held, "gc made the heap larger");
    expect(run, run->heap->huge.cached_count == 0, "gc has left cached mappings");
    heap_model_validate(run);
}

static void op_switch(run *run)
{
    zend_mm_heap *before = alloc_set_heap(run->is_current ? run->own_heap : run->heap);
    expect(run, before == (run->is_current ? run->heap : run->own_heap), "zend_mm_set_heap");
    run->is_current = !run->is_current;
}

static void op_limit(run *run)
{
    size_t limit = SIZE_MAX;
    if (!run->is_current) {
        return;
    }
    if (stress_below(&run->random, 3) != 0) {
        limit = run->heap->real_size / 2 + stress_below(&run->random, 2 * run->heap->real_size);
    }
    if (zend_set_memory_limit(limit)) {
        run->limit = limit;
        run->may_exceed = false;
    } else {
        expect(run, limit < run->heap->real_size, "a limit above real_size was refused");
        expect(run, run->heap->huge.cached_count == 0, "refused while mappings are cached");
    }
}

static void op_reset(run *run)
{
    heap_model_check_everything(run);
    zend_mm_shutdown(run->heap, 0, 1);
    model_clear(&run->model);
    run->huge_count = 0;
    run->remote_size = 0;
    run->may_exceed = run->heap->real_size > run->limit;
    run->reset_count++;
    expect(run, run->heap->real_size == run->segment_size, "a reset heap holds more than a unit");
    expect(run, run->heap->reset_count > 0, "the reset was not counted");
    heap_model_validate(run);
}

bool heap_model_make_heap(run *run)
{
    const zend_mm_storage_type *storage = zend_mm_storage_find(run->storage);
    if (!expect(run, storage != NULL, "no such storage")) {
        return false;
    }
    run->heap = zend_mm_startup_ex(&storage->handlers, run->segment_size,
        ZEND_MM_DEFAULT_RESERVE_SIZE, run->internal, NULL);
    run->limit = SIZE_MAX;
    run->may_exceed = false;
    return expect(run, run->heap != NULL, "no heap");
}

void heap_model_end_heap(run *run)
{
    if (run->is_current) {
        op_switch(run);
    }
    zend_mm_shutdown(run->heap, 1, 1);
    model_clear(&run->model);
    run->huge_count = 0;
    run->remote_size = 0;
}

static void op_new_heap(run *run)
{
    heap_model_check_everything(run);
    heap_model_end_heap(run);
    (void)heap_model_make_heap(run);
}

static void operate(run *run)
{
    size_t dice = stress_below(&run->random, 10000);
    if (dice < 5) {
        op_new_heap(run);
    } else if (dice < 20) {
        op_reset(run);
    } else if (dice < 70) {
        op_gc(run);
    } else if (dice < 110) {
        op_switch(run);
    } else if (dice < 160) {
        op_limit(run);
    } else if (dice < 180) {
        run->grow_chance = 30 + (unsigned int)stress_below(&run->random, 41);
    } else if (dice < 2200) {
        op_realloc(run);
    } else if (stress_below(&run->random, 100) < run->grow_chance
            && run->model.count < BLOCK_COUNT_MAX) {
        op_alloc(run);
    } else {
        op_free(run);
    }
}

void heap_model_operate(run *run)
{
    operate(run);
    compare(run);
}
