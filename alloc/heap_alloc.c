/* heap_alloc: the slow halves of allocation and free.
 * Owns        nothing of its own; moves slots, runs and huge blocks between heap and caller.
 * Thread      the heap's owner; zend_mm_heap_free() hands another heap's block to its owner.
 * Invariants  an address is looked up in the segment map before anything is read near it.
 * Failure     allocation: NULL with heap->failure set, the heap as before. Free: a pointer that is
 *             no live block ends the process.
 * Tests       tests/unit/heap.c, tests/death/misuse.c, tests/stress/remote_threads.c
 */
#include "config.h"

#include <stdio.h>

#include "alloc/checks.h"
#include "alloc/dispatch.h"
#include "alloc/globals.h"
#include "alloc/heap.h"
#include "alloc/os_shadow.h"
#include "alloc/panic.h"

static size_t bin_size(uint32_t bin)
{
    return zend_mm_bin_infos[bin].slot_size;
}

/* ---- allocation ---- */

/* A free slot's first word is the heap's. */
static void show_links(char *slots, size_t count, size_t size)
{
    for (size_t index = 0; index < count; index++) {
        zend_mm_os_shadow_show(slots + index * size, sizeof(zend_mm_slot));
    }
}

/* A page of slots is carved at a time: a bucket that runs empty at every other allocation makes the
 * hot path's branch a coin toss. (One slot at a time cost 12 % on the traces, a kilobyte 3 %.) */
void *zend_mm_heap_carve(zend_mm_heap *heap, uint32_t bin)
{
    zend_mm_bucket *bucket = &heap->free_buckets[bin];
    zend_mm_carve *carve = &heap->carve[bin];
    if (carve->next == carve->end || bucket->first != NULL) {
        return NULL;
    }
    size_t size = bin_size(bin);
    char *slot = carve->next;
    size_t left = (size_t)(carve->end - slot);
    size_t batch = zend_mm_bin_infos[bin].carve_size;
    carve->next = slot + (batch < left ? batch : left);
    if (heap->hides_memory) {
        show_links(slot, (size_t)(carve->next - slot) / size, size);
    }
    zend_mm_slot *next = NULL;
    for (char *more = carve->next - size; more != slot; more -= size) {
        ((zend_mm_slot *)(void *)more)->link = zend_mm_link_encode(next, heap->link_key);
        next = (zend_mm_slot *)(void *)more;
    }
    bucket->first = bucket->second = next;
    bucket->used_count++;
    return slot;
}

static void *pop(zend_mm_heap *heap, uint32_t bin)
{
    zend_mm_bucket *bucket = &heap->free_buckets[bin];
    zend_mm_slot *slot = bucket->first;
    uintptr_t opened = zend_mm_link_open(slot, heap->link_key);
    if ((opened & ZEND_MM_LINK_INVALID) != 0) {
        zend_mm_panic("a free slot was overwritten", slot, (int)bin);
    }
    bucket->first = bucket->second = zend_mm_link_next(opened);
    bucket->used_count++;
    return slot;
}

static void *alloc_from_new_run(zend_mm_heap *heap, uint32_t bin)
{
    const zend_mm_bin_info *info = &zend_mm_bin_infos[bin];
    if (zend_mm_heap_drain_remote(heap) && heap->free_buckets[bin].first != NULL) {
        return pop(heap, bin);
    }
    char *run = zend_mm_heap_alloc_pages(heap, info->page_count);
    if (run != NULL) {
        zend_mm_run_mark_small(&heap->free_runs, run, bin, info->page_count);
        heap->run_counts[bin]++;
        heap->runs_size += (size_t)info->page_count * ZEND_MM_PAGE_SIZE;
        heap->carve[bin].next = run;
        heap->carve[bin].end = run + (size_t)info->slot_count * info->slot_size;
    }
    /* What was reclaimed for the run may include slots of this bin. */
    void *slot = heap->free_buckets[bin].first != NULL ? pop(heap, bin)
                                                       : zend_mm_heap_carve(heap, bin);
    zend_mm_heap_grown(heap);
    return slot;
}

static void *alloc_small(zend_mm_heap *heap, uint32_t bin)
{
    if (heap->free_buckets[bin].first != NULL) {
        return pop(heap, bin);
    }
    void *slot = zend_mm_heap_carve(heap, bin);
    return slot != NULL ? slot : alloc_from_new_run(heap, bin);
}

static void *alloc_large(zend_mm_heap *heap, size_t size)
{
    uint32_t count = (uint32_t)((size + ZEND_MM_PAGE_SIZE - 1) >> ZEND_MM_PAGE_SHIFT);
    void *run = zend_mm_heap_take_held(heap, count);
    if (run == NULL) {
        run = zend_mm_heap_alloc_pages(heap, count);
    }
    if (run != NULL) {
        heap->large_size += (size_t)count << ZEND_MM_PAGE_SHIFT;
        zend_mm_heap_grown(heap);
    }
    return run;
}

void *zend_mm_heap_alloc(zend_mm_heap *heap, size_t size)
{
    if (size <= ZEND_MM_MAX_SMALL_SIZE) {
        void *slot = alloc_small(heap, zend_mm_bin_of(size));
        /* While an error is reported the reserve may be all there is: a page is easier to find there
         * than a run of the bin. */
        return slot == NULL && heap->overflow ? alloc_large(heap, size) : slot;
    }
    (void)zend_mm_heap_drain_remote(heap);
    if (size <= ZEND_MM_MAX_LARGE_SIZE) {
        return alloc_large(heap, size);
    }
    return zend_mm_heap_huge_alloc(heap, size);
}

/* ---- free ---- */

static void push_slot(zend_mm_heap *heap, uint32_t bin, void *block)
{
    zend_mm_bucket *bucket = &heap->free_buckets[bin];
    zend_mm_slot *slot = block;
    slot->link = zend_mm_link_encode(bucket->first, heap->link_key);
    bucket->second = bucket->first;
    bucket->first = slot;
    bucket->used_count--;
}

static void free_small(zend_mm_heap *heap, uint32_t mark, void *block)
{
    uint32_t bin = zend_mm_mark_bin(mark);
    const zend_mm_bucket *bucket = &heap->free_buckets[bin];
    if (!zend_mm_is_slot_start(bucket, mark, block)) {
        zend_mm_panic("free of an address inside a block", block, (int)bin);
    }
    if (ZEND_MM_CHECK_DOUBLE_FREE && (block == bucket->first || block == bucket->second)) {
        zend_mm_panic("a block was freed twice", block, (int)bin);
    }
    push_slot(heap, bin, block);
}

/* No block starts at this address of the heap: say why. */
static void panic_no_block(const zend_mm_segment_info *info, void *block)
{
    uint32_t page = zend_mm_page_of(block);
    bool is_page = ((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) == 0;
    const char *what = "free of an address where no block starts";
    bool is_free = zend_mm_page_is_set(&info->free_pages, page);
    if (is_free && is_page) {
        what = "a large block was freed twice";
    } else if (!is_free && page >= ZEND_MM_FIRST_PAGE) {
        what = "free of an address inside a large block";
    }
    zend_mm_panic(what, block, ZEND_MM_NO_BIN);
}

static void free_in_segment(zend_mm_heap *heap, void *block)
{
    const zend_mm_segment_info *info = zend_mm_segment_info_of(&heap->free_runs, block);
    uint32_t count = zend_mm_large_length(info, zend_mm_page_of(block));
    if (count != 0 && ((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) == 0) {
        if (zend_mm_heap_is_held(heap, block, count)) {
            zend_mm_panic("a large block was freed twice", block, ZEND_MM_NO_BIN);
        }
        heap->large_size -= (size_t)count << ZEND_MM_PAGE_SHIFT;
        if (!zend_mm_heap_hold(heap, block, count)) {
            zend_mm_heap_free_pages(heap, block, count);
        }
        return;
    }
    uint32_t mark = *zend_mm_mark_of(block);
    if (zend_mm_mark_bin(mark) < ZEND_MM_BIN_COUNT) {
        free_small(heap, mark, block);
    } else {
        panic_no_block(info, block);
    }
}

static void free_huge(zend_mm_heap *heap, void *block)
{
    if (((uintptr_t)block & ZEND_MM_SEGMENT_MASK) != 0) {
        zend_mm_panic("free of an address inside a huge block", block, ZEND_MM_NO_BIN);
    }
    zend_mm_heap_huge_free(heap, block);
}

/* Both threads are named: the one that made or last used the block's heap, and the caller. */
static void panic_not_ours(const zend_mm_heap *owner_heap, const void *block)
{
    char what[80];
    snprintf(what, sizeof what, "free of a block of another thread's heap (of thread %llu)",
        (unsigned long long)atomic_load_explicit(&owner_heap->snapshot.thread,
            memory_order_relaxed));
    zend_mm_panic(what, block, ZEND_MM_NO_BIN);
}

/* The block's heap frees it in its own time; until then the block's first word is a list link. */
static void free_remote(zend_mm_heap *heap, uint16_t owner, void *block)
{
    zend_mm_heap *owner_heap = zend_mm_registry_heap(zend_mm_owner_index(owner));
    (void)heap;
    if (zend_mm_remote_free_policy == ZEND_MM_REMOTE_FREE_PANIC || owner_heap->internal) {
        panic_not_ours(owner_heap, block);
    }
    if ((owner & ZEND_MM_OWNER_HUGE) != 0 && !owner_heap->has_padding
            && ((uintptr_t)block & ZEND_MM_SEGMENT_MASK) != 0) {
        zend_mm_panic("free of an address inside a huge block", block, ZEND_MM_NO_BIN);
    }
    if (((uintptr_t)block & (ZEND_MM_ALIGNMENT - 1)) != 0) {
        zend_mm_panic("free of an address inside a block", block, ZEND_MM_NO_BIN);
    }
    if (owner_heap->hides_memory) {
        /* A block may be shorter than the link. */
        zend_mm_os_shadow_show(block, sizeof(zend_mm_slot));
    }
    zend_mm_remote_push(&owner_heap->remote, block);
}

void zend_mm_heap_free(zend_mm_heap *heap, void *block)
{
    uint16_t owner = zend_mm_owner_of(block);
    if (owner == heap->index) {
        free_in_segment(heap, block);
    } else if (owner == (heap->index | ZEND_MM_OWNER_HUGE)) {
        free_huge(heap, block);
    } else if (owner != ZEND_MM_OWNER_NONE) {
        free_remote(heap, owner, block);
    } else if (block != NULL) {
        zend_mm_panic("free of an address that belongs to no heap", block, ZEND_MM_NO_BIN);
    }
}

bool zend_mm_heap_drain_remote(zend_mm_heap *heap)
{
    if (zend_mm_remote_is_empty(&heap->remote)) {
        return false;
    }
    void *block = zend_mm_remote_take(&heap->remote);
    while (block != NULL) {
        /* Whose it is comes before its link: a block that its owner has freed, too, may be gone, and
         * the link of one that is not is somebody else's word. */
        uint16_t owner = zend_mm_owner_of(block);
        if (zend_mm_owner_index(owner) != heap->index) {
            zend_mm_panic("a block was freed twice, once by another thread", block,
                ZEND_MM_NO_BIN);
        }
        void *next = zend_mm_remote_next(block);
        if (heap->sees_calls) {
            zend_mm_dispatch_drained(heap, block);
        } else {
            zend_mm_heap_free(heap, block);
        }
        block = next;
    }
    return true;
}
