/* bin: slots of one size, cut from small runs.
 * A bucket is what the hot path needs of one bin, half a cache line: the list of free slots, the
 * count of live ones, and two constants that tell a slot's start from any other address in its run.
 */
#ifndef TSRMALLOC_BIN_H
#define TSRMALLOC_BIN_H

#include "alloc/segment.h"

#define ZEND_MM_BUCKET_COUNT 32     /* the 30 bins, then KIND_RUN and KIND_NONE, which own no slot */

/* A free slot holds nothing but the encoded link to the next one. */
typedef struct zend_mm_slot {
    uintptr_t link;
} zend_mm_slot;

/* Owner only. */
typedef struct zend_mm_bucket {
    zend_mm_slot *first;    /* free slots, the one freed last first */
    size_t used_count;      /* live slots */
    zend_mm_slot *second;   /* the slot behind `first`, or `first` when that is not known; not next
                             * to it, or compilers store both through a slow vector register */
    uint32_t magic;         /* const: see zend_mm_is_slot_start() */
    uint32_t bound;         /* const: 0 for a kind without slots */
} zend_mm_bucket;

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

/* The bin of each size up to ZEND_MM_MAX_SMALL_SIZE. A byte per size rather than per eight sizes:
 * the few sizes in use share few cache lines either way, and the hot path rounds nothing. */
extern ZEND_MM_HIDDEN const uint8_t zend_mm_size_bins[ZEND_MM_MAX_SMALL_SIZE + 1];

static inline uint32_t zend_mm_bin_of(size_t size)
{
    return zend_mm_size_bins[size];
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

/* Is `address` the start of a slot of the run whose page has `word`? */
static inline bool zend_mm_is_slot_start(const zend_mm_bucket *bucket, uint32_t word,
    const void *address)
{
    uint32_t offset = (word & ZEND_MM_WORD_OFFSET_MASK)
        | (uint32_t)((uintptr_t)address & (ZEND_MM_PAGE_SIZE - 1));
    return offset * bucket->magic < bucket->bound;
}

/* ---- links: byte-swapped, so that a partial overwrite hits the bits that are checked, XOR key --- */

#if UINTPTR_MAX > 0xffffffffu
static inline uintptr_t zend_mm_link_swap(uintptr_t link)
{
    return (uintptr_t)__builtin_bswap64(link);
}
/* In swapped form: the address bits above ZEND_MM_ADDRESS_BITS and the low three. */
# define ZEND_MM_LINK_INVALID \
    zend_mm_link_swap(~(((uintptr_t)1 << ZEND_MM_ADDRESS_BITS) - 1) | (ZEND_MM_ALIGNMENT - 1))
#else
static inline uintptr_t zend_mm_link_swap(uintptr_t link)
{
    return (uintptr_t)__builtin_bswap32(link);
}
# define ZEND_MM_LINK_INVALID zend_mm_link_swap(ZEND_MM_ALIGNMENT - 1)
#endif

static inline uintptr_t zend_mm_link_encode(const zend_mm_slot *next, uintptr_t key)
{
    return zend_mm_link_swap((uintptr_t)next) ^ key;
}

/* The link with the key taken off, still swapped: valid if no bit of ZEND_MM_LINK_INVALID is set. */
static inline uintptr_t zend_mm_link_open(const zend_mm_slot *slot, uintptr_t key)
{
    return slot->link ^ key;
}

static inline zend_mm_slot *zend_mm_link_next(uintptr_t opened)
{
    return (zend_mm_slot *)zend_mm_link_swap(opened);
}

#endif
