/* api: the e* family: hot paths, and their slow siblings.
 * Owns        nothing.
 * Thread      any; each works on its own heap.
 * Invariants  no mode is tested on the hot path: a thread whose heap must see every call has the
 *             dispatch heap as its hot heap, which owns nothing, so every call gets to *_slow.
 *             In a debug build every heap does; each call notes its place there first.
 * Failure     the error callback, then zend_bailout(); misuse of free ends the process.
 * Tests       tests/unit/api.c, tests/unit/dispatch.c, tests/death/misuse.c
 */
#include "config.h"

#include <string.h>

#include "alloc/debug.h"
#include "alloc/dispatch.h"
#include "alloc/error.h"
#include "alloc/globals.h"
#include "alloc/hot.h"
#include "alloc/safe_size.h"

#define NOINLINE __attribute__((noinline))

typedef enum failure_mode { OR_BAIL_OUT, OR_NULL } failure_mode;

/* ---- where the call comes from: debug builds ---- */

#define NOTE_PLACE(heap) \
    (ZEND_DEBUG ? zend_mm_debug_note_place((heap), ZEND_MM_PLACE) : (void)0)

static inline void note_no_place(void)
{
    if (ZEND_DEBUG) {
        zend_mm_debug_note_place(zend_mm_heap_of_thread(), (zend_mm_call_site){ NULL, NULL, 0, 0 });
    }
}

/* ---- allocation ---- */

static void *checked(zend_mm_heap *heap, void *block, size_t size, failure_mode mode)
{
    if (block == NULL && mode == OR_BAIL_OUT) {
        zend_mm_raise(heap, size);
    }
    return block;
}

static void *alloc_by(zend_mm_heap *heap, size_t size, zend_mm_entrance entrance)
{
    if (heap == NULL) {
        return NULL;
    }
    return heap->sees_calls ? zend_mm_dispatch_alloc(heap, size, entrance)
                            : zend_mm_heap_alloc(heap, size);
}

static NOINLINE void *emalloc_slow(size_t size)
{
    zend_mm_heap *heap = zend_mm_heap_of_thread();
    return checked(heap, alloc_by(heap, size, ZEND_MM_ENTRANCE_THREAD), size, OR_BAIL_OUT);
}

static NOINLINE void *emalloc_small_slow(size_t size)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    void *slot = zend_mm_heap_carve(heap, zend_mm_bin_of(size));
    return zend_mm_likely(slot != NULL) ? slot : emalloc_slow(size);
}

static inline void *emalloc_small(size_t size, size_t mark)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    void *slot = zend_mm_hot_pop(heap, zend_mm_bucket_at(heap->free_buckets, mark));
    return zend_mm_likely(slot != NULL) ? slot : emalloc_small_slow(size);
}

ZEND_MM_HOT_ENTRY void *_emalloc(size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(zend_mm_heap_of_thread());
    if (zend_mm_likely(size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return emalloc_small(size, zend_mm_mark_of_size(size));
    }
    return emalloc_slow(size);
}

#define EMALLOC_BIN(index, slot_size, slots, pages) \
    void *_emalloc_##slot_size(void) \
    { \
        note_no_place(); \
        return emalloc_small(slot_size, (index) << ZEND_MM_MARK_BIN_SHIFT); \
    }
ZEND_MM_BINS(EMALLOC_BIN)
#undef EMALLOC_BIN

void *_emalloc_large(size_t size)
{
    return _emalloc(size ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC);
}

void *_emalloc_huge(size_t size)
{
    return _emalloc(size ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC);
}

static void *alloc_aligned_by(zend_mm_heap *heap, size_t alignment, size_t size,
    zend_mm_entrance entrance)
{
    if (heap == NULL) {
        return NULL;
    }
    return heap->sees_calls ? zend_mm_dispatch_alloc_aligned(heap, alignment, size, entrance)
                            : zend_mm_heap_alloc_aligned(heap, alignment, size);
}

void *_emalloc_aligned(size_t alignment, size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    zend_mm_heap *heap = zend_mm_heap_of_thread();
    NOTE_PLACE(heap);
    void *block = alloc_aligned_by(heap, alignment, size, ZEND_MM_ENTRANCE_THREAD);
    return checked(heap, block, size, OR_BAIL_OUT);
}

void *_ecalloc(size_t count, size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    size_t bytes = zend_mm_safe_size(count, size, 0);
    return memset(_emalloc(bytes ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC), 0, bytes);
}

void *_safe_emalloc(size_t count, size_t size, size_t offset ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    return _emalloc(zend_mm_safe_size(count, size, offset)
        ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC);
}

char *_estrndup(const char *string, size_t length ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    char *copy = _emalloc(zend_mm_safe_size(1, length, 1)
        ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC);
    memcpy(copy, string, length);
    copy[length] = '\0';
    return copy;
}

char *_estrdup(const char *string ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    return _estrndup(string, strlen(string) ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC);
}

/* ---- free ---- */

ZEND_MM_HOT_ENTRY void _efree(void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(zend_mm_heap_of_thread());
    if (!zend_mm_likely(zend_mm_hot_free(zend_mm_hot_heap, block))) {
        zend_mm_efree_slow(block);
    }
}

/* The caller knows the bin, but not that the pointer is right: the page map is asked all the same,
 * which costs one load that is nearly always in the cache. */
#define EFREE_BIN(index, slot_size, slots, pages) \
    void _efree_##slot_size(void *block) \
    { \
        _efree(block ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC); \
    }
ZEND_MM_BINS(EFREE_BIN)
#undef EFREE_BIN

void _efree_large(void *block, size_t size)
{
    (void)size;
    _efree(block ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC);
}

void _efree_huge(void *block, size_t size)
{
    (void)size;
    _efree(block ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC);
}

/* ---- resizing ---- */

static void *resize(zend_mm_heap *heap, void *block, size_t size, size_t copy_size,
    zend_mm_entrance entrance, failure_mode mode)
{
    void *resized = NULL;
    if (heap != NULL) {
        resized = heap->sees_calls
            ? zend_mm_dispatch_realloc(heap, block, size, copy_size, entrance)
            : zend_mm_heap_realloc(heap, block, size, copy_size);
    }
    return checked(heap, resized, size, mode);
}

static NOINLINE void *erealloc_slow(void *block, size_t size, size_t copy_size, int allow_failure)
{
    void *resized = zend_mm_page_realloc(zend_mm_hot_heap, block, size, copy_size);
    return zend_mm_likely(resized != NULL) ? resized
        : resize(zend_mm_heap_of_thread(), block, size, copy_size, ZEND_MM_ENTRANCE_THREAD,
            allow_failure ? OR_NULL : OR_BAIL_OUT);
}

/* A block that is no small one, or begins a page, or is NULL. Programs that append to long strings resize
 * within the last page of a large block more often than they do anything else. */
static NOINLINE void *erealloc_page(void *block, size_t size, size_t copy_size, int allow_failure)
{
    const zend_mm_heap *heap = zend_mm_hot_heap;
    return zend_mm_page_keeps_length(heap, zend_mm_page_info(heap, block), block, size)
        ? block : erealloc_slow(block, size, copy_size, allow_failure);
}

/* A small block, and another bin's slot is for `size` bytes: the second most frequent case, alone, so that
 * it saves few registers. */
static NOINLINE void *erealloc_move(void *block, size_t size, size_t copy_size, int allow_failure,
    zend_mm_bucket *bucket)
{
    void *moved = zend_mm_hot_move(zend_mm_hot_heap, bucket, block, size, copy_size);
    return zend_mm_likely(moved != NULL) ? moved
                                         : erealloc_slow(block, size, copy_size, allow_failure);
}

static inline void *erealloc_hot(void *block, size_t size, size_t copy_size, int allow_failure)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    zend_mm_bucket *bucket = zend_mm_hot_bucket(heap, block);
    if (!zend_mm_likely(bucket != NULL && size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return erealloc_page(block, size, copy_size, allow_failure);
    }
    return zend_mm_hot_bucket_of_size(heap, size) == bucket
        ? block : erealloc_move(block, size, copy_size, allow_failure, bucket);
}

ZEND_MM_HOT_ENTRY void *_erealloc(void *block, size_t size, int allow_failure
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(zend_mm_heap_of_thread());
    return erealloc_hot(block, size, size, allow_failure);
}

void *_erealloc2(void *block, size_t size, size_t copy_size, int allow_failure
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(zend_mm_heap_of_thread());
    return erealloc_hot(block, size, copy_size, allow_failure);
}

void *_safe_erealloc(void *block, size_t count, size_t size, size_t offset
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    return _erealloc(block, zend_mm_safe_size(count, size, offset), 0
        ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC);
}

size_t _zend_mem_block_size(const void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap == NULL || heap->custom._malloc != NULL
        ? 0 : _zend_mm_block_size(heap, block ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC);
}

/* ---- explicit heaps ---- */

static void *heap_alloc(zend_mm_heap *heap, size_t size, failure_mode mode)
{
    void *slot = NULL;
    if (zend_mm_likely(size <= ZEND_MM_MAX_SMALL_SIZE && !heap->sees_calls)) {
        slot = zend_mm_hot_pop(heap, zend_mm_hot_bucket_of_size(heap, size));
    }
    return zend_mm_likely(slot != NULL)
        ? slot : checked(heap, alloc_by(heap, size, ZEND_MM_ENTRANCE_HEAP), size, mode);
}

void *_zend_mm_alloc(zend_mm_heap *heap, size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return heap_alloc(heap, size, OR_BAIL_OUT);
}

void *_zend_mm_try_alloc(zend_mm_heap *heap, size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return heap_alloc(heap, size, OR_NULL);
}

void *_zend_mm_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    void *block = alloc_aligned_by(heap, alignment, size, ZEND_MM_ENTRANCE_HEAP);
    return checked(heap, block, size, OR_BAIL_OUT);
}

void *_zend_mm_try_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return alloc_aligned_by(heap, alignment, size, ZEND_MM_ENTRANCE_HEAP);
}

void _zend_mm_free(zend_mm_heap *heap, void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    if (!zend_mm_likely(!heap->sees_calls && zend_mm_hot_free(heap, block))) {
        zend_mm_free_by(heap, block, ZEND_MM_ENTRANCE_HEAP);
    }
}

void *_zend_mm_realloc(zend_mm_heap *heap, void *block, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return resize(heap, block, size, size, ZEND_MM_ENTRANCE_HEAP, OR_BAIL_OUT);
}

void *_zend_mm_realloc2(zend_mm_heap *heap, void *block, size_t size, size_t copy_size
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return resize(heap, block, size, copy_size, ZEND_MM_ENTRANCE_HEAP, OR_BAIL_OUT);
}

void *_zend_mm_try_realloc(zend_mm_heap *heap, void *block, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return resize(heap, block, size, size, ZEND_MM_ENTRANCE_HEAP, OR_NULL);
}

size_t _zend_mm_block_size(zend_mm_heap *heap, const void *block ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC)
{
    NOTE_PLACE(heap);
    return zend_mm_dispatch_usable_size(heap, block);
}
