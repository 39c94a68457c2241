/* heap_check: does every invariant hold? Used by tests and by debug builds.
 * Owns        nothing; reads everything.
 * Thread      the heap's owner.
 * Invariants  those of segment.c, heap_pages.c, huge.c and the identities of heap.h.
 * Failure     false, and the name of the first invariant that is broken.
 * Tests       tests/unit/heap_check.c
 */
#include "config.h"

#include "alloc/heap.h"
#include "alloc/panic.h"

typedef struct totals {
    size_t segment_count;
    size_t free_run_count;
    size_t large_size;
    size_t run_slots[ZEND_MM_BIN_COUNT];    /* slots of all runs */
} totals;

static bool fail(const char **what, const char *invariant)
{
    *what = invariant;
    return false;
}

static bool check_small_run(const zend_mm_segment *segment, uint32_t first, uint32_t bin,
    const char **what)
{
    for (uint32_t number = 0; number < zend_mm_bin_infos[bin].page_count; number++) {
        if (segment->map[first + number] != (bin | number << ZEND_MM_PAGE_SHIFT)) {
            return fail(what, "segment I3: a page of a small run has another word");
        }
    }
    return true;
}

static bool check_run(const zend_mm_segment *segment, uint32_t first, uint32_t length,
    const char **what)
{
    uint32_t word = segment->map[first];
    if (length == 0 || first + length > ZEND_MM_PAGE_COUNT) {
        return fail(what, "segment I1: a run's length is impossible");
    }
    uint32_t last_word = segment->map[first + length - 1];
    if ((word | ZEND_MM_WORD_FIRST) != (last_word | ZEND_MM_WORD_FIRST)
            || (word & ZEND_MM_WORD_FIRST) == 0
            || (length > 1 && (last_word & ZEND_MM_WORD_FIRST) != 0)) {
        return fail(what, "segment I1: a run's two words disagree");
    }
    for (uint32_t page = first + 1; page + 1 < first + length; page++) {
        if (segment->map[page] != ZEND_MM_WORD_KIND_NONE) {
            return fail(what, "segment I5: an inner page has a word");
        }
    }
    return true;
}

static bool check_segment(const zend_mm_segment *segment, totals *sum, const char **what)
{
    uint32_t free_pages = 0;
    bool was_free = false;
    uint32_t page = ZEND_MM_FIRST_PAGE;
    while (page < ZEND_MM_PAGE_COUNT) {
        uint32_t word = segment->map[page];
        uint32_t kind = word & ZEND_MM_WORD_BIN_MASK;
        if (kind < ZEND_MM_BIN_COUNT) {
            if (!check_small_run(segment, page, kind, what)) {
                return false;
            }
            sum->run_slots[kind] += zend_mm_bin_infos[kind].slot_count;
            page += zend_mm_bin_infos[kind].page_count;
            was_free = false;
            continue;
        }
        uint32_t length = zend_mm_word_length(word);
        if (!check_run(segment, page, length, what)) {
            return false;
        }
        bool is_free = (word & ZEND_MM_WORD_FREE) != 0;
        if (is_free && was_free) {
            return fail(what, "segment I2: two free runs are neighbours");
        }
        sum->free_run_count += is_free;
        free_pages += is_free ? length : 0;
        sum->large_size += is_free ? 0 : (size_t)length << ZEND_MM_PAGE_SHIFT;
        was_free = is_free;
        page += length;
    }
    if (free_pages != segment->free_page_count) {
        return fail(what, "segment: free_page_count is wrong");
    }
    return true;
}

static bool check_lists(const zend_mm_heap *heap, const totals *sum, const char **what)
{
    const zend_mm_free_runs *runs = &heap->free_runs;
    size_t listed = runs->rest_count;
    for (uint32_t index = 0; index < runs->rest_count; index++) {
        const zend_mm_run *run = runs->rest_buckets[index];
        const zend_mm_segment *segment = zend_mm_segment_of(run);
        uint32_t word = segment->map[run - segment->runs];
        if ((word & ZEND_MM_WORD_REST) == 0
                || zend_mm_word_length(word) != runs->rest_lengths[index]) {
            return fail(what, "segment I4: a rest run's word says otherwise");
        }
    }
    for (uint32_t class = 0; class < ZEND_MM_RUN_CLASS_COUNT; class++) {
        const zend_mm_run *run = runs->large_free_buckets[class];
        if ((run != NULL) != ((runs->large_free_bitmap >> class & 1) != 0)) {
            return fail(what, "segment I6: the bitmap and a bucket disagree");
        }
        for (; run != NULL; run = run->next) {
            const zend_mm_segment *segment = zend_mm_segment_of(run);
            uint32_t word = segment->map[run - segment->runs];
            if ((word & (ZEND_MM_WORD_FREE | ZEND_MM_WORD_REST)) != ZEND_MM_WORD_FREE) {
                return fail(what, "segment I4: a run in a bucket is not free");
            }
            if (run->next != NULL && run->next->previous != run) {
                return fail(what, "segment I4: a bucket's links disagree");
            }
            listed++;
        }
    }
    return listed == sum->free_run_count || fail(what, "segment I4: free runs and lists differ");
}

static bool check_bin(const zend_mm_heap *heap, uint32_t bin, size_t run_slots, const char **what)
{
    size_t free_slots = 0;
    const zend_mm_slot *slot = heap->free_buckets[bin].first;
    while (slot != NULL) {
        if (zend_mm_owner_of(slot) != heap->index) {
            return fail(what, "bin: a free slot lies outside the heap");
        }
        uint32_t word = zend_mm_segment_of(slot)->map[zend_mm_page_of(slot)];
        if ((word & ZEND_MM_WORD_BIN_MASK) != bin
                || !zend_mm_is_slot_start(&heap->free_buckets[bin], word, slot)) {
            return fail(what, "bin: a free slot is in a run of another bin");
        }
        uintptr_t opened = zend_mm_link_open(slot, heap->link_key);
        if ((opened & ZEND_MM_LINK_INVALID) != 0 || ++free_slots > run_slots) {
            return fail(what, "bin: a link is damaged");
        }
        slot = zend_mm_link_next(opened);
    }
    const zend_mm_carve *carve = &heap->carve[bin];
    free_slots += (size_t)(carve->end - carve->next) / zend_mm_bin_infos[bin].slot_size;
    return free_slots + heap->free_buckets[bin].used_count == run_slots
        || fail(what, "bin: live and free slots are not all slots");
}

static bool check_huge(const zend_mm_heap *heap, const char **what)
{
    const zend_mm_huge_table *table = &heap->huge;
    size_t count = 0, size = 0, mapped_size = 0, cached_size = 0;
    for (size_t place = 0; place < table->capacity; place++) {
        const zend_mm_huge *huge = &table->places[place];
        if (huge->address == NULL) {
            continue;
        }
        count++;
        size += huge->size;
        mapped_size += huge->mapped_size;
        if (zend_mm_huge_find(table, huge->address) != huge
                || zend_mm_owner_of(huge->address) != (heap->index | ZEND_MM_OWNER_HUGE)) {
            return fail(what, "huge I1: a block is not found by its address");
        }
    }
    for (uint32_t index = 0; index < table->cached_count; index++) {
        cached_size += table->cached[index].mapped_size;
    }
    if (count != table->count || size != table->size || mapped_size != table->mapped_size
            || cached_size != table->cached_size) {
        return fail(what, "huge I2: the sums are wrong");
    }
    return true;
}

/* Large runs are the live blocks, the reserve, an internal heap's page and the huge table. */
static size_t own_runs_size(const zend_mm_heap *heap)
{
    size_t pages = heap->internal ? 1 : 0;
    if (heap->reserve != NULL) {
        uint32_t first = zend_mm_page_of(heap->reserve);
        pages += zend_mm_word_length(zend_mm_segment_of(heap->reserve)->map[first]);
    }
    size_t table_size = heap->huge.capacity * sizeof heap->huge.places[0];
    pages += (table_size + ZEND_MM_PAGE_SIZE - 1) / ZEND_MM_PAGE_SIZE;
    return pages * ZEND_MM_PAGE_SIZE;
}

bool zend_mm_heap_is_valid(const zend_mm_heap *heap, const char **what)
{
    totals sum = { 0 };
    for (const zend_mm_segment *segment = heap->segments; segment != NULL;
            segment = segment->next) {
        if (segment->heap != heap || zend_mm_owner_of(segment) != heap->index) {
            return fail(what, "heap_pages I1: a segment names another heap");
        }
        if (!check_segment(segment, &sum, what)) {
            return false;
        }
        sum.segment_count++;
    }
    if (sum.segment_count != heap->segment_count) {
        return fail(what, "heap: segment_count is wrong");
    }
    if (!check_lists(heap, &sum, what) || !check_huge(heap, what)) {
        return false;
    }
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        if (!check_bin(heap, bin, sum.run_slots[bin], what)) {
            return false;
        }
    }
    if (sum.large_size != heap->large_size + own_runs_size(heap)) {
        return fail(what, "heap: large_size is not the sum of the large runs");
    }
    size_t segments_size = heap->segment_count * ZEND_MM_SEGMENT_SIZE;
    return heap->real_size == segments_size + heap->huge.mapped_size + heap->huge.cached_size
        || fail(what, "heap: real_size is not what the heap holds");
}

void zend_mm_heap_assert_valid(const zend_mm_heap *heap)
{
    const char *what;
    if (ZEND_DEBUG && !zend_mm_heap_is_valid(heap, &what)) {
        zend_mm_panic(what, heap, ZEND_MM_NO_BIN);
    }
}
