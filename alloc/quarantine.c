/* quarantine: freed blocks that rest.
 * Owns        heap->debug->quarantine.
 * Thread      the heap's owner.
 * Invariants  I1  what rests is live for the heap below, and hidden from its first to its last byte
 *             I2  heap->quarantined_size counts it, so that the heap's size does not
 * Failure     none.
 * Tests       tests/unit/shadow.c, tests/shadow/tools.sh
 */
#include "config.h"

#include "alloc/quarantine.h"

#include "alloc/debug.h"
#include "alloc/hardened.h"
#include "alloc/os_shadow.h"

/* The heap below writes its link into a free slot's first word; the hardened mode fills all of it. A
 * run and a huge block stay hidden: nobody writes there, and who gives the memory away shows it. */
static void release(zend_mm_heap *heap, void *base, size_t size)
{
    if (size <= ZEND_MM_MAX_SMALL_SIZE) {
        zend_mm_os_shadow_show(base, heap->hardened != NULL ? size : sizeof(zend_mm_slot));
    }
    zend_mm_base_free(heap, base);
}

static void release_oldest(zend_mm_heap *heap, zend_mm_quarantine *quarantine)
{
    void *base = quarantine->blocks[quarantine->first];
    size_t size = zend_mm_heap_find_size(heap, base);
    quarantine->first = (quarantine->first + 1) % ZEND_MM_QUARANTINE_COUNT;
    quarantine->count--;
    quarantine->size -= size;
    heap->quarantined_size -= size;
    release(heap, base, size);
}

void zend_mm_quarantine_give(zend_mm_heap *heap, void *base)
{
    zend_mm_quarantine *quarantine = heap->debug->quarantine;
    size_t size = zend_mm_heap_find_size(heap, base);
    if (size > ZEND_MM_QUARANTINE_SIZE) {
        release(heap, base, size);      /* alone too large: its mapping goes instead */
        return;
    }
    while (quarantine->count == ZEND_MM_QUARANTINE_COUNT
            || quarantine->size > ZEND_MM_QUARANTINE_SIZE - size) {
        release_oldest(heap, quarantine);
    }
    quarantine->blocks[(quarantine->first + quarantine->count) % ZEND_MM_QUARANTINE_COUNT] = base;
    quarantine->count++;
    quarantine->size += size;
    heap->quarantined_size += size;
}

bool zend_mm_quarantine_flush(zend_mm_heap *heap)
{
    zend_mm_quarantine *quarantine = heap->debug != NULL ? heap->debug->quarantine : NULL;
    if (quarantine == NULL || quarantine->count == 0) {
        return false;
    }
    while (quarantine->count > 0) {
        release_oldest(heap, quarantine);
    }
    return true;
}

void zend_mm_quarantine_clear(zend_mm_heap *heap)
{
    zend_mm_quarantine *quarantine = heap->debug->quarantine;
    heap->quarantined_size -= quarantine->size;
    quarantine->count = quarantine->size = 0;
}
