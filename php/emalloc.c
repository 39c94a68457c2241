/* emalloc: the e* family with PHP's arguments: hot paths, and their slow siblings.
 * Owns        nothing.
 * Thread      any; each works on its own heap.
 * Invariants  as in alloc/api.c: no mode is tested on the hot path.
 * Failure     php_failed_alloc() (error.h): the host's error, or NULL while the thread is fallible.
 * Tests       tests/php/abi.c, tests/php/basics.sh
 */
#include "config.h"

#include <string.h>

#include "alloc/dispatch.h"
#include "alloc/globals.h"
#include "alloc/hot.h"
#include "php/error.h"
#include "php/face.h"

#define NOINLINE __attribute__((noinline))

/* ---- one way into the heap, and past its limit ---- */

void *php_try(const php_attempt *attempt)
{
    zend_mm_heap *heap = attempt->heap;
    if (heap == NULL) {
        return NULL;
    }
    if (attempt->is_new) {
        return heap->sees_calls ? zend_mm_dispatch_alloc(heap, attempt->size, attempt->entrance)
                                : zend_mm_heap_alloc(heap, attempt->size);
    }
    return heap->sees_calls
        ? zend_mm_dispatch_realloc(heap, attempt->block, attempt->size, attempt->copy_size,
            attempt->entrance)
        : zend_mm_heap_realloc(heap, attempt->block, attempt->size, attempt->copy_size);
}

static void *try_or_fail(const php_attempt *attempt)
{
    if (__builtin_expect(php_allocs_left != 0 && php_is_refused_by_count(attempt), 0)) {
        return NULL;
    }
    void *block = php_try(attempt);
    return zend_mm_likely(block != NULL) ? block : php_failed_alloc(attempt);
}

/* ---- allocation ---- */

static NOINLINE void *emalloc_slow(size_t size)
{
    php_attempt attempt = { .heap = zend_mm_heap_of_thread(), .size = size, .is_new = true,
        .entrance = ZEND_MM_ENTRANCE_THREAD };
    return try_or_fail(&attempt);
}

static NOINLINE void *emalloc_small_slow(size_t size)
{
    void *slot = zend_mm_heap_carve(zend_mm_hot_heap, zend_mm_bin_of(size));
    return zend_mm_likely(slot != NULL) ? slot : emalloc_slow(size);
}

static inline void *emalloc_small(size_t size, size_t mark)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    void *slot = zend_mm_hot_pop(heap, zend_mm_bucket_at(heap->free_buckets, mark));
    return zend_mm_likely(slot != NULL) ? slot : emalloc_small_slow(size);
}

ZEND_MM_HOT_ENTRY void *php_emalloc(size_t size)
{
    if (zend_mm_likely(size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return emalloc_small(size, zend_mm_mark_of_size(size));
    }
    return emalloc_slow(size);
}

#define EMALLOC_BIN(index, slot_size, slots, pages) \
    void *php_emalloc_##slot_size(void) \
    { \
        return emalloc_small(slot_size, (index) << ZEND_MM_MARK_BIN_SHIFT); \
    }
ZEND_MM_BINS(EMALLOC_BIN)
#undef EMALLOC_BIN

void *php_emalloc_large(size_t size)
{
    return emalloc_slow(size);
}

void *php_emalloc_huge(size_t size)
{
    return emalloc_slow(size);
}

/* *bytes = count * size + offset; false: it overflows. */
static inline bool is_sound(size_t count, size_t size, size_t offset, size_t *bytes)
{
    size_t product;
    *bytes = 0;
    return zend_mm_likely(!__builtin_mul_overflow(count, size, &product)
        && !__builtin_add_overflow(product, offset, bytes));
}

void *php_safe_emalloc(size_t count, size_t size, size_t offset)
{
    size_t bytes;
    return is_sound(count, size, offset, &bytes) ? php_emalloc(bytes)
                                                 : php_failed_size(count, size, offset);
}

void *php_ecalloc(size_t count, size_t size)
{
    size_t bytes;
    if (!is_sound(count, size, 0, &bytes)) {
        return php_failed_size(count, size, 0);
    }
    void *block = php_emalloc(bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

char *php_estrndup(const char *string, size_t length)
{
    size_t bytes;
    if (!is_sound(1, length, 1, &bytes)) {
        return php_failed_size(1, length, 1);
    }
    char *copy = php_emalloc(bytes);
    if (copy != NULL) {
        memcpy(copy, string, length);
        copy[length] = '\0';
    }
    return copy;
}

char *php_estrdup(const char *string)
{
    return php_estrndup(string, strlen(string));
}

/* ---- free ---- */

ZEND_MM_HOT_ENTRY void php_efree(void *block)
{
    if (!zend_mm_likely(zend_mm_hot_free(zend_mm_hot_heap, block))) {
        zend_mm_efree_slow(block);
    }
}

/* Whose the block is has to be asked, its bin need not: PHP's compiler knows the size. */
static inline void efree_bin(size_t bin, void *block)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    if (!zend_mm_likely(zend_mm_owner_of(block) == heap->index
            && zend_mm_hot_push(heap, &heap->free_buckets[bin], block))) {
        zend_mm_efree_slow(block);
    }
}

#define EFREE_BIN(index, slot_size, slots, pages) \
    void php_efree_##slot_size(void *block) \
    { \
        efree_bin(index, block); \
    }
ZEND_MM_BINS(EFREE_BIN)
#undef EFREE_BIN

void php_efree_large(void *block, size_t size)
{
    (void)size;
    zend_mm_efree_slow(block);
}

void php_efree_huge(void *block, size_t size)
{
    (void)size;
    zend_mm_efree_slow(block);
}

/* ---- resizing ---- */

static NOINLINE void *erealloc_slow(void *block, size_t size, size_t copy_size)
{
    void *resized = zend_mm_page_realloc(zend_mm_hot_heap, block, size, copy_size);
    if (zend_mm_likely(resized != NULL)) {
        return resized;
    }
    php_attempt attempt = { .heap = zend_mm_heap_of_thread(), .block = block, .size = size,
        .copy_size = copy_size, .entrance = ZEND_MM_ENTRANCE_THREAD };
    return try_or_fail(&attempt);
}

/* A block that is no small one, or begins a page, or is NULL. Programs that append to long strings resize
 * within the last page of a large block more often than they do anything else. */
static NOINLINE void *erealloc_page(void *block, size_t size, size_t copy_size)
{
    const zend_mm_heap *heap = zend_mm_hot_heap;
    return zend_mm_page_keeps_length(heap, zend_mm_page_info(heap, block), block, size)
        ? block : erealloc_slow(block, size, copy_size);
}

/* A small block, and another bin's slot is for `size` bytes: the second most frequent case, alone, so that
 * it saves few registers. */
static NOINLINE void *erealloc_move(void *block, size_t size, size_t copy_size,
    zend_mm_bucket *bucket)
{
    void *moved = zend_mm_hot_move(zend_mm_hot_heap, bucket, block, size, copy_size);
    return zend_mm_likely(moved != NULL) ? moved : erealloc_slow(block, size, copy_size);
}

ZEND_MM_HOT_ENTRY void *php_erealloc2(void *block, size_t size, size_t copy_size)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    zend_mm_bucket *bucket = zend_mm_hot_bucket(heap, block);
    if (!zend_mm_likely(bucket != NULL && size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return erealloc_page(block, size, copy_size);
    }
    return zend_mm_hot_bucket_of_size(heap, size) == bucket
        ? block : erealloc_move(block, size, copy_size, bucket);
}

ZEND_MM_HOT_ENTRY void *php_erealloc(void *block, size_t size)
{
    return php_erealloc2(block, size, size);
}

void *php_safe_erealloc(void *block, size_t count, size_t size, size_t offset)
{
    size_t bytes;
    return is_sound(count, size, offset, &bytes) ? php_erealloc(block, bytes)
                                                 : php_failed_size(count, size, offset);
}

/* ---- explicit heaps ---- */

void *php_mm_alloc(zend_mm_heap *heap, size_t size)
{
    void *slot = NULL;
    if (zend_mm_likely(size <= ZEND_MM_MAX_SMALL_SIZE && !heap->sees_calls)) {
        slot = zend_mm_hot_pop(heap, zend_mm_hot_bucket_of_size(heap, size));
    }
    if (zend_mm_likely(slot != NULL)) {
        return slot;
    }
    php_attempt attempt = { .heap = heap, .size = size, .is_new = true,
        .entrance = ZEND_MM_ENTRANCE_HEAP };
    return try_or_fail(&attempt);
}

void php_mm_free(zend_mm_heap *heap, void *block)
{
    if (!zend_mm_likely(!heap->sees_calls && zend_mm_hot_free(heap, block))) {
        zend_mm_free_by(heap, block, ZEND_MM_ENTRANCE_HEAP);
    }
}

void *php_mm_realloc2(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    php_attempt attempt = { .heap = heap, .block = block, .size = size, .copy_size = copy_size,
        .entrance = ZEND_MM_ENTRANCE_HEAP };
    return try_or_fail(&attempt);
}

void *php_mm_realloc(zend_mm_heap *heap, void *block, size_t size)
{
    return php_mm_realloc2(heap, block, size, size);
}
