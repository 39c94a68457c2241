/* segment: 2 MiB of pages cut into page runs; the page map lies in the header, the free pages in the
 * heap's segment table.
 *
 *   page 0     page 1 ...
 *   +--------+---------+-----------+------------------+---------+------------------------+
 *   | header | bin run | large run | free run         | bin run | rest (being carved)    |
 *   +--------+---------+-----------+------------------+---------+------------------------+
 *
 * The page map has 16 bits per page, its mark:
 *   bits 3-7    the bin of a small run, on every page of it; 31 on all other pages
 *   bits 12-14  this page's number inside the run
 * So an address inside a small run is told from its start. Where large runs start and how long they are,
 * the table knows: it is dense, and a heap of many large blocks never touches its segments' headers.
 *
 * The marks are a quarter of the header, and which one depends on the segment's address: neighbouring
 * segments use different quarters, or all headers would share a quarter of the first cache's sets. The
 * place is bits 12-22 of the address, so this costs no instruction.
 */
#ifndef TSRMALLOC_SEGMENT_H
#define TSRMALLOC_SEGMENT_H

#include "alloc/segment_map.h"
#include "alloc/segment_table.h"

#define ZEND_MM_PAGE_SHIFT 12
#define ZEND_MM_SEGMENT_MASK (ZEND_MM_SEGMENT_SIZE - 1)

#define ZEND_MM_MARK_BIN_SHIFT 3
#define ZEND_MM_MARK_BIN_MASK 0xf8u
#define ZEND_MM_MARK_OFFSET_MASK 0x7000u
#define ZEND_MM_MARK_NONE ((uint16_t)0xf8)

#define ZEND_MM_REST_MAX 16

typedef struct zend_mm_segment {
    uint16_t header[ZEND_MM_PAGE_SIZE / sizeof(uint16_t)];
} zend_mm_segment;

/* What is in the half of the header that holds no mark. */
typedef struct zend_mm_segment_rest {
    uint16_t free_counts[ZEND_MM_PAGE_COUNT];   /* of the run that begins there: scratch of the gc */
    /* These survive the pool, and are zero in a fresh mapping. */
    bool has_huge_pages;        /* known to be */
    uint16_t resident_end;      /* pages before it were made resident, or belong to runs that were too long */
} zend_mm_segment_rest;

#define ZEND_MM_FIRST_PAGE 1u
#define ZEND_MM_USABLE_PAGE_COUNT (ZEND_MM_PAGE_COUNT - ZEND_MM_FIRST_PAGE)
#define ZEND_MM_MAX_LARGE_SIZE ((size_t)ZEND_MM_USABLE_PAGE_COUNT << ZEND_MM_PAGE_SHIFT)

_Static_assert(sizeof(zend_mm_segment) == ZEND_MM_FIRST_PAGE * ZEND_MM_PAGE_SIZE,
    "the header is the pages before the first usable one");
_Static_assert(sizeof(zend_mm_segment_rest) <= ZEND_MM_PAGE_SIZE / 2, "the rest fits into a half");

/* A free run: where it begins, and its length in pages. */
typedef struct zend_mm_run {
    uint32_t number;            /* of the segment */
    uint32_t first, length;     /* pages */
} zend_mm_run;

/* The free runs of one heap, over all its segments. Owner only. */
typedef struct zend_mm_free_runs {
    /* Remainders of runs that were split, oldest first: they are cut again and again, which costs less
     * here than in their classes. */
    uint32_t rest_count;
    zend_mm_run rest_buckets[ZEND_MM_REST_MAX];
    zend_mm_segment_table table;    /* of all others: large_free_buckets[], large_free_bitmap */
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

/* The mark of the page that an address is in. */
static inline uint16_t *zend_mm_mark_of(const void *address)
{
    size_t place = ((uintptr_t)address >> ZEND_MM_PAGE_SHIFT)
        & (ZEND_MM_PAGE_SIZE / sizeof(uint16_t) - 1);
    return &zend_mm_segment_of(address)->header[place];
}

static inline uint32_t zend_mm_mark_bin(uint32_t mark)
{
    return (mark & ZEND_MM_MARK_BIN_MASK) >> ZEND_MM_MARK_BIN_SHIFT;
}

/* Is the page the first of its run? */
static inline bool zend_mm_mark_is_first(uint32_t mark)
{
    return (mark & ZEND_MM_MARK_OFFSET_MASK) == 0;
}

static inline zend_mm_segment_rest *zend_mm_segment_rest_of(zend_mm_segment *segment)
{
    size_t half = ZEND_MM_PAGE_SIZE / sizeof(uint16_t) / 2;
    size_t place = (((uintptr_t)segment >> ZEND_MM_PAGE_SHIFT) & half) ^ half;
    return (zend_mm_segment_rest *)(void *)&segment->header[place];
}

/* The info of the segment that an address of this heap is in. */
static inline zend_mm_segment_info *zend_mm_segment_info_of(const zend_mm_free_runs *free_runs,
    const void *address)
{
    return &free_runs->table.infos[zend_mm_number_of(address)];
}

/* Length in pages of the large run that starts at `page`; 0 when none does. */
static inline uint32_t zend_mm_large_length(const zend_mm_segment_info *info, uint32_t page)
{
    if (!zend_mm_page_is_set(&info->starts, page) || zend_mm_page_is_set(&info->free_pages, page)) {
        return 0;
    }
    return zend_mm_pages_next(&info->ends, page) + 1 - page;
}

/* Every list empty, no segment known; the table keeps its memory. */
void zend_mm_free_runs_clear(zend_mm_free_runs *free_runs);

/* Make 2 MiB of memory with undefined contents the segment with this number of the table: one free
 * run, on the rest list. */
void zend_mm_segment_init(zend_mm_segment *segment, uint32_t number, zend_mm_free_runs *free_runs);

/* Take the one free run of an entirely free segment off its list, before the segment goes away. */
void zend_mm_segment_retire(zend_mm_free_runs *free_runs, uint32_t number);

typedef enum zend_mm_run_pages {
    ZEND_MM_TOUCHED_PAGES,      /* those that were in a run before; others may cost a page fault */
    ZEND_MM_ALL_PAGES,
} zend_mm_run_pages;

/* A run of `length` pages, marked large; NULL when no free run is long enough (or the one that suits best
 * has pages it may not have). */
void *zend_mm_run_alloc(zend_mm_free_runs *free_runs, uint32_t length, zend_mm_run_pages pages);

/* Mark a run from zend_mm_run_alloc() as a small run of `bin`. */
void zend_mm_run_mark_small(zend_mm_free_runs *free_runs, void *run, uint32_t bin, uint32_t length);

/* Free a run, large or small; it joins both neighbours. Returns true when its segment is now one free
 * run. */
bool zend_mm_run_free(zend_mm_free_runs *free_runs, void *run, uint32_t length);

/* Cut a large run of `length` pages down to new_length: the tail becomes free. */
void zend_mm_run_shrink(zend_mm_free_runs *free_runs, void *run, uint32_t length,
    uint32_t new_length);

/* Grow a large run of `length` pages to new_length into the free run behind it. false: no room. */
bool zend_mm_run_grow(zend_mm_free_runs *free_runs, void *run, uint32_t length,
    uint32_t new_length);

/* Make a large run two, the first of `head` pages. */
void zend_mm_run_split(zend_mm_free_runs *free_runs, void *run, uint32_t head);

/* The longest free run, in pages. */
uint32_t zend_mm_run_longest(const zend_mm_free_runs *free_runs);

#endif
