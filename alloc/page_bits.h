/* page_bits: a set of a segment's pages, one bit each: bit p % 64 of word p / 64 for page p. */
#ifndef TSRMALLOC_PAGE_BITS_H
#define TSRMALLOC_PAGE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define ZEND_MM_PAGE_COUNT 512u
#define ZEND_MM_PAGE_WORDS (ZEND_MM_PAGE_COUNT / 64)

typedef struct zend_mm_page_bits {
    uint64_t words[ZEND_MM_PAGE_WORDS];
} zend_mm_page_bits;

static inline bool zend_mm_page_is_set(const zend_mm_page_bits *bits, uint32_t page)
{
    return (bits->words[page / 64] >> page % 64 & 1) != 0;
}

/* The bits of [first, first + length) that lie in their first word. length > 0. */
static inline uint64_t zend_mm_page_mask(uint32_t first, uint32_t length)
{
    uint64_t ones = length >= 64 ? UINT64_MAX : (UINT64_C(1) << length) - 1;
    return ones << first % 64;
}

/* Set the bits of `length` > 0 pages that are clear, or clear them if they are set. */
static inline void zend_mm_page_bits_flip(zend_mm_page_bits *bits, uint32_t first, uint32_t length)
{
    uint32_t end = first + length;
    do {
        uint32_t next = (first | 63) + 1;
        bits->words[first / 64] ^= zend_mm_page_mask(first, end - first);
        first = next;
    } while (first < end);
}

/* Set the bit of one page that is clear, or clear it if it is set. */
static inline void zend_mm_page_flip(zend_mm_page_bits *bits, uint32_t page)
{
    bits->words[page / 64] ^= UINT64_C(1) << page % 64;
}

/* How many pages from `page` on are in the set; 0 for the page behind the last. */
static inline uint32_t zend_mm_pages_set_from(const zend_mm_page_bits *bits, uint32_t page)
{
    uint32_t start = page;
    while (page < ZEND_MM_PAGE_COUNT) {
        uint64_t other = ~bits->words[page / 64] >> page % 64;
        if (other != 0) {
            return page - start + (uint32_t)__builtin_ctzll(other);
        }
        page = (page | 63) + 1;
    }
    return page - start;
}

/* How many pages right before `page` are in the set; page 0 is not. */
static inline uint32_t zend_mm_pages_set_before(const zend_mm_page_bits *bits, uint32_t page)
{
    uint32_t end = page;
    for (;;) {
        uint32_t last = page - 1;
        uint64_t other = ~bits->words[last / 64] << (63 - last % 64);
        if (other != 0) {
            return end - page + (uint32_t)__builtin_clzll(other);
        }
        page = last & ~63u;
    }
}

/* The first page of the set at or behind `page`; PAGE_COUNT when there is none. */
static inline uint32_t zend_mm_pages_next(const zend_mm_page_bits *bits, uint32_t page)
{
    while (page < ZEND_MM_PAGE_COUNT) {
        uint64_t set = bits->words[page / 64] >> page % 64;
        if (set != 0) {
            return page + (uint32_t)__builtin_ctzll(set);
        }
        page = (page | 63) + 1;
    }
    return page;
}

/* The first run of exactly `length` < 64 pages of the set that does not start at a page of `but`; 0
 * for none. All runs of a word at once: a bit is left where a run starts, the page `length` - 1 further
 * is in the set and the next one is not. */
static inline uint32_t zend_mm_pages_find(const zend_mm_page_bits *bits,
    const zend_mm_page_bits *but, uint32_t length)
{
    uint64_t before = 0;
    for (uint32_t index = 0; index < ZEND_MM_PAGE_WORDS; index++) {
        uint64_t set = bits->words[index];
        uint64_t after = index + 1 < ZEND_MM_PAGE_WORDS ? bits->words[index + 1] : 0;
        uint64_t starts = set & ~(set << 1 | before >> 63) & ~but->words[index];
        uint64_t last = set >> (length - 1) | after << 1 << (64 - length);
        uint64_t next = set >> length | after << (64 - length);
        uint64_t found = starts & last & ~next;
        for (; found != 0; found &= found - 1) {
            uint32_t page = index * 64 + (uint32_t)__builtin_ctzll(found);
            if (zend_mm_pages_set_from(bits, page) == length) {
                return page;
            }
        }
        before = set;
    }
    return 0;
}

#endif
