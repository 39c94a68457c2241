/* bin: the tables made from ZEND_MM_BINS.
 * Owns        constants.
 * Thread      any.
 * Invariants  zend_mm_size_marks[n] names the first bin whose slots hold 8 * n bytes.
 * Failure     none.
 * Tests       tests/unit/bin.c
 */
#include "config.h"

#include "alloc/bin.h"

/* A page of slots: the page is touched by its first slot anyway, the next one is left alone. */
#define CARVE_COUNT(size) ((int)ZEND_MM_PAGE_SIZE / (size))

#define INFO(index, size, slots, pages) [index] = { size, slots, pages, CARVE_COUNT(size) * (size) },
const zend_mm_bin_info zend_mm_bin_infos[ZEND_MM_BIN_COUNT] = { ZEND_MM_BINS(INFO) };
#undef INFO

/* The distance of a slot size to the next smaller one: eight up to 64, then four per doubling. */
#define STEP(size) \
    ((size) <= 64 ? 8 : (size) <= 128 ? 16 : (size) <= 256 ? 32 : (size) <= 512 ? 64 \
        : (size) <= 1024 ? 128 : (size) <= 2048 ? 256 : 512)

#define ROWS(index, size, slots, pages) \
    [((size) - STEP(size)) / ZEND_MM_ALIGNMENT + 1 ... (size) / ZEND_MM_ALIGNMENT] = \
        (index) << ZEND_MM_MARK_BIN_SHIFT,
const uint8_t zend_mm_size_marks[ZEND_MM_MAX_SMALL_SIZE / ZEND_MM_ALIGNMENT + 1] = {
    ZEND_MM_BINS(ROWS) };
#undef ROWS

#define CONSTANTS(index, size, slots, pages) \
    [index] = { .magic = ZEND_MM_BIN_MAGIC(size), .bound = ZEND_MM_BIN_BOUND(size, slots) },
static const zend_mm_bucket empty_buckets[ZEND_MM_BUCKET_COUNT] = { ZEND_MM_BINS(CONSTANTS) };
#undef CONSTANTS

void zend_mm_buckets_init(zend_mm_bucket *buckets)
{
    for (uint32_t index = 0; index < ZEND_MM_BUCKET_COUNT; index++) {
        buckets[index] = empty_buckets[index];
    }
}
