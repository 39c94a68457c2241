/* alloc_support: what the tests of alloc/ do alike with and without ZTS. */
#ifndef TSRMALLOC_TESTS_SUPPORT_ALLOC_SUPPORT_H
#define TSRMALLOC_TESTS_SUPPORT_ALLOC_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alloc/zend_alloc.h"

/* Starts TSRM and the memory manager, as a SAPI does; the calling thread has its heap then. */
static inline void alloc_begin(void)
{
#ifdef ZTS
    if (!tsrm_startup(1, 1, 0, NULL) || ts_resource(0) == NULL) {
        fprintf(stderr, "tsrm_startup failed\n");
        abort();
    }
    start_memory_manager(tsrm_get_ls_cache());
#else
    start_memory_manager();
#endif
}

/* Ends both; returns the number of threads that still had TSRM resources. */
static inline int alloc_end(void)
{
#ifdef ZTS
    return tsrm_shutdown();
#else
    shutdown_memory_manager(1, 1);
    return 0;
#endif
}

/* Makes `heap` the thread's; returns the one before. */
static inline zend_mm_heap *alloc_set_heap(zend_mm_heap *heap)
{
#ifdef ZTS
    return zend_mm_set_heap(heap, tsrm_get_ls_cache());
#else
    return zend_mm_set_heap(heap);
#endif
}

/* The end of the thread's request. */
static inline void alloc_reset(void)
{
#ifdef ZTS
    shutdown_memory_manager(1, 0, tsrm_get_ls_cache());
#else
    shutdown_memory_manager(1, 0);
#endif
}

static inline size_t alloc_usage(int real)
{
#ifdef ZTS
    return zend_memory_usage(real, tsrm_get_ls_cache());
#else
    return zend_memory_usage(real);
#endif
}

/* Bytes of this process's memory, mapped and resident; 0 where the system does not tell. */
static inline void alloc_process_size(size_t *mapped, size_t *resident)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long mapped_pages = 0, resident_pages = 0;
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &mapped_pages, &resident_pages) != 2) {
            mapped_pages = resident_pages = 0;
        }
        fclose(file);
    }
    *mapped = mapped_pages * (size_t)sysconf(_SC_PAGESIZE);
    *resident = resident_pages * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
