/* record: TSRMALLOC_RECORD: what a PHP allocates, as a trace (traces/README.md). */
#ifndef TSRMALLOC_PHP_RECORD_H
#define TSRMALLOC_PHP_RECORD_H

#include "alloc/heap.h"

/* Record every heap from now on. The first one goes to `path`, the others, and those of forked
 * children, to names made from it. Ends the process when `path` is compressed and zlib missing. */
void php_record_start(const char *path);
/* A heap was made: record it, if that is asked for. Its file is written when the heap ends. */
void php_record_heap_begins(zend_mm_heap *heap);

#endif
