/* face: PHP's memory manager as its programs and extensions see it (8.2 to 8.4, release builds).
 * The functions have C names of their own and PHP's names as symbols: several of those mean
 * something else in zend_alloc.h. Those that mean the same there are exported by the core itself.
 * Unless it says otherwise a function is called by any thread and works on that thread's heap.
 */
#ifndef TSRMALLOC_PHP_FACE_H
#define TSRMALLOC_PHP_FACE_H

#include "alloc/heap.h"

#define PHP_SYMBOL(name) __asm__(name) __attribute__((visibility("default")))

/* ---- emalloc.c: the request family; at the limit as error.h says ---- */

void *php_emalloc(size_t size) PHP_SYMBOL("_emalloc");
void *php_emalloc_large(size_t size) PHP_SYMBOL("_emalloc_large");
void *php_emalloc_huge(size_t size) PHP_SYMBOL("_emalloc_huge");
void php_efree(void *block) PHP_SYMBOL("_efree");
void php_efree_large(void *block, size_t size) PHP_SYMBOL("_efree_large");
void php_efree_huge(void *block, size_t size) PHP_SYMBOL("_efree_huge");
void *php_erealloc(void *block, size_t size) PHP_SYMBOL("_erealloc");
void *php_erealloc2(void *block, size_t size, size_t copy_size) PHP_SYMBOL("_erealloc2");
void *php_ecalloc(size_t count, size_t size) PHP_SYMBOL("_ecalloc");
void *php_safe_emalloc(size_t count, size_t size, size_t offset) PHP_SYMBOL("_safe_emalloc");
void *php_safe_erealloc(void *block, size_t count, size_t size, size_t offset)
    PHP_SYMBOL("_safe_erealloc");
char *php_estrdup(const char *string) PHP_SYMBOL("_estrdup");
char *php_estrndup(const char *string, size_t length) PHP_SYMBOL("_estrndup");

/* For sizes that the compiler knows. _efree_N trusts N: the block is of that bin. */
#define PHP_DECLARE_BIN(index, slot_size, slots, pages) \
    void *php_emalloc_##slot_size(void) PHP_SYMBOL("_emalloc_" #slot_size); \
    void php_efree_##slot_size(void *block) PHP_SYMBOL("_efree_" #slot_size);
ZEND_MM_BINS(PHP_DECLARE_BIN)
#undef PHP_DECLARE_BIN

/* On an explicit heap of the calling thread; custom handlers are not asked. */
void *php_mm_alloc(zend_mm_heap *heap, size_t size) PHP_SYMBOL("_zend_mm_alloc");
void php_mm_free(zend_mm_heap *heap, void *block) PHP_SYMBOL("_zend_mm_free");
void *php_mm_realloc(zend_mm_heap *heap, void *block, size_t size) PHP_SYMBOL("_zend_mm_realloc");
void *php_mm_realloc2(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
    PHP_SYMBOL("_zend_mm_realloc2");

/* ---- fallible.c: NULL instead of an error. Late 8.2 and later ---- */

void *php_femalloc(size_t size) PHP_SYMBOL("_femalloc");
void *php_fecalloc(size_t count, size_t size) PHP_SYMBOL("_fecalloc");
void *php_ferealloc(void *block, size_t size) PHP_SYMBOL("_ferealloc");
void *php_ferealloc2(void *block, size_t size, size_t copy_size) PHP_SYMBOL("_ferealloc2");
void *php_safe_femalloc(size_t count, size_t size, size_t offset) PHP_SYMBOL("_safe_femalloc");
void *php_safe_ferealloc(void *block, size_t count, size_t size, size_t offset)
    PHP_SYMBOL("_safe_ferealloc");
/* While it is set, every allocation of the thread is fallible. */
bool php_is_fallible(void) PHP_SYMBOL("zend_mm_is_fallible");
void php_set_fallible(bool fallible) PHP_SYMBOL("zend_mm_set_fallible");
/* With USE_TRACKED_ALLOC: the `count`-th allocation from now hits the limit; 0: none does. */
void php_set_max_allocs(uint64_t count) PHP_SYMBOL("zend_mm_set_max_allocs");
bool php_max_allocs_hit(void) PHP_SYMBOL("zend_mm_max_allocs_hit");

/* ---- heaps.c: heaps as objects ---- */

/* PHP's storage interface (7.0 and later): chunks of a size, at an alignment. truncate and extend
 * may be NULL, and may refuse. */
typedef struct php_mm_storage php_mm_storage;
typedef struct php_mm_handlers {
    void *(*chunk_alloc)(php_mm_storage *storage, size_t size, size_t alignment);
    void (*chunk_free)(php_mm_storage *storage, void *chunk, size_t size);
    bool (*chunk_truncate)(php_mm_storage *storage, void *chunk, size_t old_size, size_t new_size);
    bool (*chunk_extend)(php_mm_storage *storage, void *chunk, size_t old_size, size_t new_size);
} php_mm_handlers;
struct php_mm_storage {
    php_mm_handlers handlers;
    void *data;
};

/* A heap on the caller's storage, whose `data` is a copy of data_size bytes (NULL for data NULL).
 * NULL: the storage gives nothing, or nothing at a multiple of 2 MiB. */
zend_mm_heap *php_startup_ex(const php_mm_handlers *handlers, void *data, size_t data_size)
    PHP_SYMBOL("zend_mm_startup_ex");
/* End a request (full false) or the heap. */
void php_shutdown(zend_mm_heap *heap, bool full, bool silent) PHP_SYMBOL("zend_mm_shutdown");
/* NULL for a heap on the built-in storage. */
php_mm_storage *php_get_storage(zend_mm_heap *heap) PHP_SYMBOL("zend_mm_get_storage");
/* As PHP does, of the calling thread's heap, whatever is named. */
bool php_is_custom_heap(zend_mm_heap *heap) PHP_SYMBOL("zend_mm_is_custom_heap");
/* 0 under custom handlers. */
size_t php_mem_block_size(void *block) PHP_SYMBOL("_zend_mem_block_size");
size_t php_mm_block_size(zend_mm_heap *heap, void *block) PHP_SYMBOL("_zend_mm_block_size");

/* ---- manager.c: the process's manager and the thread's heap ---- */

void php_start_memory_manager(void) PHP_SYMBOL("start_memory_manager");
void php_shutdown_memory_manager(bool silent, bool full) PHP_SYMBOL("shutdown_memory_manager");
zend_mm_heap *php_set_heap(zend_mm_heap *heap) PHP_SYMBOL("zend_mm_set_heap");
zend_mm_heap *php_get_heap(void) PHP_SYMBOL("zend_mm_get_heap");
bool php_is_zend_mm(void) PHP_SYMBOL("is_zend_mm");
/* Bytes that main.c of a ZTS PHP reserves; only in the archive, which is linked with main.c. */
size_t php_globals_size(void) PHP_SYMBOL("zend_mm_globals_size");

/* ---- limits.c ---- */

typedef enum php_result { PHP_SUCCESS = 0, PHP_FAILURE = -1 } php_result;

/* Bytes; FAILURE: the heap holds more. */
php_result php_set_memory_limit(size_t limit) PHP_SYMBOL("zend_set_memory_limit");
/* Up to this many percent of the limit a late 8.2 goes on, to where it can stop; -1: twice the
 * limit, or 1 GiB above it if that is less. FAILURE: below 100, or the heap is beyond its limit. */
php_result php_set_memory_hard_limit_percent(int64_t percent)
    PHP_SYMBOL("zend_set_memory_hard_limit_percent");
bool php_is_reporting(void) PHP_SYMBOL("zend_alloc_in_memory_limit_error_reporting");
size_t php_memory_usage(bool real) PHP_SYMBOL("zend_memory_usage");
size_t php_memory_peak_usage(bool real) PHP_SYMBOL("zend_memory_peak_usage");

/* ---- error.c ---- */

/* delay: the host raises the error where its state is consistent. Else the process ends. */
void php_delayed_error_or_panic(bool delay, const char *format, ...)
    PHP_SYMBOL("zend_mm_delayed_error_or_panic") TSRM_PRINTF(2, 3);
/* free(); 8.4 and later. */
void php_persistent_free(void *block) PHP_SYMBOL("__zend_free");

#endif
