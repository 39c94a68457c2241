/* options: what the TSRMALLOC_ variables of the environment ask for (docs/php.md). */
#ifndef TSRMALLOC_PHP_OPTIONS_H
#define TSRMALLOC_PHP_OPTIONS_H

#include "alloc/heap.h"

/* Read the variables; a wrong one ends the process with one line. Once, before any heap. */
void php_options_start(void);
/* A heap was made for a thread. Owner, or the thread that acts for it. */
void php_options_heap_begins(zend_mm_heap *heap);
/* A request (full: the heap itself) is about to end. As above. */
void php_options_request_ends(zend_mm_heap *heap, bool full);

#endif
