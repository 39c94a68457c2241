/* heap_registry: the process-wide array of heap structs; an index in the segment map means one.
 * Owns        slabs of heap structs, mapped (but the first) when first needed and never unmapped: a
 *             thread may look at the struct of a heap that has just ended.
 * Thread      any.
 * Invariants  I1  an index is taken by setting its bit in `taken`, by compare-and-swap
 *             I2  the slab of a taken index is published
 * Failure     NULL when no index is free or a slab cannot be mapped; nothing is held then.
 * Tests       tests/unit/heap_registry.c
 */
#include "config.h"

#include <string.h>

#include "alloc/heap.h"
#include "alloc/os.h"

#define SLAB_SIZE ZEND_MM_SEGMENT_SIZE
#define SLAB_STRUCT_COUNT (SLAB_SIZE / ZEND_MM_HEAP_STRUCT_SIZE)
#define FIRST_SLAB_ALIGNMENT ((size_t)4096)
#define SLAB_COUNT ((ZEND_MM_HEAP_INDEX_MAX + 1) / SLAB_STRUCT_COUNT + 1)
#define WORD_COUNT ((ZEND_MM_HEAP_INDEX_MAX + 1) / 64 + 1)

_Static_assert(sizeof(zend_mm_heap) <= ZEND_MM_HEAP_STRUCT_SIZE, "a heap struct fits");

/* What a program touches comes last, which is first in what compilers make of it: see alloc/local.mk. */

/* The first slab: most programs need no other. Untouched, its structs are no memory. It begins at a page,
 * but the array does not: all variables of the library would move to a page of their own. */
static char first_slab[SLAB_SIZE + FIRST_SLAB_ALIGNMENT];
/* atomic: published once by compare-and-swap (release), read with acquire. The first slab's is NULL. */
static char *_Atomic slabs[SLAB_COUNT];
/* atomic: a bit is set by compare-and-swap (acquire), cleared by fetch-and (release), so that the
 * next user of a struct sees it as the last one left it. Bit 0 of word 0 is no index. */
static _Atomic uint64_t taken[WORD_COUNT];

/* NULL: it was not needed yet. */
static char *find_slab(size_t slab)
{
    if (slab == 0) {
        size_t before = -(uintptr_t)first_slab % FIRST_SLAB_ALIGNMENT;
        return first_slab + before;
    }
    return atomic_load_explicit(&slabs[slab], memory_order_acquire);
}

static char *slab_of(size_t slab)
{
    char *memory = find_slab(slab);
    if (memory != NULL) {
        return memory;
    }
    char *fresh = zend_mm_os_map(SLAB_SIZE, ZEND_MM_OS_NO_FILE);
    if (fresh == NULL) {
        return NULL;
    }
    if (atomic_compare_exchange_strong_explicit(&slabs[slab], &memory, fresh, memory_order_acq_rel,
            memory_order_acquire)) {
        return fresh;
    }
    zend_mm_os_unmap(fresh, SLAB_SIZE);     /* another thread was first */
    return memory;
}

/* Set the lowest clear bit; 0 when all are set. */
static uint16_t take_index(void)
{
    for (size_t word = 0; word < WORD_COUNT; word++) {
        uint64_t bits = atomic_load_explicit(&taken[word], memory_order_relaxed);
        uint64_t no_index = word == 0;
        while (~(bits | no_index) != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~(bits | no_index));
            size_t index = word * 64 + bit;
            if (index > ZEND_MM_HEAP_INDEX_MAX) {
                return 0;
            }
            if (atomic_compare_exchange_weak_explicit(&taken[word], &bits,
                    bits | UINT64_C(1) << bit, memory_order_acquire, memory_order_relaxed)) {
                return (uint16_t)index;
            }
        }
    }
    return 0;
}

void zend_mm_registry_release(uint16_t index)
{
    atomic_fetch_and_explicit(&taken[index / 64], ~(UINT64_C(1) << index % 64),
        memory_order_release);
}

zend_mm_heap *zend_mm_registry_heap(uint16_t index)
{
    char *slab = find_slab(index / SLAB_STRUCT_COUNT);
    return (zend_mm_heap *)(void *)(slab + index % SLAB_STRUCT_COUNT * ZEND_MM_HEAP_STRUCT_SIZE);
}

bool zend_mm_registry_is_taken(uint16_t index)
{
    uint64_t bits = atomic_load_explicit(&taken[index / 64], memory_order_acquire);
    return (bits >> index % 64 & 1) != 0
        && find_slab(index / SLAB_STRUCT_COUNT) != NULL;
}

zend_mm_heap *zend_mm_registry_acquire(void)
{
    uint16_t index = take_index();
    if (index == 0) {
        return NULL;
    }
    if (slab_of(index / SLAB_STRUCT_COUNT) == NULL) {
        zend_mm_registry_release(index);
        return NULL;
    }
    zend_mm_heap *heap = zend_mm_registry_heap(index);
    /* Other threads may be reading the snapshot. */
    memset(heap, 0, offsetof(zend_mm_heap, snapshot));
    atomic_store_explicit(&heap->snapshot.is_listed, 0, memory_order_relaxed);
    atomic_store_explicit(&heap->snapshot.thread, 0, memory_order_relaxed);
    heap->index = index;
    return heap;
}
