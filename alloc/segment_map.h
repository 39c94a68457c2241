/* segment_map: whose an address is, without reading the address.
 * One entry per 2 MiB of address space: the owner's heap index, a bit for the first 2 MiB of a huge block,
 * and the segment's number. Entries are written when memory is taken or given back.
 */
#ifndef TSRMALLOC_SEGMENT_MAP_H
#define TSRMALLOC_SEGMENT_MAP_H

#include <stdatomic.h>
#include <stdint.h>

#include "alloc/os.h"
#include "alloc/zend_alloc.h"

/* Bits of a user-space address: 47 on x86-64 (more only on request), 48 on aarch64. */
#if defined(__x86_64__) || defined(_M_X64)
# define ZEND_MM_ADDRESS_BITS 47
#elif UINTPTR_MAX > 0xffffffffu
# define ZEND_MM_ADDRESS_BITS 48
#else
# define ZEND_MM_ADDRESS_BITS 32
#endif

#define ZEND_MM_SEGMENT_SHIFT 21
#define ZEND_MM_SEGMENT_MAP_COUNT ((size_t)1 << (ZEND_MM_ADDRESS_BITS - ZEND_MM_SEGMENT_SHIFT))

#define ZEND_MM_OWNER_NONE ((uint16_t)0)            /* nobody's address */
#define ZEND_MM_OWNER_HUGE ((uint16_t)0x8000)       /* or'ed to the index: a huge block starts here */
#define ZEND_MM_HEAP_INDEX_MAX 0x7ffeu              /* the largest index of a real heap */
#define ZEND_MM_HEAP_INDEX_CONSTANT ((uint16_t)0x7fff)  /* the constant heaps: own no address */

/* What is known of 2 MiB of addresses. */
typedef struct zend_mm_segment_entry {
    /* atomic: relaxed. The owner of an address writes it before it hands out a block there and after its
     * last block died; how a block reaches another thread orders the two for that thread. */
    _Atomic uint16_t owner;
    /* The segment's number in its heap's segment table: it is found without a look at the segment.
     * Owner of the address only; atomic: relaxed, like the owner. */
    _Atomic uint16_t number;
} zend_mm_segment_entry;

/* Zero-filled memory of the program, touched lazily: it exists before any code runs, so that the hot
 * path needs no "initialised?" test, and its address is a constant. */
#if !TSRMALLOC_SANITIZE_ADDRESS
extern ZEND_MM_HIDDEN zend_mm_segment_entry zend_mm_segment_map[ZEND_MM_SEGMENT_MAP_COUNT];
#else
/* LeakSanitizer reads all variables whenever a process ends, which takes a second with this one; what is
 * mapped it does not read. Const after a constructor. */
extern ZEND_MM_HIDDEN zend_mm_segment_entry *zend_mm_segment_map;
#endif

static inline uint16_t zend_mm_owner_of(const void *address)
{
    size_t index = (uintptr_t)address >> ZEND_MM_SEGMENT_SHIFT;
    if (__builtin_expect(index >= ZEND_MM_SEGMENT_MAP_COUNT, 0)) {
        return ZEND_MM_OWNER_NONE;
    }
    return atomic_load_explicit(&zend_mm_segment_map[index].owner, memory_order_relaxed);
}

#define ZEND_MM_SEGMENT_NUMBER_MAX UINT16_MAX

/* `address` has an owner, and it is no huge block's. */
static inline uint32_t zend_mm_number_of(const void *address)
{
    return atomic_load_explicit(
        &zend_mm_segment_map[(uintptr_t)address >> ZEND_MM_SEGMENT_SHIFT].number,
        memory_order_relaxed);
}

static inline void zend_mm_set_number(const void *segment, uint32_t number)
{
    atomic_store_explicit(
        &zend_mm_segment_map[(uintptr_t)segment >> ZEND_MM_SEGMENT_SHIFT].number,
        (uint16_t)number, memory_order_relaxed);
}

static inline uint16_t zend_mm_owner_index(uint16_t owner)
{
    return (uint16_t)(owner & ~ZEND_MM_OWNER_HUGE);
}

/* Write the owner of the 2 MiB at `segment`. The address must be below ZEND_MM_ADDRESS_BITS. */
static inline void zend_mm_set_owner(const void *segment, uint16_t owner)
{
    atomic_store_explicit(
        &zend_mm_segment_map[(uintptr_t)segment >> ZEND_MM_SEGMENT_SHIFT].owner, owner,
        memory_order_relaxed);
}

/* true when [block, block + size) can have entries and starts at a segment boundary. */
static inline bool zend_mm_is_mappable(const void *block, size_t size)
{
    uintptr_t start = (uintptr_t)block;
    uintptr_t last = start + (size - 1);
    return (start & (ZEND_MM_SEGMENT_SIZE - 1)) == 0 && last >= start
        && last >> ZEND_MM_SEGMENT_SHIFT < ZEND_MM_SEGMENT_MAP_COUNT;
}

#endif
