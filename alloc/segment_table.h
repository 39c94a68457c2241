/* segment_table: what a heap knows of its segments, outside of them.
 *
 *   large_free_bitmap        bit c: some segment has a free run of class c
 *   summaries[c]             bit w: word w of bucket c is not 0
 *   large_free_buckets[c]    bit n: segment n has a free run of class c
 *   infos[n]                 its free pages; how many of its free runs are of each class, and where one is
 *
 * So a free run of a class is found in four steps, whatever the size of the heap, in 448 bytes a segment,
 * which a processor's second-level cache holds for a GiB of blocks; the segments themselves are not
 * touched. Links from run to run, and lengths, in the segments' headers missed that cache some five times
 * for each block (docs/architecture.md).
 */
#ifndef TSRMALLOC_SEGMENT_TABLE_H
#define TSRMALLOC_SEGMENT_TABLE_H

#include <stdalign.h>
#include <stddef.h>

#include "alloc/page_bits.h"
#include "alloc/zend_alloc.h"

/* Classes of free runs: one per length up to SHORT_RUN_MAX pages, then four per doubling. */
#define ZEND_MM_SHORT_RUN_MAX 32u
#define ZEND_MM_RUN_CLASS_COUNT 48
#define ZEND_MM_INLINE_SEGMENT_COUNT 8u

struct zend_mm_segment;

/* The free runs of one class in one segment, but for those on the rest list. */
typedef struct zend_mm_run_class {
    uint16_t count;
    uint16_t first;             /* page of one of them: the one freed last, mostly */
} zend_mm_run_class;

typedef struct zend_mm_segment_info {
    alignas(64) zend_mm_page_bits free_pages;
    zend_mm_page_bits starts;   /* first pages of large runs, and of free runs on the rest list */
    zend_mm_page_bits ends;     /* last pages of large runs */
    zend_mm_run_class classes[ZEND_MM_RUN_CLASS_COUNT];
    struct zend_mm_segment *segment;    /* NULL: the number is unused */
    uint32_t free_page_count;
    uint32_t touched_end;               /* no run of this request has had a page from here on */
    uint32_t free_segment_count;        /* of the unit that begins here: entirely free ones */
    uint32_t next_unused;               /* of the unit that began here and is gone */
} zend_mm_segment_info;

_Static_assert(sizeof(zend_mm_segment_info) == 448, "as the comments and docs/architecture.md say");

/* Owner only. */
typedef struct zend_mm_segment_table {
    uint64_t large_free_bitmap;
    uint64_t *large_free_buckets;   /* row_words each */
    uint64_t *summaries;            /* summary_words each; unused while row_words is 1 */
    zend_mm_segment_info *infos;
    uint32_t row_words, summary_words;
    uint32_t end;                   /* all numbers in use are below */
    uint32_t capacity;
    uint32_t first_unused;          /* numbers below `end` of units that are gone; UINT32_MAX = none */
    size_t mapped_size;             /* bytes behind the three pointers; 0: what follows */
    uint64_t inline_buckets[ZEND_MM_RUN_CLASS_COUNT];
    zend_mm_segment_info inline_infos[ZEND_MM_INLINE_SEGMENT_COUNT];
} zend_mm_segment_table;

/* A table of no segments, in zeroed memory. */
void zend_mm_segment_table_init(zend_mm_segment_table *table);
/* Forget all segments; the memory stays. */
void zend_mm_segment_table_clear(zend_mm_segment_table *table);
/* The table was copied here, bytewise. */
void zend_mm_segment_table_moved(zend_mm_segment_table *table);
void zend_mm_segment_table_free(zend_mm_segment_table *table);

/* Take `count` numbers in a row for a unit: the first one's in *first. false: no memory for them.
 * Each call of a table has the same count. */
bool zend_mm_segment_table_take(zend_mm_segment_table *table, uint32_t count, uint32_t *first)
    ZEND_MM_USE_RESULT;
/* Give the numbers of a unit back. */
void zend_mm_segment_table_give(zend_mm_segment_table *table, uint32_t count, uint32_t first);

/* The class of runs of `length` pages: its shortest member is not longer. */
static inline uint32_t zend_mm_run_class_of(uint32_t length)
{
    if (__builtin_expect(length <= ZEND_MM_SHORT_RUN_MAX, 1)) {
        return length - 1;
    }
    uint32_t top = 31u - (uint32_t)__builtin_clz(length);       /* 5 .. 8 */
    return ZEND_MM_SHORT_RUN_MAX + (top - 5) * 4 + (length >> (top - 2) & 3);
}

static inline void zend_mm_bucket_set(zend_mm_segment_table *table, uint32_t class,
    uint32_t number)
{
    table->large_free_bitmap |= UINT64_C(1) << class;
    if (table->row_words == 1) {
        table->large_free_buckets[class] |= UINT64_C(1) << number;
        return;
    }
    uint32_t word = number / 64;
    table->large_free_buckets[class * table->row_words + word] |= UINT64_C(1) << number % 64;
    table->summaries[class * table->summary_words + word / 64] |= UINT64_C(1) << word % 64;
}

/* Clear the bit if `clear` is 1, change nothing if it is 0: which of them is a coin toss. */
static inline void zend_mm_bucket_clear(zend_mm_segment_table *table, uint32_t class,
    uint32_t number, uint64_t clear)
{
    if (table->row_words == 1) {
        uint64_t bits = table->large_free_buckets[class] & ~(clear << number);
        table->large_free_buckets[class] = bits;
        table->large_free_bitmap &= ~((uint64_t)(bits == 0) << class);
        return;
    }
    uint32_t word = number / 64;
    uint64_t *bits = &table->large_free_buckets[class * table->row_words + word];
    *bits &= ~(clear << number % 64);
    if (*bits != 0) {
        return;
    }
    uint64_t *summary = &table->summaries[class * table->summary_words];
    summary[word / 64] &= ~(UINT64_C(1) << word % 64);
    uint64_t any = 0;
    for (uint32_t index = 0; index < table->summary_words; index++) {
        any |= summary[index];
    }
    table->large_free_bitmap &= ~((uint64_t)(any == 0) << class);
}

/* The lowest segment in a bucket that is not empty. */
static inline uint32_t zend_mm_bucket_lowest(const zend_mm_segment_table *table, uint32_t class)
{
    const uint64_t *row = &table->large_free_buckets[class * table->row_words];
    uint32_t word = 0;
    if (table->row_words > 1) {
        const uint64_t *summary = &table->summaries[class * table->summary_words];
        while (summary[word] == 0) {        /* one word for 8 GiB */
            word++;
        }
        word = word * 64 + (uint32_t)__builtin_ctzll(summary[word]);
    }
    return word * 64 + (uint32_t)__builtin_ctzll(row[word]);
}

#endif
