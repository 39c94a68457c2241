/* zend_alloc_debug.h: leak reports and checks of blocks; included by zend_alloc.h.
 *
 * A heap remembers its blocks, and where they were allocated, in a debug build (--enable-debug) and
 * where ZEND_MM_DEBUG is set. Without either it can be asked, too, but knows of small blocks only
 * whether there is a slot at an address, and reports no leaks.
 */
#ifndef TSRMALLOC_ZEND_ALLOC_DEBUG_H
#define TSRMALLOC_ZEND_ALLOC_DEBUG_H

#include "zend_alloc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- leaks --------------------------------------------------------------------------------------- */

/* One leaked block; filename is NULL where it is not known. Since 5.2. */
typedef struct zend_leak_info {
    void *addr;
    size_t size;                    /* bytes */
    const char *filename;           /* on whose behalf it was allocated */
    const char *orig_filename;      /* NULL, or the actual place, where the call was relayed */
    uint32_t lineno, orig_lineno;
} zend_leak_info;

#define ZMSG_MEMORY_LEAK_DETECTED 4L        /* data: zend_leak_info; comes behind LOG_SCRIPT_NAME */
#define ZMSG_MEMORY_LEAK_REPEATED 5L        /* data: unsigned long, further leaks of the same place */
#define ZMSG_LOG_SCRIPT_NAME 6L             /* data: NULL */
#define ZMSG_MEMORY_LEAKS_GRAND_TOTAL 7L    /* data: uint32_t, all leaks of this heap */

typedef void (*zend_mm_message_handler)(long message, const void *data);

/* Who is told of leaks at a request end that is not silent and at a thread's end (in a debug build,
 * or with ZEND_MM_DEBUG=leaks=1); NULL restores the default, which prints a heap's report on stderr in
 * one piece. Returns the one before. Any thread; it runs in the thread whose heap leaked. Since 5.2 (as
 * zend_message_dispatcher). */
ZEND_API zend_mm_message_handler zend_mm_set_message_handler(zend_mm_message_handler handler);
/* The name in leak reports of the calling thread's heap, at most 255 bytes of it; NULL: "-". Ours. */
ZEND_API void zend_mm_set_script_name(const char *name);

/* ---- checks -------------------------------------------------------------------------------------- */

/* Is this a live block of the heap, and is what lies before and behind it as it was made? 1: yes; 0:
 * no, and nothing is done about it. Reads nothing at an address that is no block. silent 0: the answer
 * is printed on stderr; 1: only that something is wrong; 2 and 3 are 1 and 0. Owner thread. Since 5.2
 * (there static). */
ZEND_API int zend_mm_check_ptr(zend_mm_heap *heap, const void *block, int silent ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC);
/* The same for every block the heap remembers, and for the heap's own structures. Returns the number
 * of errors. Owner thread. Since 5.2 (there static). */
ZEND_API int zend_mm_check_heap(zend_mm_heap *heap, int silent ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC);
/* Both for the calling thread's heap. Since 5.2, gone in 7.0. */
ZEND_API int _mem_block_check(const void *block, int silent ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC);
ZEND_API void _full_mem_check(int silent ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC);

#define mem_block_check(block, silent) _mem_block_check((block), (silent) ZEND_MM_HERE)
#define full_mem_check(silent) _full_mem_check((silent) ZEND_MM_HERE)

#if ZEND_DEBUG
/* Print on stderr, as printf does, at most 255 bytes. Any thread. Since 5.2. */
ZEND_API void zend_debug_alloc_output(const char *format, ...) TSRM_PRINTF(1, 2);
#endif

#ifdef __cplusplus
}
#endif

#endif
