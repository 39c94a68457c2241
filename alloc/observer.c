/* observer: callbacks that are told of a heap's calls, several at once.
 * Owns        a list of observers per heap, in C library memory.
 * Thread      the heap's owner.
 * Invariants  I1  a heap with observers has sees_calls set, so that a heap without pays nothing
 *             I2  while callbacks run, an observer that is taken off stays linked, marked dead
 * Failure     registering: NULL when the C library has no memory.
 * Tests       tests/unit/observer.c
 */
#include "config.h"

#include "alloc/observer.h"

#include <stdlib.h>

#include "alloc/globals.h"

struct zend_mm_observer {
    zend_mm_observer *next;
    zend_mm_observer_handlers handlers;
    void *data;
    bool is_dead;       /* taken off while callbacks ran */
};

static void free_dead(zend_mm_heap *heap)
{
    bool any = false;
    zend_mm_observer **link = &heap->observers;
    while (*link != NULL) {
        zend_mm_observer *observer = *link;
        if (observer->is_dead) {
            *link = observer->next;
            free(observer);
            any = true;
        } else {
            link = &observer->next;
        }
    }
    if (any) {
        zend_mm_update_entrance(heap);
    }
}

zend_mm_observer *zend_mm_observer_register(zend_mm_heap *heap,
    const zend_mm_observer_handlers *handlers, void *data)
{
    zend_mm_observer *observer = malloc(sizeof *observer);
    if (observer == NULL) {
        return NULL;
    }
    observer->handlers = *handlers;
    observer->data = data;
    observer->is_dead = false;
    observer->next = heap->observers;
    heap->observers = observer;
    zend_mm_update_entrance(heap);
    return observer;
}

void zend_mm_observer_unregister(zend_mm_heap *heap, zend_mm_observer *observer)
{
    observer->is_dead = true;
    if (!heap->is_observing) {
        free_dead(heap);
    }
}

void zend_mm_observers_free(zend_mm_heap *heap)
{
    while (heap->observers != NULL) {
        zend_mm_observer *observer = heap->observers;
        heap->observers = observer->next;
        free(observer);
    }
}

/* ---- telling ---- */

/* A callback that bails out must not leave the heap deaf, so each call of callbacks is framed. */
typedef struct event {
    enum { EVENT_MALLOC, EVENT_REALLOC, EVENT_FREE, EVENT_GC, EVENT_RESET } kind;
    void *old_block, *block;
    size_t old_size, size;
} event;

static void tell_one(const zend_mm_observer *observer, const event *what)
{
    const zend_mm_observer_handlers *handlers = &observer->handlers;
    void *data = observer->data;
    if (what->kind == EVENT_MALLOC && handlers->on_malloc != NULL) {
        handlers->on_malloc(data, what->block, what->size);
    } else if (what->kind == EVENT_REALLOC && handlers->on_realloc != NULL) {
        handlers->on_realloc(data, what->old_block, what->old_size, what->block, what->size);
    } else if (what->kind == EVENT_FREE && handlers->on_free != NULL) {
        handlers->on_free(data, what->block, what->size);
    } else if (what->kind == EVENT_GC && handlers->on_gc != NULL) {
        handlers->on_gc(data, what->size);
    } else if (what->kind == EVENT_RESET && handlers->on_reset != NULL) {
        handlers->on_reset(data, what->size != 0);
    }
}

static void tell(zend_mm_heap *heap, const event *what)
{
    if (heap->observers == NULL || heap->is_observing) {
        return;
    }
    heap->is_observing = true;
    zend_try {
        for (zend_mm_observer *observer = heap->observers; observer != NULL;
                observer = observer->next) {
            if (!observer->is_dead) {
                tell_one(observer, what);
            }
        }
    } zend_end_try();
    heap->is_observing = false;
    free_dead(heap);
}

void zend_mm_observers_tell_malloc(zend_mm_heap *heap, void *block, size_t size)
{
    tell(heap, &(event){ .kind = EVENT_MALLOC, .block = block, .size = size });
}

void zend_mm_observers_tell_realloc(zend_mm_heap *heap, void *old_block, size_t old_size,
    void *block, size_t size)
{
    tell(heap, &(event){ .kind = EVENT_REALLOC, .old_block = old_block, .old_size = old_size,
        .block = block, .size = size });
}

void zend_mm_observers_tell_free(zend_mm_heap *heap, void *block, size_t size)
{
    tell(heap, &(event){ .kind = EVENT_FREE, .block = block, .size = size });
}

void zend_mm_observers_tell_gc(zend_mm_heap *heap, size_t freed_size)
{
    tell(heap, &(event){ .kind = EVENT_GC, .size = freed_size });
}

void zend_mm_observers_tell_reset(zend_mm_heap *heap, bool full)
{
    tell(heap, &(event){ .kind = EVENT_RESET, .size = full });
}
