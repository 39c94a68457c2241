/* rows_heap: rows about one heap: random operations, resizing, limit, request ends.
 * Owns        the blocks of its cases.
 * Thread      row_work: any, on its own heap; the rest: main.
 * Invariants  sizes that depend on whether a storage resizes in place are not shown.
 * Failure     a case that failed.
 * Tests       alloc/, with the storage that ZEND_MM_MEM_TYPE names. */
#include "config.h"

#include <string.h>

#include "stress/random.h"
#include "tests/win32/rows.h"

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)

enum { SLOT_COUNT = 400, SAMPLED_SIZE = 8192, SAMPLE_STRIDE = 512 };

/* ---- blocks that know what they hold ---- */

typedef struct block {
    unsigned char *address;     /* NULL: the slot is empty */
    size_t size;
    uint64_t seed;
} block;

static unsigned char byte_at(const block *block, size_t offset)
{
    return (unsigned char)stress_mix_bits(block->seed + offset);
}

/* Small blocks carry their pattern everywhere, the others at each stride and at their end. */
static size_t next_offset(const block *block, size_t offset)
{
    if (block->size <= SAMPLED_SIZE) {
        return offset + 1;
    }
    size_t next = offset + SAMPLE_STRIDE;
    return next < block->size || offset == block->size - 1 ? next : block->size - 1;
}

static void fill(block *block)
{
    for (size_t offset = 0; offset < block->size; offset = next_offset(block, offset)) {
        block->address[offset] = byte_at(block, offset);
    }
}

/* Do the first `length` bytes hold what they should? */
static bool is_intact(const block *block, size_t length)
{
    for (size_t offset = 0; offset < block->size; offset = next_offset(block, offset)) {
        if (offset < length && block->address[offset] != byte_at(block, offset)) {
            return false;
        }
    }
    return true;
}

/* ---- random operations ---- */

typedef struct run {
    block blocks[SLOT_COUNT];
    uint64_t state;             /* of the random numbers */
    row_workload *workload;
} run;

/* As many small sizes as large ones: the logarithm is spread evenly. */
static size_t random_size(run *run)
{
    size_t bits = 0;
    while (run->workload->size_max >> bits > 1) {
        bits++;
    }
    size_t size = (size_t)1 << stress_below(&run->state, bits + 1);
    size += stress_below(&run->state, size);
    return size < run->workload->size_max ? size : run->workload->size_max;
}

static void fill_anew(run *run, block *block, size_t size)
{
    block->size = size;
    block->seed = stress_random(&run->state);
    fill(block);
    run->workload->size_sum += size;
}

static void free_block(run *run, block *block)
{
    run->workload->damaged_count += !is_intact(block, block->size);
    efree(block->address);
    block->address = NULL;
}

static void resize_block(run *run, block *block)
{
    size_t size = random_size(run);
    size_t kept = size < block->size ? size : block->size;
    block->address = erealloc(block->address, size);
    run->workload->damaged_count += !is_intact(block, kept);
    fill_anew(run, block, size);
}

static void operate(run *run)
{
    block *block = &run->blocks[stress_below(&run->state, SLOT_COUNT)];
    if (block->address == NULL) {
        size_t size = random_size(run);
        block->address = emalloc(size);
        fill_anew(run, block, size);
    } else if (stress_below(&run->state, 2) == 0) {
        resize_block(run, block);
    } else {
        free_block(run, block);
    }
}

void row_work(row_workload *workload)
{
    run *run = ecalloc(1, sizeof *run);
    run->state = workload->seed;
    run->workload = workload;
    for (size_t count = 0; count < workload->operation_count; count++) {
        operate(run);
    }
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        block *block = &run->blocks[slot];
        if (block->address == NULL) {
            continue;
        }
        workload->live_count++;
        workload->damaged_count += !is_intact(block, block->size);
        if (workload->free_all) {
            free_block(run, block);
        }
    }
    efree(run);
}

/* ---- the heap ---- */

static size_t usage(int real)
{
    TSRMLS_FETCH();
    return zend_memory_usage(real TSRMLS_CC);
}

static size_t peak_usage(int real)
{
    TSRMLS_FETCH();
    return zend_memory_peak_usage(real TSRMLS_CC);
}

static void row_of_random_operations(void)
{
    row_log log;
    row_workload workload = { .seed = 5, .operation_count = 60000, .size_max = 256 * KIB };
    row_case("small and large blocks keep what they hold under random operations");
    row_request_begin(&log);
    row_work(&workload);
    ROW_CHECK(workload.damaged_count == 0);
    row_figure("live blocks", workload.live_count);
    row_figure("bytes asked for", workload.size_sum);
    row_figure("size", usage(0));
    row_figure("real size", usage(1));
    row_figure("peak", peak_usage(0));
    row_figure("real peak", peak_usage(1));
    row_request_end();
}

static void row_of_huge_blocks(void)
{
    row_log log;
    row_workload workload = { .seed = 6, .operation_count = 250, .size_max = 6 * MIB,
        .free_all = true };
    row_case("huge blocks, too; and when all are freed nothing is left in use");
    row_request_begin(&log);
    (void)zend_set_memory_limit(SIZE_MAX);
    row_work(&workload);
    ROW_CHECK(workload.damaged_count == 0);
    row_figure("bytes asked for", workload.size_sum);
    row_figure("size", usage(0));
    ROW_CHECK(usage(0) == 0);
    (void)zend_mm_gc(zend_mm_get_heap());
    row_figure("real size after a gc", usage(1));
    row_request_end();
}

static void row_of_growing_blocks(void)
{
    row_log log;
    block block = { .size = 0, .seed = 7 };
    row_case("a block that grows from a byte to 12 MiB and shrinks again keeps what it holds");
    row_request_begin(&log);
    for (size_t size = 1; size < 12 * MIB; size += size / 3 + 1) {
        block.address = erealloc(block.address, size);
        ROW_CHECK(is_intact(&block, block.size));
        block.size = size;
        fill(&block);
    }
    row_figure("usable bytes at the top", zend_mem_block_size(block.address));
    while (block.size > 10) {
        block.size /= 3;
        fill(&block);
        block.address = erealloc(block.address, block.size);
        ROW_CHECK(is_intact(&block, block.size));
    }
    row_figure("usable bytes at the bottom", zend_mem_block_size(block.address));
    efree(block.address);
    ROW_CHECK(usage(0) == 0);
    row_request_end();
}

static void row_of_gc(void)
{
    enum { COUNT = 4000 };
    row_log log;
    row_case("a gc gives back the pages of freed blocks");
    row_request_begin(&log);
    void **blocks = safe_emalloc(COUNT, sizeof *blocks, 0);
    for (size_t index = 0; index < COUNT; index++) {
        blocks[index] = emalloc(1000);
    }
    row_figure("real size before", usage(1));
    for (size_t index = 0; index < COUNT; index++) {
        efree(blocks[index]);
    }
    row_figure("bytes given back", zend_mm_gc(zend_mm_get_heap()));
    row_figure("real size after", usage(1));
    efree(blocks);
    row_request_end();
}

static void row_of_sizes(void)
{
    row_log log;
    size_t usable_sum = 0;
    bool is_aligned = true;
    row_case("every size has its bin, and a multiple of 16 is aligned to 16");
    row_request_begin(&log);
    for (size_t size = 0; size <= 5000; size++) {
        void *block = emalloc(size);
        usable_sum += zend_mem_block_size(block);
        is_aligned = is_aligned && (uintptr_t)block % (size != 0 && size % 16 == 0 ? 16 : 8) == 0;
        efree(block);
    }
    ROW_CHECK(is_aligned);
    row_figure("usable bytes of sizes 0 to 5000", usable_sum);
    row_request_end();
}

void rows_heap(void)
{
    row_of_sizes();
    row_of_random_operations();
    row_of_gc();
    row_of_growing_blocks();
    row_of_huge_blocks();
}

/* ---- limits ---- */

/* Allocate blocks of `size` bytes until the heap refuses; how many there were. */
static size_t exhaust(size_t size)
{
    static volatile size_t count;   /* main thread only; kept over the longjmp */
    count = 0;
    zend_try {
        for (;;) {
            memset(emalloc(size), 'x', size);
            count++;
        }
    } zend_end_try();
    return count;
}

static void row_of_limit(size_t size, const char *sentence)
{
    row_log log;
    row_case(sentence);
    row_request_begin(&log);
    TSRMLS_FETCH();
    ROW_CHECK(zend_set_memory_limit(24 * MIB));
    row_figure("blocks within the limit", exhaust(size));
    row_text("error", log.message);
    row_figure("exit status", (size_t)SG(exit_status));
    row_figure("real size", usage(1));
    ROW_CHECK(zend_mm_try_alloc(zend_mm_get_heap(), 64 * MIB) == NULL);
    row_figure("blocks after the error", exhaust(size));
    row_figure("errors", (size_t)log.count);
    row_request_end();
}

static void row_of_overflow(void)
{
    row_log log;
    row_case("a size that overflows is an error of its own");
    row_request_begin(&log);
    zend_try {
        efree(safe_emalloc(SIZE_MAX / 2, 3, 1));
        ROW_CHECK(false);
    } zend_end_try();
    row_text("error", log.message);
    ROW_CHECK(log.count == 1);
    row_request_end();
}

static void row_of_refused_limit(void)
{
    row_log log;
    row_case("a limit below what the heap holds is refused, and the old one stays");
    row_request_begin(&log);
    void *block = emalloc(9 * MIB);
    ROW_CHECK(!zend_set_memory_limit(4 * MIB));
    ROW_CHECK(erealloc_recoverable(block, 512 * MIB) == NULL);
    efree(block);
    row_figure("errors", (size_t)log.count);
    row_request_end();
}

void rows_limit(void)
{
    row_of_limit(1000, "small blocks end at the memory limit");
    row_of_limit(100 * KIB, "large blocks end at the memory limit");
    row_of_limit(3 * MIB, "huge blocks end at the memory limit");
    row_of_overflow();
    row_of_refused_limit();
}

/* ---- requests ---- */

void rows_requests(void)
{
    enum { COUNT = 16 };
    size_t damaged_count = 0, left_size = 0;
    row_log log;
    row_case("what a request leaves behind dies with it, compaction included");
    for (uint64_t seed = 1; seed <= COUNT; seed++) {
        row_workload workload = { .seed = seed, .operation_count = 1500, .size_max = MIB };
        row_request_begin(&log);
        (void)zend_set_memory_limit(SIZE_MAX);
        row_work(&workload);
        damaged_count += workload.damaged_count;
        left_size += workload.live_count;
        row_request_end();
        ROW_CHECK(usage(0) == 0);
    }
    ROW_CHECK(damaged_count == 0);
    row_figure("blocks left behind", left_size);
    row_figure("size", usage(0));
    row_figure("real size", usage(1));
    row_figure("real peak", peak_usage(1));
    row_figure("errors", (size_t)log.count);
}
