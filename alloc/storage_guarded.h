/* storage_guarded: mmap_anon with pages around each block that nobody may touch. */
#ifndef TSRMALLOC_STORAGE_GUARDED_H
#define TSRMALLOC_STORAGE_GUARDED_H

#include "alloc/zend_alloc.h"

/* What is written before the first byte of a block, or beyond its last page, ends the process by
 * SIGSEGV at the instruction that did it. Blocks are not resized in place but to shrink. */
extern const zend_mm_mem_handlers zend_mm_guarded_handlers;

#endif
