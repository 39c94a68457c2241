/* zend_file_line.h: where a call comes from, for libraries that were built with --enable-debug.
 *
 * ZEND_DEBUG follows the library: `pkg-config --cflags tsrmalloc` gives -DZEND_DEBUG=1 where it was
 * built so. Every function of zend_alloc.h that ends in ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC then
 * has four more parameters; otherwise all of these macros are empty. Names as in Zend, since 5.2.
 *
 *   ..._D, ..._DC    in a declaration; C: with a comma before
 *   ..._C, ..._CC    in a call:  ZEND_FILE_LINE            this place
 *                                ZEND_FILE_LINE_EMPTY      no place
 *                                ZEND_FILE_LINE_RELAY      the place that this function was given
 *                                ZEND_FILE_LINE_ORIG_RELAY its original place
 *
 * A function that allocates for its caller takes ZEND_FILE_LINE_D and calls emalloc_rel(): a leak is
 * then reported at the caller's place, and the place of emalloc_rel() as the actual one.
 */
#ifndef TSRMALLOC_ZEND_FILE_LINE_H
#define TSRMALLOC_ZEND_FILE_LINE_H

#include <stddef.h>
#include <stdint.h>

#ifndef ZEND_DEBUG
# define ZEND_DEBUG 0
#endif

#if ZEND_DEBUG
# define ZEND_FILE_LINE_D const char *__zend_filename, const uint32_t __zend_lineno
# define ZEND_FILE_LINE_DC , ZEND_FILE_LINE_D
# define ZEND_FILE_LINE_ORIG_D const char *__zend_orig_filename, const uint32_t __zend_orig_lineno
# define ZEND_FILE_LINE_ORIG_DC , ZEND_FILE_LINE_ORIG_D
# define ZEND_FILE_LINE_C __FILE__, __LINE__
# define ZEND_FILE_LINE_CC , ZEND_FILE_LINE_C
# define ZEND_FILE_LINE_EMPTY_C NULL, 0
# define ZEND_FILE_LINE_EMPTY_CC , ZEND_FILE_LINE_EMPTY_C
# define ZEND_FILE_LINE_RELAY_C __zend_filename, __zend_lineno
# define ZEND_FILE_LINE_RELAY_CC , ZEND_FILE_LINE_RELAY_C
# define ZEND_FILE_LINE_ORIG_RELAY_C __zend_orig_filename, __zend_orig_lineno
# define ZEND_FILE_LINE_ORIG_RELAY_CC , ZEND_FILE_LINE_ORIG_RELAY_C
#else
# define ZEND_FILE_LINE_D
# define ZEND_FILE_LINE_DC
# define ZEND_FILE_LINE_ORIG_D
# define ZEND_FILE_LINE_ORIG_DC
# define ZEND_FILE_LINE_C
# define ZEND_FILE_LINE_CC
# define ZEND_FILE_LINE_EMPTY_C
# define ZEND_FILE_LINE_EMPTY_CC
# define ZEND_FILE_LINE_RELAY_C
# define ZEND_FILE_LINE_RELAY_CC
# define ZEND_FILE_LINE_ORIG_RELAY_C
# define ZEND_FILE_LINE_ORIG_RELAY_CC
#endif

/* The place of a call, and the place of one that passes its caller's on. */
#define ZEND_MM_HERE ZEND_FILE_LINE_CC ZEND_FILE_LINE_EMPTY_CC
#define ZEND_MM_RELAYED ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_CC
#define ZEND_MM_SPECIALISED(size) (!ZEND_DEBUG && ZEND_MM_CONSTANT(size))

/* ---- the functions of zend_alloc.h for a caller's place ---- */

#define emalloc_rel(size) _emalloc((size) ZEND_MM_RELAYED)
#define efree_rel(block) _efree((block) ZEND_MM_RELAYED)
#define efree_size_rel(block, size) efree_rel(block)
#define ecalloc_rel(count, size) _ecalloc((count), (size) ZEND_MM_RELAYED)
#define erealloc_rel(block, size) _erealloc((block), (size), 0 ZEND_MM_RELAYED)
#define erealloc2_rel(block, size, copy_size) \
    _erealloc2((block), (size), (copy_size), 0 ZEND_MM_RELAYED)
#define erealloc_recoverable_rel(block, size) _erealloc((block), (size), 1 ZEND_MM_RELAYED)
#define erealloc2_recoverable_rel(block, size, copy_size) \
    _erealloc2((block), (size), (copy_size), 1 ZEND_MM_RELAYED)
#define emalloc_aligned_rel(alignment, size) \
    _emalloc_aligned((alignment), (size) ZEND_MM_RELAYED)
#define safe_emalloc_rel(count, size, offset) \
    _safe_emalloc((count), (size), (offset) ZEND_MM_RELAYED)
#define safe_erealloc_rel(block, count, size, offset) \
    _safe_erealloc((block), (count), (size), (offset) ZEND_MM_RELAYED)
#define estrdup_rel(string) _estrdup((string) ZEND_MM_RELAYED)
#define estrndup_rel(string, length) _estrndup((string), (length) ZEND_MM_RELAYED)
#define zend_mem_block_size_rel(block) _zend_mem_block_size((block) ZEND_MM_RELAYED)

#define pemalloc_rel(size, persistent) ((persistent) ? __zend_malloc(size) : emalloc_rel(size))
#define pefree_rel(block, persistent) ((persistent) ? free(block) : efree_rel(block))
#define pecalloc_rel(count, size, persistent) \
    ((persistent) ? __zend_calloc((count), (size)) : ecalloc_rel((count), (size)))
#define perealloc_rel(block, size, persistent) \
    ((persistent) ? __zend_realloc((block), (size)) : erealloc_rel((block), (size)))
#define perealloc2_rel(block, size, copy_size, persistent) \
    ((persistent) ? __zend_realloc((block), (size)) : erealloc2_rel((block), (size), (copy_size)))
#define perealloc_recoverable_rel(block, size, persistent) \
    ((persistent) ? realloc((block), (size)) : erealloc_recoverable_rel((block), (size)))
#define perealloc2_recoverable_rel(block, size, copy_size, persistent) \
    ((persistent) ? realloc((block), (size)) \
                  : erealloc2_recoverable_rel((block), (size), (copy_size)))
#define pestrdup_rel(string, persistent) \
    ((persistent) ? __zend_strdup(string) : estrdup_rel(string))

#define zend_mm_alloc_rel(heap, size) _zend_mm_alloc((heap), (size) ZEND_MM_RELAYED)
#define zend_mm_free_rel(heap, block) _zend_mm_free((heap), (block) ZEND_MM_RELAYED)
#define zend_mm_realloc_rel(heap, block, size) \
    _zend_mm_realloc((heap), (block), (size) ZEND_MM_RELAYED)
#define zend_mm_realloc2_rel(heap, block, size, copy_size) \
    _zend_mm_realloc2((heap), (block), (size), (copy_size) ZEND_MM_RELAYED)
#define zend_mm_block_size_rel(heap, block) \
    _zend_mm_block_size((heap), (block) ZEND_MM_RELAYED)

#endif
