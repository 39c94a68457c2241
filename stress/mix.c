/* mix: random heap calls on the calling thread's heap; each of the functions that mean the same is
 * used now and then.
 * Owns        nothing.
 * Thread      the worker itself.
 * Invariants  I1  the list of blocks is true at every call that may leave by zend_bailout()
 * Failure     a refused call is counted where the worker may fail, else a fault; a bailout passes.
 * Tests       tests/stress/tool.sh, tests/support/mutants */
#include "config.h"

#include <string.h>

#include "stress/stress.h"

/* How often contents and statistics of all blocks are looked at, and how often only the sum. */
enum { STEPS_PER_SUM = 64, STEPS_PER_CHECK = 8192, STEPS_PER_TURN = 2000 };

/* ---- sizes ---- */

static size_t near(stress_worker *worker, size_t boundary)
{
    size_t below = stress_below(&worker->random, 3);
    return boundary + 1 >= below ? boundary + 1 - below : 0;
}

static size_t bin_size(stress_worker *worker)
{
    static const size_t sizes[] = {
#define SIZE(index, slot_size, slots, pages) slot_size,
        ZEND_MM_BINS(SIZE)
#undef SIZE
    };
    return sizes[stress_below(&worker->random, ZEND_MM_BIN_COUNT)];
}

static size_t huge_size(stress_worker *worker)
{
    size_t span = worker->profile.size_max - ZEND_MM_SEGMENT_SIZE;
    return stress_once_in(&worker->random, 2)
        ? near(worker, ZEND_MM_SEGMENT_SIZE * (1 + stress_below(&worker->random, 3)))
        : ZEND_MM_SEGMENT_SIZE + stress_below(&worker->random, span);
}

size_t stress_random_size(stress_worker *worker)
{
    uint64_t *random = &worker->random;
    if (stress_below(random, 10000) < worker->profile.huge_share) {
        return huge_size(worker);
    }
    size_t dice = stress_below(random, 1000);
    if (dice < 250) {
        return near(worker, bin_size(worker));
    }
    if (dice < 750) {
        return stress_below(random, 600);
    }
    if (dice < 960) {
        return stress_below(random, 4 * 1024);
    }
    if (dice < 995) {
        return near(worker, stress_below(random, 20) * ZEND_MM_PAGE_SIZE);
    }
    return dice < 999 ? stress_below(random, 512 * 1024)
                      : stress_below(random, ZEND_MM_SEGMENT_SIZE);
}

/* ---- calls ---- */

static bool is_zeroed(const unsigned char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void *call_alloc(stress_worker *worker, size_t size)
{
    void *block = NULL;
    switch (stress_below(&worker->random, 12)) {
    case 0:
        return zend_mm_try_alloc(zend_mm_get_heap(), size);
    case 1:
        return zend_mm_alloc(zend_mm_get_heap(), size);
    case 2:
        return safe_emalloc(1, size, 0);
    case 3:
        block = ecalloc(1, size);
        stress_expect(worker, is_zeroed(block, size), "ecalloc gave bytes that are not zero");
        return block;
    case 4:
        return emalloc_large(size);
    case 5:
        return emalloc_huge(size);
    case 6:
        return erealloc(NULL, size);
    default:
        return emalloc(size);
    }
}

static void *call_realloc(stress_worker *worker, void *block, size_t size, size_t copy_size)
{
    switch (stress_below(&worker->random, 6)) {
    case 0:
        return zend_mm_realloc(zend_mm_get_heap(), block, size);
    case 1:
        return zend_mm_try_realloc(zend_mm_get_heap(), block, size);
    case 2:
        return erealloc_recoverable(block, size);
    case 3:
        return erealloc2(block, size, copy_size);
    case 4:
        return safe_erealloc(block, 1, size, 0);
    default:
        return erealloc(block, size);
    }
}

static void call_free(stress_worker *worker, const stress_block *block)
{
    switch (stress_below(&worker->random, 6)) {
    case 0:
        zend_mm_free(zend_mm_get_heap(), block->address);
        break;
    case 1:
        _efree_large(block->address, block->asked_size);
        break;
    case 2:
        if (block->size == 64 && block->asked_size > 56) {
            efree_size(block->address, 64);
            break;
        }
        /* fallthrough */
    default:
        efree(block->address);
        break;
    }
}

/* A call that may refuse gave NULL. */
static void refused(stress_worker *worker)
{
    worker->counters.refusal_count++;
    stress_expect(worker, worker->may_fail, "an allocation failed without a reason");
}

void stress_mix_alloc(stress_worker *worker, size_t size)
{
    void *block = call_alloc(worker, size);
    if (block == NULL) {
        refused(worker);
        return;
    }
    stress_blocks_add(worker, block, size);
}

void stress_mix_realloc(stress_worker *worker, size_t index, size_t size)
{
    stress_block before = worker->blocks.list[index];
    size_t kept = before.asked_size < size ? before.asked_size : size;
    void *block = call_realloc(worker, before.address, size, kept);
    if (block == NULL) {
        refused(worker);
        block = before.address;
        size = before.asked_size;
        kept = before.size;
    }
    if (!stress_block_matches(&before, block, kept)) {
        stress_fail(worker, "a resize from %zu to %zu bytes lost the contents", before.asked_size,
            size);
    }
    stress_blocks_replace(worker, index, block, size);
}

void stress_mix_free(stress_worker *worker, size_t index)
{
    stress_block block = stress_blocks_take(worker, index);
    call_free(worker, &block);
}

/* ---- steps ---- */

static size_t fitting_size(stress_worker *worker)
{
    size_t size = stress_random_size(worker);
    size_t room = worker->profile.live_max - worker->blocks.size;
    size = size < worker->profile.size_max ? size : size % worker->profile.size_max;
    return size < room ? size : size % 64;
}

static void one_call(stress_worker *worker)
{
    stress_blocks *blocks = &worker->blocks;
    size_t dice = stress_below(&worker->random, 100);
    bool full = blocks->count >= worker->profile.count_max
        || blocks->size >= worker->profile.live_max;
    if (blocks->count == 0 || (dice < worker->grow_chance && !full)) {
        stress_mix_alloc(worker, fitting_size(worker));
        return;
    }
    size_t index = stress_below(&worker->random, blocks->count);
    if (dice % 4 == 0 && blocks->size < worker->profile.live_max) {
        stress_mix_realloc(worker, index, fitting_size(worker));
    } else {
        stress_mix_free(worker, index);
    }
}

void stress_mix_step(stress_worker *worker)
{
    uint64_t *random = &worker->random;
    one_call(worker);
    if (stress_once_in(random, STEPS_PER_TURN)) {
        worker->grow_chance = (unsigned int)(25 + stress_below(random, 60));
    }
    if (stress_once_in(random, STEPS_PER_CHECK)) {
        stress_check_everything(worker);
    }
    if (stress_once_in(random, STEPS_PER_CHECK)) {
        (void)zend_mm_gc(zend_mm_get_heap());
    }
}

void stress_mix_steps(stress_worker *worker, size_t count)
{
    for (size_t step = 0; step < count && !stress_stops(worker); step++) {
        stress_mix_step(worker);
        if (step % STEPS_PER_SUM == 0) {
            stress_check_accounting(worker, 0);
        }
    }
}
