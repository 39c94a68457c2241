/* storage_fault: storage handlers that fail the n-th call, and that count what they gave.
 *
 *     storage_fault fault = { .fail_at = n };
 *     zend_mm_heap *heap = zend_mm_startup_ex(&storage_fault_handlers, size, reserve, 0, &fault);
 *     ...
 *     zend_mm_shutdown(heap, 1, 1);
 *     CHECK(storage_fault_is_clean(&fault));
 */
#ifndef TSRMALLOC_TESTS_SUPPORT_STORAGE_FAULT_H
#define TSRMALLOC_TESTS_SUPPORT_STORAGE_FAULT_H

#include "alloc/zend_alloc.h"

#define STORAGE_FAULT_BLOCK_COUNT 512

typedef struct storage_fault_block {
    char *address;      /* what the heap got; NULL: free place */
    char *base;         /* what the C library gave */
    size_t size;
} storage_fault_block;

/* How calls fail: they give NULL, or a block that is not aligned. */
typedef enum storage_fault_kind {
    STORAGE_FAULT_NULL,
    STORAGE_FAULT_MISALIGNED,       /* of _alloc only; _realloc gives NULL */
} storage_fault_kind;

/* What the test sets, then what the handlers count. One heap, one thread at a time. */
typedef struct storage_fault {
    size_t fail_at;                 /* the _alloc or _realloc call that fails first; 0 = none */
    size_t fail_count;              /* so many calls in a row fail; 0 means 1 */
    storage_fault_kind kind;
    bool fail_init;
    bool can_resize;                /* _realloc works (by moving); else it always gives NULL */

    size_t call_count;              /* _alloc and _realloc calls */
    size_t failure_count;           /* those of them that failed on purpose */
    size_t live_size, live_count;   /* blocks given and not taken back */
    size_t init_count, dtor_count, compact_count;
    const char *misuse;             /* the first call that was wrong; NULL: none */
    storage_fault_block blocks[STORAGE_FAULT_BLOCK_COUNT];
} storage_fault;

/* params of zend_mm_startup_ex() is a storage_fault. */
extern const zend_mm_mem_handlers storage_fault_handlers;

/* true when all was given back once, as it was given, and each init was met by one dtor. */
bool storage_fault_is_clean(const storage_fault *fault);

#endif
