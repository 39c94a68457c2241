/* operations: a stream of heap calls, compared with the model of tests/support/model.h.
 * Input       three bytes a call: kind and block, size (class and value).
 * Owns        the process's heap; each input is one request.
 * Thread      one.
 * Invariants  I1  the heap's size is the model's, every block carries its pattern
 * Failure     abort.
 * Tests       this is one. */
#include "config.h"

#include "alloc/heap.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/alloc_support.h"
#include "tests/support/model.h"

enum { CALL_COUNT_MAX = 400, BLOCK_COUNT_MAX = 200 };

static model blocks;

static size_t size_from(uint8_t class, uint8_t value)
{
    static const size_t steps[] = { 1, 8, 13, ZEND_MM_PAGE_SIZE / 3, 3 * ZEND_MM_PAGE_SIZE,
        ZEND_MM_SEGMENT_SIZE / 1000 };
    return (class % 32 == 31 ? ZEND_MM_SEGMENT_SIZE : 0) + value * steps[class % 6];
}

static void check_heap(void)
{
    const char *what = NULL;
    if (!zend_mm_heap_is_valid(zend_mm_get_heap(), &what)) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
    FUZZ_EXPECT(alloc_usage(0) == blocks.size);
    FUZZ_EXPECT(model_all_match(&blocks));
}

static void allocate(size_t size)
{
    if (blocks.count < BLOCK_COUNT_MAX) {
        void *block = emalloc(size);
        FUZZ_EXPECT(model_is_aligned(block, size));
        model_add(&blocks, block, size);
    }
}

static void resize(size_t index, size_t size)
{
    model_block before = blocks.blocks[index];
    void *block = erealloc(before.address, size);
    FUZZ_EXPECT(model_matches(&before, block, before.size < size ? before.size : size));
    model_replace(&blocks, index, block, size);
}

static void call(uint8_t kind, uint8_t class, uint8_t value)
{
    size_t index = blocks.count == 0 ? 0 : (kind >> 3) % blocks.count;
    if (kind % 8 < 3 || blocks.count == 0) {
        allocate(size_from(class, value));
    } else if (kind % 8 < 5) {
        efree(blocks.blocks[index].address);
        model_remove(&blocks, index);
    } else if (kind % 8 < 7) {
        resize(index, size_from(class, value));
    } else if (class % 4 == 0) {
        model_clear(&blocks);
        alloc_reset();
    } else {
        (void)zend_mm_gc(zend_mm_get_heap());
    }
}

static void end_heap(void)
{
    (void)alloc_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int started;
    if (!started) {
        started = 1;
        alloc_begin();
        FUZZ_EXPECT(atexit(end_heap) == 0);
    }
    for (size_t count = 0; size >= 3 && count < CALL_COUNT_MAX; count++) {
        uint8_t kind = fuzz_byte(&data, &size), class = fuzz_byte(&data, &size);
        call(kind, class, fuzz_byte(&data, &size));
    }
    check_heap();
    model_clear(&blocks);
    alloc_reset();
    check_heap();
    return 0;
}
