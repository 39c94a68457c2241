/* info: what this build is, and what a heap of it looks like.
 * Owns        nothing.
 * Thread      main thread, after start-up (the version: any time).
 * Invariants  none.
 * Failure     none.
 * Tests       tests/cli/usage.sh */
#include "config.h"

#include "cli.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#ifdef ZTS
# define THREAD_SAFETY "ZTS"
#else
# define THREAD_SAFETY "NTS"
#endif

#define BINS_PER_LINE 10

static const char *sanitizers(void)
{
    if (TSRMALLOC_SANITIZE_ADDRESS) {
        return ", address sanitizer";
    }
    return TSRMALLOC_SANITIZE_THREAD ? ", thread sanitizer" : "";
}

void cli_info_version(FILE *out)
{
    fprintf(out, "tsrmalloc-cli %s (%s%s%s)\n", PACKAGE_VERSION, THREAD_SAFETY,
        ZEND_DEBUG ? ", debug" : "", sanitizers());
}

static void print_bins(FILE *out)
{
#define BIN_SIZE(index, slot_size, slots, pages) slot_size,
    static const unsigned int sizes[ZEND_MM_BIN_COUNT] = { ZEND_MM_BINS(BIN_SIZE) };
#undef BIN_SIZE
    for (int index = 0; index < ZEND_MM_BIN_COUNT; index++) {
        if (index % BINS_PER_LINE == 0) {
            fprintf(out, index == 0 ? "  %-20s" : "\n  %-20s", index == 0 ? "bins" : "");
        }
        fprintf(out, "%5u", sizes[index]);
    }
    fputc('\n', out);
}

static void print_variable(FILE *out, const char *name)
{
    const char *value = getenv(name);
    fprintf(out, "  %-20s%s\n", name, value != NULL ? value : "(not set)");
}

static void print_heap(FILE *out)
{
    zend_mm_heap_statistics heap;
    if (!is_zend_mm() || !zend_mm_heap_stats(NULL, &heap)) {
        fputs("heap\n  storage             C library (malloc, free, realloc)\n", out);
        return;
    }
    fputs("heap\n", out);
    fprintf(out, "  %-20s%s\n", "storage", heap.storage);
    fprintf(out, "  %-20s%zu KiB\n", "segment", ZEND_MM_SEGMENT_SIZE / 1024);
    fprintf(out, "  %-20s%zu KiB\n", "page", ZEND_MM_PAGE_SIZE / 1024);
    fprintf(out, "  %-20sup to %zu bytes, %d bins\n", "small block", ZEND_MM_MAX_SMALL_SIZE,
        ZEND_MM_BIN_COUNT);
    print_bins(out);
    fprintf(out, "  %-20s%zu KiB\n", "an empty heap has", heap.real_size / 1024);
    if (heap.limit == SIZE_MAX) {
        fprintf(out, "  %-20snone\n", "memory_limit");
    } else {
        fprintf(out, "  %-20s%zu bytes\n", "memory_limit", heap.limit);
    }
}

void cli_info_print(FILE *out)
{
    cli_info_version(out);
    fputs("build\n", out);
    fprintf(out, "  %-20s%s\n", "thread safety", THREAD_SAFETY);
    fprintf(out, "  %-20s%s\n", "debug", ZEND_DEBUG ? "yes" : "no");
    fprintf(out, "  %-20s%s\n", "compiler", __VERSION__);
    fprintf(out, "  %-20s%s (running: %s)\n", "zlib", ZLIB_VERSION, zlibVersion());
    fprintf(out, "  %-20s%ld bytes\n", "system page", sysconf(_SC_PAGESIZE));
    print_heap(out);
    fputs("environment\n", out);
    print_variable(out, "USE_ZEND_ALLOC");
    print_variable(out, "ZEND_MM_MEM_TYPE");
    print_variable(out, "ZEND_MM_SEG_SIZE");
    print_variable(out, "ZEND_MM_COMPACT");
    print_variable(out, "ZEND_MM_REMOTE_FREE");
}
