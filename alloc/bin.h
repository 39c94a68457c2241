/* bin: slots of one size, cut from small runs.
 * A bucket is what the hot path needs of one bin, half a cache line: the list of free slots, the
 * count of live ones, and two constants that tell a slot's start from any other address in its run.
 */
#ifndef TSRMALLOC_BIN_H
#define TSRMALLOC_BIN_H

#include <stdalign.h>

#include "alloc/segment.h"

#define ZEND_MM_BUCKET_COUNT 32     /* the 30 bins, then two that own no slot: 31 is MARK_NONE's */
#define ZEND_MM_BUCKET_SIZE 32

/* A free slot holds nothing but the encoded link to the next one. */
typedef struct zend_mm_slot {
    uintptr_t link;
} zend_mm_slot;

/* Owner only. */
typedef struct zend_mm_bucket {
    alignas(ZEND_MM_BUCKET_SIZE) zend_mm_slot *first;   /* free slots, the one freed last first */
    size_t used_count;      /* live slots */
    zend_mm_slot *second;   /* the slot behind `first`, or `first` when that is not known; not next
                             * to it, or compilers store both through a slow vector register */
    uint32_t magic;         /* const: see zend_mm_is_slot_start() */
    uint32_t bound;         /* const: 0 where there are no slots */
} zend_mm_bucket;

_Static_assert(sizeof(zend_mm_bucket) == ZEND_MM_BUCKET_SIZE, "see zend_mm_bucket_at()");

/* The part of the newest run that was never handed out: [next, end). Owner only. */
typedef struct zend_mm_carve {
    char *next, *end;
} zend_mm_carve;

typedef struct zend_mm_bin_info {
    uint16_t slot_size;     /* bytes */
    uint16_t slot_count;    /* per run */
    uint16_t page_count;    /* per run */
    uint16_t carve_size;    /* bytes carved from a run at a time: whole slots */
} zend_mm_bin_info;

extern ZEND_MM_HIDDEN const zend_mm_bin_info zend_mm_bin_infos[ZEND_MM_BIN_COUNT];

/* The bin of every eighth size up to ZEND_MM_MAX_SMALL_SIZE, as a mark has it: six cache lines, which stay
 * where a program has use for the cache itself. (A byte per size saves two instructions and spreads over
 * 48 lines: PHP programs took 0.2 to 0.4 % more CPU time.) */
extern ZEND_MM_HIDDEN const uint8_t
    zend_mm_size_marks[ZEND_MM_MAX_SMALL_SIZE / ZEND_MM_ALIGNMENT + 1];

static inline uint32_t zend_mm_mark_of_size(size_t size)
{
    return zend_mm_size_marks[(size + ZEND_MM_ALIGNMENT - 1) / ZEND_MM_ALIGNMENT];
}

static inline uint32_t zend_mm_bin_of(size_t size)
{
    return zend_mm_mark_bin(zend_mm_mark_of_size(size));
}

/* The bucket of a mark's BIN_MASK: an address that one instruction computes. */
static inline zend_mm_bucket *zend_mm_bucket_at(zend_mm_bucket *buckets, size_t mark)
{
    size_t step = ZEND_MM_BUCKET_SIZE >> ZEND_MM_MARK_BIN_SHIFT;
    return (zend_mm_bucket *)(void *)((char *)buckets + mark * step);
}

void zend_mm_buckets_init(zend_mm_bucket *buckets);

/* With magic = floor(2^32 / d) + 1 for slots of d bytes, n * d * magic mod 2^32 is n * e, where
 * e = d * magic - 2^32 is in 1 .. d; every other offset gives at least magic. So with
 * bound = e * (slots per run) one multiplication and one comparison accept exactly the starts of
 * the run's slots. (tests/unit/bin.c tries every offset of every bin.) */
#define ZEND_MM_BIN_MAGIC(slot_size) ((uint32_t)((UINT64_C(1) << 32) / (slot_size) + 1))
#define ZEND_MM_BIN_BOUND(slot_size, slots) \
    ((uint32_t)(((uint64_t)ZEND_MM_BIN_MAGIC(slot_size) * (slot_size) - (UINT64_C(1) << 32)) \
                * (slots)))

/* Is `address` the start of a slot of the run whose page has `mark`? */
static inline bool zend_mm_is_slot_start(const zend_mm_bucket *bucket, uint32_t mark,
    const void *address)
{
    uint32_t offset = (mark & ZEND_MM_MARK_OFFSET_MASK)
        | (uint32_t)((uintptr_t)address & (ZEND_MM_PAGE_SIZE - 1));
    return offset * bucket->magic < bucket->bound;
}

/* ---- links: rotated, so that a partial overwrite hits the bits that are checked, XOR key ----
 *
 *   63        ADDRESS_BITS            3   0         rotated:  63                 20  17        0
 *   +---------+-----------------------+---+                   +--------------------+---+--------+
 *   | no address has these | place    |000|                   | place              |000| none   |
 *   +---------+-----------------------+---+                   +--------------------+---+--------+
 */

#define ZEND_MM_LINK_BITS (8 * sizeof(uintptr_t))
#define ZEND_MM_LINK_ROTATION (ZEND_MM_LINK_BITS - ZEND_MM_ADDRESS_BITS)

/* In rotated form: the address bits from ZEND_MM_ADDRESS_BITS on and the low three. */
#define ZEND_MM_LINK_INVALID (((uintptr_t)ZEND_MM_ALIGNMENT << ZEND_MM_LINK_ROTATION) - 1)

static inline uintptr_t zend_mm_link_rotate(uintptr_t link, unsigned int bits)
{
    return link << bits | link >> ((ZEND_MM_LINK_BITS - bits) % ZEND_MM_LINK_BITS);
}

static inline uintptr_t zend_mm_link_encode(const zend_mm_slot *next, uintptr_t key)
{
    return zend_mm_link_rotate((uintptr_t)next, ZEND_MM_LINK_ROTATION) ^ key;
}

/* The link with the key taken off, still rotated: valid if no bit of ZEND_MM_LINK_INVALID is set. */
static inline uintptr_t zend_mm_link_open(const zend_mm_slot *slot, uintptr_t key)
{
    return slot->link ^ key;
}

static inline zend_mm_slot *zend_mm_link_next(uintptr_t opened)
{
    return (zend_mm_slot *)zend_mm_link_rotate(opened,
        (ZEND_MM_LINK_BITS - ZEND_MM_LINK_ROTATION) % ZEND_MM_LINK_BITS);
}

#endif
