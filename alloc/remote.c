/* remote: the one wrapper around ck_stack.
 * Owns        the list head; the first word of each block on the list.
 * Thread      push: any. take, next: the owner.
 * Invariants  a block is on at most one list. Nothing is popped singly, so there is no ABA.
 * Failure     none.
 * Tests       tests/unit/remote.c, tests/stress/remote_threads.c
 */
#include "config.h"

#include "alloc/remote.h"

#include "alloc/tsan.h"

void zend_mm_remote_init(zend_mm_remote *remote)
{
    ck_stack_init(&remote->blocks);
    atomic_store_explicit(&remote->free_count, 0, memory_order_relaxed);
}

void zend_mm_remote_push(zend_mm_remote *remote, void *block)
{
    atomic_fetch_add_explicit(&remote->free_count, 1, memory_order_relaxed);
    zend_mm_tsan_release(block);
    ck_stack_push_upmc(&remote->blocks, block);
}

void *zend_mm_remote_take(zend_mm_remote *remote)
{
    return ck_stack_batch_pop_upmc(&remote->blocks);
}

void *zend_mm_remote_next(void *block)
{
    zend_mm_tsan_acquire(block);
    return CK_STACK_NEXT((ck_stack_entry_t *)block);
}
