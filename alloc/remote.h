/* remote: blocks that another thread frees travel to the owner of their heap.
 * Any thread pushes, the owner takes the whole list in its slow path. While a block travels, its
 * first word is the list's link.
 */
#ifndef TSRMALLOC_REMOTE_H
#define TSRMALLOC_REMOTE_H

#include <ck_stack.h>
#include <stdatomic.h>

#include "alloc/zend_alloc.h"

/* On a cache line of its own: other threads write here while the owner works on its buckets. */
typedef struct zend_mm_remote {
    ck_stack_t blocks;                  /* atomic: upmc push by any thread, batch pop by the owner */
    _Atomic uint64_t free_count;        /* atomic: relaxed; blocks pushed since the heap was made */
} zend_mm_remote;

void zend_mm_remote_init(zend_mm_remote *remote);

/* Hand a block over. Any thread; the block is no longer the caller's. */
void zend_mm_remote_push(zend_mm_remote *remote, void *block);

/* Is there something to take? Owner; a push that is under way may be missed. */
static inline bool zend_mm_remote_is_empty(const zend_mm_remote *remote)
{
    return ck_pr_load_ptr(&remote->blocks.head) == NULL;
}

/* Take all blocks pushed so far, as a list for zend_mm_remote_next(). Owner. */
void *zend_mm_remote_take(zend_mm_remote *remote);

/* The block behind `block` in a taken list; read it before `block` is freed. */
void *zend_mm_remote_next(void *block);

#endif
