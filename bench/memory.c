/* memory: resident memory and page faults, as the kernel counts them.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  I1  nothing here allocates: the C library's heap may be what is measured
 * Failure     a figure the kernel does not give is NAN.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/memory.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

void *bench_memory_map(size_t size)
{
    void *memory = mmap(NULL, size + 1, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "tsrmalloc-bench: the system gives no %zu bytes\n", size);
        exit(1);
    }
    return memory;
}

/* Its first bytes, as a string; at most 0: there are none. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, size - 1);
    if (file >= 0) {
        close(file);
    }
    text[length > 0 ? length : 0] = '\0';
    return length;
}

/* A `Name:  123 kB` line of /proc/self/status, in bytes. */
static double status_field(const char *name)
{
    char text[4096];
    if (read_file("/proc/self/status", text, sizeof text) <= 0) {
        return (double)NAN;
    }
    const char *line = strstr(text, name);
    return line == NULL ? (double)NAN : (double)strtoull(line + strlen(name), NULL, 10) * 1024;
}

/* Shorter to read than VmRSS in status, and as exact. */
double bench_memory_rss(void)
{
    char text[128];
    ssize_t size = read_file("/proc/self/statm", text, sizeof text);
    const char *blank = size <= 0 ? NULL : strchr(text, ' ');
    return blank == NULL ? (double)NAN
        : (double)strtoull(blank, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

double bench_memory_mapped(void)
{
    return status_field("\nVmSize:");
}

static long faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static double above(const bench_memory *memory, double bytes)
{
    return bytes > memory->rss ? bytes - memory->rss : bytes <= memory->rss ? 0 : (double)NAN;
}

void bench_memory_peak(const bench_memory *memory, bench_result *result)
{
    result->metrics[METRIC_FAULTS] = (double)(faults() - memory->faults);
    result->metrics[METRIC_RSS_PEAK] = above(memory, status_field("\nVmHWM:"));
}

void bench_memory_seen(const bench_memory *memory, double rss, bench_result *result)
{
    double peak = above(memory, rss);
    if (peak > result->metrics[METRIC_RSS_PEAK]) {
        result->metrics[METRIC_RSS_PEAK] = peak;
    }
}

void bench_memory_after(const bench_memory *memory, bench_result *result)
{
    result->metrics[METRIC_RSS_AFTER] = above(memory, bench_memory_rss());
}

void bench_memory_begin(bench_memory *memory)
{
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t written = write(file, "5", 1);      /* resets VmHWM */
        (void)written;                              /* else the peak is too high, never too low */
        close(file);
    }
    /* Once for nothing: the code and the stack that it takes are not the allocator's. */
    bench_result ignored;
    bench_result_clear(&ignored);
    memory->rss = 0;
    memory->faults = 0;
    bench_memory_peak(memory, &ignored);
    bench_memory_after(memory, &ignored);
    memory->rss = bench_memory_rss();
    memory->faults = faults();
}
