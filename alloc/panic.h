/* panic: the end of a process whose heap is damaged. */
#ifndef TSRMALLOC_PANIC_H
#define TSRMALLOC_PANIC_H

#include <stdint.h>

#include "alloc/zend_alloc.h"

#define ZEND_MM_NO_BIN (-1)

/* Print `zend_mm_heap corrupted`, then what was found, the address, the bin and the thread, and
 * abort(). Any thread. */
void zend_mm_panic(const char *what, const void *address, int bin) ZEND_MM_NORETURN;

#endif
