/* blocks: the live blocks of one heap, a pattern of its own in each, and the sum the heap must agree
 * with.
 * Owns        the list; not the blocks.
 * Thread      one list, one thread at a time.
 * Invariants  I1  size is the sum of the list's sizes
 *             I2  a listed block holds its pattern: all of it when small, samples when large
 * Failure     what is wrong goes to stress_fail().
 * Tests       tests/stress/tool.sh, tests/support/mutants */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stress/stress.h"

/* Odd, with its bits well mixed: neighbouring words of a pattern share no byte by rule. */
#define PATTERN_FACTOR UINT64_C(0x9E3779B97F4A7C15)

enum {
    WHOLE_MAX = 16 * 1024,      /* blocks up to here carry their pattern everywhere */
    SAMPLE = 64,                /* the others in so many bytes at each stride, and at their end */
    STRIDE = 4096,
    HUGE_STRIDE = 128 * 1024,
};

bool stress_blocks_init(stress_blocks *blocks, size_t capacity)
{
    *blocks = (stress_blocks){ .capacity = capacity };
    blocks->list = calloc(capacity, sizeof *blocks->list);
    return blocks->list != NULL;
}

void stress_blocks_end(stress_blocks *blocks)
{
    free(blocks->list);
    *blocks = (stress_blocks){ 0 };
}

/* ---- patterns ---- */

/* Ranges begin at multiples of 8: the pattern is made word by word. */
static uint64_t word_at(const stress_block *block, size_t offset)
{
    return (block->pattern + (offset >> 3)) * PATTERN_FACTOR;
}

static void fill_range(const stress_block *block, size_t from, size_t to)
{
    size_t offset = from;
    for (; offset + sizeof(uint64_t) <= to; offset += sizeof(uint64_t)) {
        uint64_t word = word_at(block, offset);
        memcpy(block->address + offset, &word, sizeof word);
    }
    uint64_t last = word_at(block, offset);
    memcpy(block->address + offset, &last, to - offset);
}

static bool range_matches(const stress_block *block, const unsigned char *address, size_t from,
    size_t to)
{
    size_t offset = from;
    uint64_t difference = 0;
    for (; offset + sizeof(uint64_t) <= to; offset += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, address + offset, sizeof word);
        difference |= word ^ word_at(block, offset);
    }
    uint64_t last = word_at(block, offset);
    return difference == 0 && memcmp(address + offset, &last, to - offset) == 0;
}

static size_t stride_of(const stress_block *block)
{
    return block->size < ZEND_MM_SEGMENT_SIZE ? STRIDE : HUGE_STRIDE;
}

static size_t tail_of(const stress_block *block)
{
    return (block->size - SAMPLE) & ~(size_t)7;
}

void stress_block_fill(const stress_block *block)
{
    if (block->size <= WHOLE_MAX) {
        fill_range(block, 0, block->size);
        return;
    }
    for (size_t offset = 0; offset + SAMPLE <= block->size; offset += stride_of(block)) {
        fill_range(block, offset, offset + SAMPLE);
    }
    fill_range(block, tail_of(block), block->size);
}

bool stress_block_matches(const stress_block *block, const void *address, size_t length)
{
    length = length < block->size ? length : block->size;
    if (block->size <= WHOLE_MAX) {
        return range_matches(block, address, 0, length);
    }
    for (size_t offset = 0; offset + SAMPLE <= length; offset += stride_of(block)) {
        if (!range_matches(block, address, offset, offset + SAMPLE)) {
            return false;
        }
    }
    return length <= tail_of(block) || range_matches(block, address, tail_of(block), length);
}

/* ---- the list ---- */

/* What the heap may give for `size` bytes: the slot of its bin, or whole pages. */
static bool is_right_size(const stress_worker *worker, size_t usable, size_t asked)
{
    if (!worker->run->exact) {
        return usable >= asked;
    }
#define TRY(index, slot_size, slots, pages) \
    if (asked <= slot_size) { \
        return usable == slot_size; \
    }
    ZEND_MM_BINS(TRY)
#undef TRY
    size_t slack = asked < ZEND_MM_SEGMENT_SIZE / 2 ? ZEND_MM_PAGE_SIZE : worker->run->page_size;
    return usable >= asked && usable - asked < slack && usable % ZEND_MM_PAGE_SIZE == 0;
}

static bool is_aligned(const void *address, size_t asked)
{
    size_t alignment = asked != 0 && asked % 16 == 0 ? 16 : ZEND_MM_ALIGNMENT;
    return ((uintptr_t)address & (alignment - 1)) == 0;
}

static size_t usable_size(const void *address, size_t asked)
{
    /* 0: the heap passes calls on (USE_ZEND_ALLOC=0), and nobody knows. */
    size_t usable = zend_mem_block_size(address);
    return usable != 0 ? usable : asked;
}

static void record(stress_worker *worker, stress_block *block, void *address, size_t asked)
{
    size_t usable = usable_size(address, asked);
    if (!is_right_size(worker, usable, asked)) {
        stress_fail(worker, "a block of %zu bytes has the size %zu", asked, usable);
    }
    block->address = address;
    block->asked_size = asked;
    block->size = usable;
    block->pattern = stress_random(&worker->random);
    stress_block_fill(block);
    worker->blocks.size += usable;
    worker->counters.allocation_count++;
}

static void note_live_size(stress_worker *worker)
{
    atomic_store_explicit(&worker->live_size, worker->blocks.size, memory_order_relaxed);
}

void stress_blocks_add(stress_worker *worker, void *address, size_t asked_size)
{
    stress_expect(worker, is_aligned(address, asked_size), "a fresh block is not aligned");
    record(worker, &worker->blocks.list[worker->blocks.count++], address, asked_size);
    note_live_size(worker);
}

void stress_blocks_replace(stress_worker *worker, size_t index, void *address, size_t asked_size)
{
    stress_block *block = &worker->blocks.list[index];
    worker->blocks.size -= block->size;
    record(worker, block, address, asked_size);
    note_live_size(worker);
}

stress_block stress_blocks_take(stress_worker *worker, size_t index)
{
    stress_blocks *blocks = &worker->blocks;
    stress_block taken = blocks->list[index];
    if (!stress_block_matches(&taken, taken.address, taken.size)) {
        stress_fail(worker, "a block of %zu bytes at %p has lost its contents", taken.asked_size,
            (void *)taken.address);
    }
    blocks->list[index] = blocks->list[--blocks->count];
    blocks->size -= taken.size;
    note_live_size(worker);
    return taken;
}

/* ---- checks ---- */

void stress_check_accounting(stress_worker *worker, size_t other_size)
{
    if (!worker->run->exact || !worker->counts_blocks) {
        return;
    }
    size_t usage = stress_usage(0);
    if (usage != worker->blocks.size + other_size) {
        stress_fail(worker, "the heap's size is %zu, the sum of its live blocks %zu", usage,
            worker->blocks.size + other_size);
    }
}

static void check_statistics(stress_worker *worker)
{
    zend_mm_heap_statistics stats;
    if (!stress_expect(worker, zend_mm_heap_stats(NULL, &stats), "zend_mm_heap_stats: no heap")) {
        return;
    }
    size_t small_size = 0;
    bool fits = true;
#define ADD(index, bin_size, slots, pages) \
    small_size += stats.bins[index].used_count * bin_size; \
    fits = fits && stats.bins[index].used_count <= stats.bins[index].run_count * slots;
    ZEND_MM_BINS(ADD)
#undef ADD
    size_t held = stats.segment_count * ZEND_MM_SEGMENT_SIZE + stats.huge_size + stats.cached_size;
    stress_expect(worker, fits, "a bin has more live slots than its runs hold");
    stress_expect(worker, small_size + stats.huge_size <= stats.size,
        "small and huge blocks are more than the heap's size");
    stress_expect(worker, (stats.size - small_size - stats.huge_size) % ZEND_MM_PAGE_SIZE == 0,
        "large blocks are not whole pages");
    stress_expect(worker, stats.size <= stats.peak, "the peak is below the size");
    stress_expect(worker, stats.real_size <= stats.real_peak, "the real peak is below real size");
    stress_expect(worker, stats.size <= stats.real_size, "the size is above the real size");
    stress_expect(worker, held <= stats.real_size, "the real size is less than what is held");
}

void stress_check_everything(stress_worker *worker)
{
    for (size_t index = 0; index < worker->blocks.count; index++) {
        const stress_block *block = &worker->blocks.list[index];
        if (!stress_block_matches(block, block->address, block->size)) {
            stress_fail(worker, "a block of %zu bytes at %p has lost its contents",
                block->asked_size, (void *)block->address);
        }
        if (usable_size(block->address, block->asked_size) != block->size) {
            stress_fail(worker, "a block of %zu bytes at %p has another size now",
                block->asked_size, (void *)block->address);
        }
    }
    if (worker->run->exact) {
        check_statistics(worker);
    }
}
