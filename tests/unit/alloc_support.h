/* alloc_support: what the unit tests of alloc/ share: a started heap, a storage that counts and can
 * be told to fail, an error callback that keeps what it hears. One test program, one .c file that
 * includes this; every test case runs in a process of its own, so the state is fresh. */
#ifndef TSRMALLOC_TESTS_UNIT_ALLOC_SUPPORT_H
#define TSRMALLOC_TESTS_UNIT_ALLOC_SUPPORT_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "alloc/debug.h"
#include "alloc/globals.h"
#include "alloc/heap.h"
#include "alloc/os.h"
#include "tests/support/place.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

/* ---- pointers as numbers: the compiler may not reason about what the heap returns ---- */

static inline uintptr_t number_of(const void *volatile pointer)
{
    return (uintptr_t)pointer;
}

static inline bool is_aligned_to(const void *pointer, size_t alignment)
{
    return number_of(pointer) % alignment == 0;
}

/* A size that the compiler does not know, for sizes it would warn about. */
static inline size_t unknown(size_t size)
{
    volatile size_t hidden = size;
    return hidden;
}

/* ---- heaps ---- */

static inline const char *broken_invariant(const zend_mm_heap *heap)
{
    const char *what = NULL;
    return zend_mm_heap_is_valid(heap, &what) ? NULL : what;
}

#define check_valid(heap) \
    do { \
        const char *broken_ = broken_invariant(heap); \
        cr_assert_null(broken_, "%s", broken_); \
    } while (0)

static inline void begin_memory_manager(void)
{
#ifdef ZTS
    if (!tsrm_startup(1, 1, 0, NULL) || ts_resource(0) == NULL) {
        fprintf(stderr, "tsrm_startup failed\n");
        abort();
    }
#endif
    TSRMLS_FETCH();
    start_memory_manager(TSRMLS_C);
}

/* In a debug build each heap remembers its blocks; after this it does not. It has none yet. */
static inline void make_plain(zend_mm_heap *heap)
{
    if (heap->debug != NULL) {
        zend_mm_debug_end(heap, true);
        heap->has_padding = false;
        zend_mm_update_entrance(heap);
    }
}

/* What a thread's hot heap is while `heap` is its heap and no mode was asked for: in a debug build
 * every heap sees its calls. */
static inline const zend_mm_heap *hot_heap_of(const zend_mm_heap *heap)
{
    return ZEND_DEBUG ? &zend_mm_dispatch_heap : heap;
}

static inline size_t usage(int real)
{
    TSRMLS_FETCH();
    return zend_memory_usage(real TSRMLS_CC);
}

static inline size_t peak_usage(int real)
{
    TSRMLS_FETCH();
    return zend_memory_peak_usage(real TSRMLS_CC);
}

static inline void end_request(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(1, 0 TSRMLS_CC);
}

static inline void end_memory_manager(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(1, 1 TSRMLS_CC);
}

static inline zend_mm_heap *set_heap(zend_mm_heap *heap)
{
    TSRMLS_FETCH();
    return zend_mm_set_heap(heap TSRMLS_CC);
}

/* ---- an error callback that keeps what it hears ---- */

static struct {
    int count;
    zend_mm_error_kind kind;
    char message[400];
    void (*meanwhile)(void);    /* runs inside the callback, if set */
} heard;

static inline void hear(zend_mm_error_kind kind, const char *message)
{
    heard.count++;
    heard.kind = kind;
    snprintf(heard.message, sizeof heard.message, "%s", message);
    cut_place(heard.message);
    if (heard.meanwhile != NULL) {
        heard.meanwhile();
    }
}

/* ---- a storage that counts ---- */

static struct {
    void *params;               /* of the last init */
    int init_count, dtor_count, compact_count;
    int alloc_count, realloc_count, free_count;
    size_t live_count, live_size;           /* blocks given out */
    size_t peak_size;                       /* the largest live_size */
    size_t compact_live_count;              /* blocks given out while compact ran */
    size_t smallest_size, smallest_freed;   /* bytes of one _alloc, of one _free */
    bool refuse_init, refuse_alloc, refuse_realloc;
    size_t misalignment;                    /* bytes added to the address of each block */
    zend_mm_storage storage;
} counted;

static inline zend_mm_storage *counted_init(void *params)
{
    counted.init_count++;
    counted.params = params;
    return counted.refuse_init ? NULL : &counted.storage;
}

static inline void counted_dtor(zend_mm_storage *storage)
{
    (void)storage;
    counted.dtor_count++;
}

static inline void counted_compact(zend_mm_storage *storage)
{
    (void)storage;
    counted.compact_count++;
    counted.compact_live_count = counted.live_count;
}

static inline void note_peak_size(void)
{
    if (counted.live_size > counted.peak_size) {
        counted.peak_size = counted.live_size;
    }
}

static inline void *counted_alloc(zend_mm_storage *storage, size_t size)
{
    (void)storage;
    counted.alloc_count++;
    if (counted.refuse_alloc) {
        return NULL;
    }
    char *block = zend_mm_os_map(size + counted.misalignment, ZEND_MM_OS_NO_FILE);
    if (block == NULL) {
        return NULL;
    }
    counted.live_count++;
    counted.live_size += size;
    note_peak_size();
    if (counted.smallest_size == 0 || size < counted.smallest_size) {
        counted.smallest_size = size;
    }
    return block + counted.misalignment;
}

static inline void *counted_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    (void)storage;
    counted.realloc_count++;
    if (counted.refuse_realloc) {
        return NULL;
    }
    void *moved = zend_mm_os_remap(block, old_size, new_size, ZEND_MM_OS_NO_FILE);
    if (moved != NULL) {
        counted.live_size += new_size;
        counted.live_size -= old_size;
        note_peak_size();
    }
    return moved;
}

static inline void counted_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)storage;
    counted.free_count++;
    counted.live_count--;
    counted.live_size -= size;
    if (counted.smallest_freed == 0 || size < counted.smallest_freed) {
        counted.smallest_freed = size;
    }
    zend_mm_os_unmap((char *)block - counted.misalignment, size + counted.misalignment);
    errno = 99;     /* as a user's storage may */
}

static const zend_mm_mem_handlers counted_handlers = {
    "counted", counted_init, counted_dtor, counted_compact, counted_alloc, counted_realloc,
    counted_free,
};

/* A heap on the counting storage; units of `block_size` bytes. */
static inline zend_mm_heap *new_counted_heap(size_t block_size, size_t reserve_size, int internal)
{
    return zend_mm_startup_ex(&counted_handlers, block_size, reserve_size, internal, NULL);
}

static inline zend_mm_heap *new_heap(void)
{
    return zend_mm_startup_ex(&zend_mm_storage_find(NULL)->handlers, ZEND_MM_SEGMENT_SIZE,
        ZEND_MM_DEFAULT_RESERVE_SIZE, 0, NULL);
}

#endif
