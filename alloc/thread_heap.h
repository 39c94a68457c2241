/* thread_heap: the calling thread's heap as the hot path finds it: what the library and the drop-in for
 * PHP share. Where the heap comes from is globals.c's to say, and php/manager.c's. */
#ifndef TSRMALLOC_THREAD_HEAP_H
#define TSRMALLOC_THREAD_HEAP_H

#include "alloc/dispatch.h"
#include "alloc/heap.h"

/* In PHP (php/) each thread has its heap, though TSRM's macros are empty. */
#if defined(ZTS) || defined(TSRMALLOC_PHP)
# define ZEND_MM_TLS _Thread_local __attribute__((tls_model("initial-exec")))
#else
# define ZEND_MM_TLS
#endif

/* The heaps that own nothing. Their buckets are empty and no address is theirs, so every hot path
 * falls into its slow half: `empty` means "look AG(mm_heap) up", `dispatch` means "this thread's
 * heap must see every call". Constant: nothing ever writes to them. */
extern ZEND_MM_HIDDEN const zend_mm_heap zend_mm_empty_heap;
extern ZEND_MM_HIDDEN const zend_mm_heap zend_mm_dispatch_heap;

/* This thread's caches of AG(mm_heap): the hot path reads `hot`, which is the heap itself, or one of
 * the two constants; `current` is the heap, or NULL while `hot` is the empty one. */
extern ZEND_MM_HIDDEN ZEND_MM_TLS zend_mm_heap *zend_mm_hot_heap;
extern ZEND_MM_HIDDEN ZEND_MM_TLS zend_mm_heap *zend_mm_current_heap;

static inline bool zend_mm_is_constant_heap(const zend_mm_heap *heap)
{
    return heap->index == ZEND_MM_HEAP_INDEX_CONSTANT;
}

/* A mode of the heap was switched on or off: recompute heap->sees_calls, and the thread's hot heap if
 * it is this heap. Owner. */
void zend_mm_update_entrance(zend_mm_heap *heap);

/* The calling thread's heap, looked up or made; NULL when the storage has none to give. Slow. */
zend_mm_heap *zend_mm_find_current_heap(void);

/* The heap behind the thread's hot heap; NULL: it has none and can get none. */
static inline zend_mm_heap *zend_mm_heap_of_thread(void)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    return zend_mm_is_constant_heap(heap) ? zend_mm_find_current_heap() : heap;
}

/* The thread has no heap, or another one (which may be NULL). */
void zend_mm_forget_heap(void);
void zend_mm_use_heap(zend_mm_heap *heap);

/* USE_ZEND_ALLOC=0: a heap without memory of its own that passes every call on to these functions;
 * NULL: no memory. */
zend_mm_heap *zend_mm_new_passing_heap(void *(*malloc_function)(size_t size),
    void (*free_function)(void *block), void *(*realloc_function)(void *block, size_t size));

/* Free a block by way of the heap's mode, errno kept. */
void zend_mm_free_by(zend_mm_heap *heap, void *block, zend_mm_entrance entrance);
/* Whatever the hot half of efree() could not free. */
void zend_mm_efree_slow(void *block);

typedef enum zend_mm_remote_free_policies {
    ZEND_MM_REMOTE_FREE_ACCEPT,
    ZEND_MM_REMOTE_FREE_PANIC,
} zend_mm_remote_free_policies;

/* ZEND_MM_REMOTE_FREE; const after start_memory_manager(). */
extern ZEND_MM_HIDDEN zend_mm_remote_free_policies zend_mm_remote_free_policy;

#endif
