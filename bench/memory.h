/* memory.h: what the process holds, and memory that no measured allocator sees. */
#ifndef TSRMALLOC_BENCH_MEMORY_H
#define TSRMALLOC_BENCH_MEMORY_H

#include <stddef.h>

#include "bench/metric.h"

typedef struct bench_memory {
    double rss;                 /* bytes when it began */
    long faults;
} bench_memory;

/* Zeroed pages from the system, all of them present: they count neither as page faults of what is
 * measured nor as its memory. Ends the process when there are none. */
void *bench_memory_map(size_t size) __attribute__((returns_nonnull, warn_unused_result));

/* Resident bytes now. */
double bench_memory_rss(void);

/* Bytes of address space that are mapped now, resident or not. */
double bench_memory_mapped(void);

/* Remember what is resident, and let the kernel forget its peak. */
void bench_memory_begin(bench_memory *memory);
/* RSS_PEAK and FAULTS since then; exact where now is the peak. */
void bench_memory_peak(const bench_memory *memory, bench_result *result);
/* The process had `rss` bytes at some time: RSS_PEAK is no less. The kernel notes a peak when
 * memory is given back, from counters that each processor adds up on its own: a few hundred KiB are
 * not in it. What is resident now it counts exactly. */
void bench_memory_seen(const bench_memory *memory, double rss, bench_result *result);
/* RSS_AFTER: to be called behind the last request end. */
void bench_memory_after(const bench_memory *memory, bench_result *result);

#endif
