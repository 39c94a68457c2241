/* segment_map: the table behind segment_map.h.
 * Owns        two 16-bit words per 2 MiB of address space (256 MiB of untouched memory on x86-64).
 * Thread      any; see the header for who writes an entry.
 * Invariants  an entry is non-zero only while a heap holds the 2 MiB behind it.
 * Failure     none; in a build with AddressSanitizer the process ends when there is no room for the table.
 * Tests       tests/unit/segment_map.c
 */
#include "config.h"

#include "alloc/segment_map.h"

#include <stdio.h>
#include <stdlib.h>

#if !TSRMALLOC_SANITIZE_ADDRESS
zend_mm_segment_entry zend_mm_segment_map[ZEND_MM_SEGMENT_MAP_COUNT];
#else
zend_mm_segment_entry *zend_mm_segment_map;

/* Before the constructors that have no priority. */
static __attribute__((constructor(101))) void map_entries(void)
{
    zend_mm_segment_map = zend_mm_os_map_pages(ZEND_MM_SEGMENT_MAP_COUNT * sizeof *zend_mm_segment_map);
    if (zend_mm_segment_map == NULL) {
        fputs("tsrmalloc: no addresses for the segment map\n", stderr);
        abort();
    }
}
#endif
