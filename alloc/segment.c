/* segment: page runs with boundary tags, split and joined in O(1).
 * Owns        the page map and the free-run links of a segment; never looks inside a run.
 * Thread      only the owner of segment->heap; other threads go through remote.h.
 * Invariants  I1  the words of a run's first and last page agree on kind, flags and length;
 *                 only the first one carries WORD_FIRST
 *             I2  two free runs are never neighbours
 *             I3  every page of a small run carries its bin and its number inside the run
 *             I4  a free run is on exactly one list: rest_buckets iff it carries WORD_REST
 *             I5  inner pages of large and free runs carry KIND_NONE
 *             I6  bit c of large_free_bitmap is set iff bucket c is not empty
 * Failure     NULL or false when no free run fits; everything is as before.
 * Tests       tests/unit/segment.c, tests/stress/heap_model.c
 */
#include "config.h"

#include "alloc/segment.h"

#include <string.h>

#define SHORT_LENGTH_MAX 32u    /* lengths with a class of their own: classes 0 .. 31 */

static uint32_t highest_bit(uint32_t value)
{
    return 31u - (uint32_t)__builtin_clz(value);
}

/* The class that holds runs of `length`: its shortest member is not longer than `length`. */
static uint32_t class_of(uint32_t length)
{
    if (length <= SHORT_LENGTH_MAX) {
        return length - 1;
    }
    uint32_t top = highest_bit(length);     /* 5 .. 8 */
    uint32_t quarter = (length >> (top - 2)) & 3;
    return SHORT_LENGTH_MAX + (top - 5) * 4 + quarter;
}

static zend_mm_run *run_at(zend_mm_segment *segment, uint32_t first)
{
    return &segment->runs[first];
}

static uint32_t first_page_of(const zend_mm_run *run)
{
    return (uint32_t)(run - zend_mm_segment_of(run)->runs);
}

static void mark(zend_mm_segment *segment, uint32_t first, uint32_t length, uint32_t flags)
{
    uint32_t word = ZEND_MM_WORD_KIND_RUN | flags | length << ZEND_MM_WORD_COUNT_SHIFT;
    segment->map[first + length - 1] = word;
    segment->map[first] = word | ZEND_MM_WORD_FIRST;
}

static void unmark(zend_mm_segment *segment, uint32_t first, uint32_t length)
{
    segment->map[first] = ZEND_MM_WORD_KIND_NONE;
    segment->map[first + length - 1] = ZEND_MM_WORD_KIND_NONE;
}

/* ---- the lists ---- */

static void bucket_push(zend_mm_free_runs *free_runs, zend_mm_run *run, uint32_t length)
{
    uint32_t class = class_of(length);
    zend_mm_run *next = free_runs->large_free_buckets[class];
    run->previous = NULL;
    run->next = next;
    if (next != NULL) {
        next->previous = run;
    }
    free_runs->large_free_buckets[class] = run;
    free_runs->large_free_bitmap |= UINT64_C(1) << class;
}

static void bucket_remove(zend_mm_free_runs *free_runs, zend_mm_run *run, uint32_t length)
{
    if (run->next != NULL) {
        run->next->previous = run->previous;
    }
    if (run->previous != NULL) {
        run->previous->next = run->next;
        return;
    }
    uint32_t class = class_of(length);
    free_runs->large_free_buckets[class] = run->next;
    if (run->next == NULL) {
        free_runs->large_free_bitmap &= ~(UINT64_C(1) << class);
    } else {
        /* The next allocation of this class begins with this word, in a header long not read. */
        __builtin_prefetch(&zend_mm_segment_of(run->next)->map[first_page_of(run->next)], 1);
    }
}

static void rest_remove_at(zend_mm_free_runs *free_runs, uint32_t index)
{
    uint32_t behind = --free_runs->rest_count - index;
    memmove(&free_runs->rest_buckets[index], &free_runs->rest_buckets[index + 1],
        behind * sizeof free_runs->rest_buckets[0]);
    memmove(&free_runs->rest_lengths[index], &free_runs->rest_lengths[index + 1],
        behind * sizeof free_runs->rest_lengths[0]);
}

static void rest_remove(zend_mm_free_runs *free_runs, const zend_mm_run *run)
{
    uint32_t index = free_runs->rest_count - 1;
    while (free_runs->rest_buckets[index] != run) {
        index--;
    }
    rest_remove_at(free_runs, index);
}

/* When the list is full its oldest run moves to the buckets. */
static void rest_push(zend_mm_free_runs *free_runs, zend_mm_run *run, uint32_t length)
{
    if (free_runs->rest_count == ZEND_MM_REST_MAX) {
        zend_mm_run *oldest = free_runs->rest_buckets[0];
        uint32_t oldest_length = free_runs->rest_lengths[0];
        rest_remove_at(free_runs, 0);
        mark(zend_mm_segment_of(oldest), first_page_of(oldest), oldest_length, ZEND_MM_WORD_FREE);
        bucket_push(free_runs, oldest, oldest_length);
    }
    free_runs->rest_buckets[free_runs->rest_count] = run;
    free_runs->rest_lengths[free_runs->rest_count] = length;
    free_runs->rest_count++;
}

static void insert_free(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t length)
{
    mark(segment, first, length, ZEND_MM_WORD_FREE);
    bucket_push(free_runs, run_at(segment, first), length);
}

static void insert_rest(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t length)
{
    mark(segment, first, length, ZEND_MM_WORD_FREE | ZEND_MM_WORD_REST);
    rest_push(free_runs, run_at(segment, first), length);
}

/* Take the free run with this word off its list and out of the map. */
static void remove_free(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t word)
{
    if ((word & ZEND_MM_WORD_REST) != 0) {
        rest_remove(free_runs, run_at(segment, first));
    } else {
        bucket_remove(free_runs, run_at(segment, first), zend_mm_word_length(word));
    }
    unmark(segment, first, zend_mm_word_length(word));
}

/* ---- segments ---- */

void zend_mm_free_runs_init(zend_mm_free_runs *free_runs)
{
    free_runs->large_free_bitmap = 0;
    memset(free_runs->large_free_buckets, 0, sizeof free_runs->large_free_buckets);
    free_runs->rest_count = 0;
}

void zend_mm_segment_init(zend_mm_segment *segment, zend_mm_free_runs *free_runs)
{
    for (uint32_t page = 0; page < ZEND_MM_PAGE_COUNT; page++) {
        segment->map[page] = ZEND_MM_WORD_KIND_NONE;
    }
    segment->free_page_count = ZEND_MM_USABLE_PAGE_COUNT;
    insert_rest(free_runs, segment, ZEND_MM_FIRST_PAGE, ZEND_MM_USABLE_PAGE_COUNT);
}

void zend_mm_segment_retire(zend_mm_segment *segment, zend_mm_free_runs *free_runs)
{
    remove_free(free_runs, segment, ZEND_MM_FIRST_PAGE, segment->map[ZEND_MM_FIRST_PAGE]);
}

/* ---- allocation ---- */

/* The newest rest run that is long enough. */
static zend_mm_run *find_rest(const zend_mm_free_runs *free_runs, uint32_t length)
{
    for (uint32_t index = free_runs->rest_count; index-- > 0;) {
        if (free_runs->rest_lengths[index] >= length) {
            return free_runs->rest_buckets[index];
        }
    }
    return NULL;
}

/* Order: a run of the exact class, a rest run, the shortest larger class. In a class that holds
 * several lengths only the first run is looked at, so the search takes the same time whatever the
 * size of the heap. */
static zend_mm_run *find(const zend_mm_free_runs *free_runs, uint32_t length)
{
    uint32_t class = class_of(length);
    zend_mm_run *run = free_runs->large_free_buckets[class];
    if (run != NULL) {
        uint32_t word = zend_mm_segment_of(run)->map[first_page_of(run)];
        if (zend_mm_word_length(word) >= length) {
            return run;
        }
    }
    run = find_rest(free_runs, length);
    if (run != NULL) {
        return run;
    }
    uint64_t larger = free_runs->large_free_bitmap >> class >> 1;
    if (larger == 0) {
        return NULL;
    }
    return free_runs->large_free_buckets[class + 1 + (uint32_t)__builtin_ctzll(larger)];
}

void *zend_mm_run_alloc(zend_mm_free_runs *free_runs, uint32_t length)
{
    zend_mm_run *run = find(free_runs, length);
    if (run == NULL) {
        return NULL;
    }
    zend_mm_segment *segment = zend_mm_segment_of(run);
    uint32_t first = first_page_of(run);
    uint32_t word = segment->map[first];
    uint32_t found_length = zend_mm_word_length(word);
    remove_free(free_runs, segment, first, word);
    if (found_length > length) {
        insert_rest(free_runs, segment, first + length, found_length - length);
    }
    mark(segment, first, length, 0);
    segment->free_page_count -= length;
    return zend_mm_page_address(segment, first);
}

void zend_mm_run_mark_small(void *run, uint32_t bin, uint32_t length)
{
    zend_mm_segment *segment = zend_mm_segment_of(run);
    uint32_t first = zend_mm_page_of(run);
    for (uint32_t page = 0; page < length; page++) {
        segment->map[first + page] = bin | page << ZEND_MM_PAGE_SHIFT;
    }
}

static bool is_free(uint32_t word)
{
    return (word & (ZEND_MM_WORD_BIN_MASK | ZEND_MM_WORD_FREE))
        == (ZEND_MM_WORD_KIND_RUN | ZEND_MM_WORD_FREE);
}

bool zend_mm_run_free(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t length)
{
    segment->free_page_count += length;
    if ((segment->map[first] & ZEND_MM_WORD_BIN_MASK) == ZEND_MM_WORD_KIND_RUN) {
        unmark(segment, first, length);
    } else {
        for (uint32_t page = first; page < first + length; page++) {
            segment->map[page] = ZEND_MM_WORD_KIND_NONE;
        }
    }
    uint32_t after = first + length;
    /* Both neighbours' nodes at once: in a large heap each is a miss. */
    __builtin_prefetch(run_at(segment, first - zend_mm_word_length(segment->map[first - 1])));
    __builtin_prefetch(run_at(segment, after & (ZEND_MM_PAGE_COUNT - 1)));
    if (after < ZEND_MM_PAGE_COUNT && is_free(segment->map[after])) {
        length += zend_mm_word_length(segment->map[after]);
        remove_free(free_runs, segment, after, segment->map[after]);
    }
    if (is_free(segment->map[first - 1])) {     /* page 0 is the header: there is a page before */
        uint32_t before_word = segment->map[first - 1];
        first -= zend_mm_word_length(before_word);
        length += zend_mm_word_length(before_word);
        remove_free(free_runs, segment, first, before_word);
    }
    insert_free(free_runs, segment, first, length);
    return length == ZEND_MM_USABLE_PAGE_COUNT;
}

/* ---- resizing in place ---- */

void zend_mm_run_shrink(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t new_length)
{
    uint32_t length = zend_mm_word_length(segment->map[first]);
    unmark(segment, first, length);
    mark(segment, first, new_length, 0);
    mark(segment, first + new_length, length - new_length, 0);
    (void)zend_mm_run_free(free_runs, segment, first + new_length, length - new_length);
}

bool zend_mm_run_grow(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t new_length)
{
    uint32_t length = zend_mm_word_length(segment->map[first]);
    uint32_t after = first + length;
    uint32_t missing = new_length - length;
    if (after >= ZEND_MM_PAGE_COUNT || !is_free(segment->map[after])
        || zend_mm_word_length(segment->map[after]) < missing) {
        return false;
    }
    uint32_t word = segment->map[after];
    uint32_t left = zend_mm_word_length(word) - missing;
    remove_free(free_runs, segment, after, word);
    unmark(segment, first, length);
    if (left > 0) {
        insert_rest(free_runs, segment, after + missing, left);
    }
    mark(segment, first, new_length, 0);
    segment->free_page_count -= missing;
    return true;
}

uint32_t zend_mm_run_longest(const zend_mm_free_runs *free_runs)
{
    uint32_t longest = 0;
    for (uint32_t index = 0; index < free_runs->rest_count; index++) {
        longest = free_runs->rest_lengths[index] > longest ? free_runs->rest_lengths[index] : longest;
    }
    if (free_runs->large_free_bitmap == 0) {
        return longest;
    }
    uint32_t class = 63u - (uint32_t)__builtin_clzll(free_runs->large_free_bitmap);
    for (zend_mm_run *run = free_runs->large_free_buckets[class]; run != NULL; run = run->next) {
        uint32_t length =
            zend_mm_word_length(zend_mm_segment_of(run)->map[first_page_of(run)]);
        longest = length > longest ? length : longest;
    }
    return longest;
}
