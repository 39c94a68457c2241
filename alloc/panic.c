/* panic: the one way a damaged heap ends.
 * Owns        nothing.
 * Thread      any.
 * Invariants  allocates nothing; one write, so that two threads' reports do not mix.
 * Failure     none: it does not return.
 * Tests       tests/death/misuse.c
 */
#include "config.h"

#include "alloc/panic.h"

#include <stdio.h>

#include "alloc/bin.h"
#include "alloc/os.h"

void zend_mm_panic(const char *what, const void *address, int bin)
{
    char where[48] = "no bin";
    if (bin >= 0 && bin < ZEND_MM_BIN_COUNT) {
        snprintf(where, sizeof where, "bin %d (%u bytes)", bin,
            (unsigned int)zend_mm_bin_infos[bin].slot_size);
    }
    fprintf(stderr, "zend_mm_heap corrupted\n%s: address %p, %s, thread %lu\n", what, address, where,
        zend_mm_os_thread_id());
    fflush(stderr);
    abort();
}
