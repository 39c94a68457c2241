/* error: what becomes of an allocation that the heap refuses.
 *
 *   the heap says NULL -> fallible thread ------------------------> the caller gets NULL
 *                      -> host up to 8.2.34: zend_error_noreturn() and so a bailout
 *                      -> later host, at the limit: the error is noted, the host raises it where
 *                         its state is sound; the allocation passes the limit, up to a hard one
 */
#ifndef TSRMALLOC_PHP_ERROR_H
#define TSRMALLOC_PHP_ERROR_H

#include "alloc/dispatch.h"
#include "alloc/globals.h"

/* One call of the e* family or of _zend_mm_*, so that it can be tried again. */
typedef struct php_attempt {
    zend_mm_heap *heap;         /* NULL: the thread has none, and none could be made */
    void *block;                /* to be resized; NULL: a new one */
    size_t size, copy_size;     /* bytes */
    bool is_new;                /* not even a resize of NULL: custom handlers tell them apart */
    zend_mm_entrance entrance;
} php_attempt;

/* NULL, and attempt->heap->failure. */
void *php_try(const php_attempt *attempt);
/* php_try() has failed: a block after all, or NULL in a fallible thread; else an error. */
void *php_failed_alloc(const php_attempt *attempt);

/* count * size + offset bytes are more than a size_t can say: NULL in a fallible thread, else an
 * error. */
void *php_failed_size(size_t count, size_t size, size_t offset);

/* The host has set the limit again: its last act but one when it reports an error. */
void php_end_report(zend_mm_heap *heap);

/* The same for php/late.c, of the calling thread's heap; and that the report begins. */
void tsrmalloc_php_report_begins(void);
void tsrmalloc_php_report_ends(void);

/* Owner only: of the calling thread. */
extern ZEND_MM_HIDDEN ZEND_MM_TLS bool php_fallible;
extern ZEND_MM_HIDDEN ZEND_MM_TLS uint64_t php_allocs_left;     /* 0: not counted */
extern ZEND_MM_HIDDEN ZEND_MM_TLS int64_t php_hard_limit_percent;

/* zend_mm_set_max_allocs: has this allocation, of a tracked heap, to fail? */
bool php_is_refused_by_count(const php_attempt *attempt);

#endif
