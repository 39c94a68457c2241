/* debug: ZEND_MM_DEBUG, and every heap of a debug build: blocks are remembered with where they were
 * allocated, filled, padded and checked. Under Valgrind's memcheck and with AddressSanitizer the padding
 * is a redzone: the tool is told to report whoever touches it, and freed blocks rest in a quarantine.
 *
 *   +---------+-----------------+---------+
 *   | padding | block           | padding |      one block of the heap below
 *   +---------+-----------------+---------+
 */
#ifndef TSRMALLOC_DEBUG_H
#define TSRMALLOC_DEBUG_H

#include "alloc/block_table.h"
#include "alloc/heap.h"

#define ZEND_MM_NO_POISON (-1)
#define ZEND_MM_PAD_BYTE 0xA7
#define ZEND_MM_REDZONE ((size_t)16)    /* the least padding where a tool watches it */
/* What a debug build does without ZEND_MM_DEBUG. The padding keeps blocks 16-aligned. */
#define ZEND_MM_DEBUG_BUILD "poison_free=0x5a,padding=16,check_freelists_on_shutdown=1,leaks=1"

typedef struct zend_mm_debug_settings {
    int poison_alloc, poison_free;  /* a byte, or ZEND_MM_NO_POISON */
    size_t padding;                 /* bytes on each side of a block */
    bool check_freelists;           /* the whole heap, at each request end */
    bool reports_leaks;
    bool takes_backtraces;
    bool uses_shadow;               /* memcheck or AddressSanitizer is told what may be touched */
} zend_mm_debug_settings;

/* Owner only; the settings are const while the heap lives. */
typedef struct zend_mm_debug {
    zend_mm_debug_settings settings;
    zend_mm_block_table blocks;
    struct zend_mm_quarantine *quarantine;  /* NULL unless settings.uses_shadow */
    zend_mm_call_site place;        /* of the present call; debug builds only */
    char script_name[256];          /* for leak reports */
} zend_mm_debug;

/* Debug `heap` from now on; it has no blocks yet. false: no memory. */
bool zend_mm_debug_start(zend_mm_heap *heap, const zend_mm_debug_settings *settings);

/* What a function that takes ZEND_FILE_LINE_D and ZEND_FILE_LINE_ORIG_D was told. */
#if ZEND_DEBUG
# define ZEND_MM_PLACE ((zend_mm_call_site){ __zend_filename, __zend_orig_filename, \
    __zend_lineno, __zend_orig_lineno })
#else
# define ZEND_MM_PLACE ((zend_mm_call_site){ NULL, NULL, 0, 0 })
#endif

/* A call to `heap` (may be NULL) comes from `place`. */
static inline void zend_mm_debug_note_place(zend_mm_heap *heap, zend_mm_call_site place)
{
    if (heap != NULL && heap->debug != NULL) {
        heap->debug->place = place;
    }
}

/* As the functions of heap.h. An address that is no live block ends the process. */
void *zend_mm_debug_alloc(zend_mm_heap *heap, size_t alignment, size_t size);
void zend_mm_debug_free(zend_mm_heap *heap, void *block);
void *zend_mm_debug_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size);
/* Another thread gave this block back: it is about to be freed. */
void zend_mm_debug_drained(zend_mm_heap *heap, void *block);
size_t zend_mm_debug_size(const zend_mm_heap *heap, const void *block);

/* The same; 0 for anything else than a live block. */
size_t zend_mm_debug_find_size(const zend_mm_heap *heap, const void *block);

/* The request ends: check, report leaks unless silent, and forget the blocks. */
void zend_mm_debug_reset(zend_mm_heap *heap, bool silent);
void zend_mm_debug_end(zend_mm_heap *heap, bool silent);

/* Is the padding of a live block as it was made? Where a tool watches it nobody looks: it is intact. */
typedef enum zend_mm_padding_damage {
    ZEND_MM_PADDING_INTACT,
    ZEND_MM_PADDING_BEFORE,         /* written before the block's start */
    ZEND_MM_PADDING_BEHIND,         /* written beyond its end */
} zend_mm_padding_damage;
zend_mm_padding_damage zend_mm_debug_padding(const zend_mm_heap *heap,
    const zend_mm_block_record *record);

/* ---- leaks.c ---- */

/* Report every block of the table, in the words of Zend MM. */
void zend_mm_leaks_report(const zend_mm_debug *debug);

#endif
