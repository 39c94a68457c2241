/* segment: 2 MiB of pages cut into page runs; all metadata lives in the header, out of line.
 *
 *   page 0..2     page 3 ...
 *   +--------+---------+-----------+------------------+---------+------------------------+
 *   | header | bin run | large run | free run         | bin run | rest (being carved)    |
 *   +--------+---------+-----------+------------------+---------+------------------------+
 *
 * The page map has one word per page:
 *   bits 0-4    the bin of a small run (every page of it); KIND_RUN on the first and the last page
 *               of a large or free run; KIND_NONE on all other pages
 *   bit  5      the run is free
 *   bit  6      the free run is on the rest list
 *   bit  7      KIND_RUN: the run's first page
 *   bits 12-14  small run: this page's number inside the run
 *   bits 16-31  KIND_RUN: the run's length in pages; first page of a small run: scratch of the gc
 * So a run finds both neighbours in one step, and an address inside a run is told from its start.
 */
#ifndef TSRMALLOC_SEGMENT_H
#define TSRMALLOC_SEGMENT_H

#include "alloc/segment_map.h"

#define ZEND_MM_PAGE_SHIFT 12
#define ZEND_MM_PAGE_COUNT 512u
#define ZEND_MM_SEGMENT_MASK (ZEND_MM_SEGMENT_SIZE - 1)

#define ZEND_MM_WORD_BIN_MASK 31u
#define ZEND_MM_WORD_KIND_RUN 30u
#define ZEND_MM_WORD_KIND_NONE 31u
#define ZEND_MM_WORD_FREE 32u
#define ZEND_MM_WORD_REST 64u
#define ZEND_MM_WORD_FIRST 128u
#define ZEND_MM_WORD_OFFSET_MASK 0x7000u
#define ZEND_MM_WORD_COUNT_SHIFT 16

/* Classes of free runs: one per length up to 32 pages, then four per doubling. */
#define ZEND_MM_RUN_CLASS_COUNT 48
#define ZEND_MM_REST_MAX 16

struct zend_mm_heap;

/* The list node of a free run: runs[first page] of its segment. */
typedef struct zend_mm_run {
    struct zend_mm_run *previous, *next;
} zend_mm_run;

typedef struct zend_mm_segment {
    struct zend_mm_heap *heap;                  /* const while the heap holds the segment */
    struct zend_mm_segment *previous, *next;    /* the heap's segments */
    struct zend_mm_segment *unit;               /* first segment of the storage block it is in */
    uint32_t free_segment_count;                /* of the unit (in its first segment): all free */
    uint32_t free_page_count;
    bool has_huge_pages;        /* known to be; survives the pool, zero in a fresh mapping */
    uint32_t map[ZEND_MM_PAGE_COUNT];
    zend_mm_run runs[ZEND_MM_PAGE_COUNT];
} zend_mm_segment;

#define ZEND_MM_FIRST_PAGE \
    ((uint32_t)((sizeof(zend_mm_segment) + ZEND_MM_PAGE_SIZE - 1) >> ZEND_MM_PAGE_SHIFT))
#define ZEND_MM_USABLE_PAGE_COUNT (ZEND_MM_PAGE_COUNT - ZEND_MM_FIRST_PAGE)
#define ZEND_MM_MAX_LARGE_SIZE ((size_t)ZEND_MM_USABLE_PAGE_COUNT << ZEND_MM_PAGE_SHIFT)

/* The free runs of one heap, over all its segments. Owner only. */
typedef struct zend_mm_free_runs {
    uint64_t large_free_bitmap;                             /* bit c: class c is not empty */
    zend_mm_run *large_free_buckets[ZEND_MM_RUN_CLASS_COUNT];
    /* Remainders of runs that were split, oldest first: the next requests are cut from the newest
     * one that fits, so that consecutive requests get consecutive memory. */
    uint32_t rest_count;
    uint32_t rest_lengths[ZEND_MM_REST_MAX];                /* pages, beside the runs for the search */
    zend_mm_run *rest_buckets[ZEND_MM_REST_MAX];
} zend_mm_free_runs;

static inline zend_mm_segment *zend_mm_segment_of(const void *address)
{
    return (zend_mm_segment *)((uintptr_t)address & ~(uintptr_t)ZEND_MM_SEGMENT_MASK);
}

static inline uint32_t zend_mm_page_of(const void *address)
{
    return (uint32_t)(((uintptr_t)address & ZEND_MM_SEGMENT_MASK) >> ZEND_MM_PAGE_SHIFT);
}

static inline void *zend_mm_page_address(zend_mm_segment *segment, uint32_t page)
{
    return (char *)segment + ((size_t)page << ZEND_MM_PAGE_SHIFT);
}

/* Length in pages of the run whose first or last page has this word (KIND_RUN). */
static inline uint32_t zend_mm_word_length(uint32_t word)
{
    return word >> ZEND_MM_WORD_COUNT_SHIFT;
}

void zend_mm_free_runs_init(zend_mm_free_runs *free_runs);

/* Make 2 MiB of memory with undefined contents a segment with one free run, on the rest list. */
void zend_mm_segment_init(zend_mm_segment *segment, zend_mm_free_runs *free_runs);

/* Take the one free run of an entirely free segment off its list, before the segment goes away. */
void zend_mm_segment_retire(zend_mm_segment *segment, zend_mm_free_runs *free_runs);

/* A run of `length` pages, marked large; NULL when no free run is long enough. */
void *zend_mm_run_alloc(zend_mm_free_runs *free_runs, uint32_t length);

/* Mark a run from zend_mm_run_alloc() as a small run of `bin`. */
void zend_mm_run_mark_small(void *run, uint32_t bin, uint32_t length);

/* Free a run that starts at `first` (large, or small with its length in pages); it joins both
 * neighbours. Returns true when its segment is now one free run. */
bool zend_mm_run_free(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t length);

/* Cut a large run down to new_length pages: the tail becomes free. */
void zend_mm_run_shrink(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t new_length);

/* Grow a large run to new_length pages into the free run behind it. false: no room there. */
bool zend_mm_run_grow(zend_mm_free_runs *free_runs, zend_mm_segment *segment, uint32_t first,
    uint32_t new_length);

/* The longest free run, in pages. */
uint32_t zend_mm_run_longest(const zend_mm_free_runs *free_runs);

#endif
