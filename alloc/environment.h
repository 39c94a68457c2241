/* environment: the variables that configure heaps, read and checked. */
#ifndef TSRMALLOC_ENVIRONMENT_H
#define TSRMALLOC_ENVIRONMENT_H

#include "alloc/debug.h"
#include "alloc/storage.h"

typedef struct zend_mm_settings {
    const zend_mm_storage_type *storage;    /* ZEND_MM_MEM_TYPE */
    size_t block_size;                      /* ZEND_MM_SEG_SIZE, bytes */
    size_t compact_size;                    /* ZEND_MM_COMPACT, bytes */
    bool wants_huge_pages;                  /* USE_ZEND_ALLOC_HUGE_PAGES */
    bool is_hardened;                       /* ZEND_MM_HARDENED */
    bool is_debugged;                       /* as zend_mm_environment_debug() says, and how */
    bool wants_redzones;                    /* ZEND_MM_REDZONES, on unless it is numerically 0 */
    zend_mm_debug_settings debug;
} zend_mm_settings;

/* The ZEND_MM_* settings; a wrong one prints what is wrong and exits with 255. */
zend_mm_settings zend_mm_environment_settings(void);

/* ZEND_MM_DEBUG, or what a debug build does without it. false: the heap is not debugged. A wrong one
 * prints what is wrong and exits with 255. */
bool zend_mm_environment_debug(zend_mm_debug_settings *settings);

/* USE_ZEND_ALLOC: false when it is set and numerically 0. */
bool zend_mm_environment_use_zend_alloc(void);

/* USE_TRACKED_ALLOC, which counts only where USE_ZEND_ALLOC is off: set and numerically not 0. */
bool zend_mm_environment_use_tracked_alloc(void);

/* A list of NAME=NUMBER; what is not named stays as it is. A wrong one prints what is wrong and exits
 * with 255. */
void zend_mm_parse_debug(const char *text, zend_mm_debug_settings *settings);

/* ZEND_MM_REMOTE_FREE=panic. Any other value than that and `accept` exits with 255. */
bool zend_mm_environment_remote_free_panics(void);

/* An integer (decimal, 0x hex, leading-0 octal) with an optional k, m or g at the end: its value.
 * Text without a number is 0; what does not fit is clamped. Since 5.2 (zend_atoi, there 32 bits). */
int64_t zend_mm_parse_size(const char *text);

#endif
