/* segment_map: the table behind segment_map.h.
 * Owns        two 16-bit words per 2 MiB of address space (256 MiB of untouched memory on x86-64).
 * Thread      any; see the header for who writes an entry.
 * Invariants  an entry is non-zero only while a heap holds the 2 MiB behind it.
 * Failure     none.
 * Tests       tests/unit/segment_map.c
 */
#include "config.h"

#include "alloc/segment_map.h"

zend_mm_segment_entry zend_mm_segment_map[ZEND_MM_SEGMENT_MAP_COUNT];
