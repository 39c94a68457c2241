/* heap_dump: a heap as one JSON object, for people and their scripts.
 * Owns        nothing; allocates nothing, so that a full heap can be dumped.
 * Thread      the heap's owner.
 * Invariants  the output is one JSON object and a newline.
 * Failure     false: the descriptor took less than all of it, or the heap has no memory of its own.
 * Tests       tests/unit/process_stats.c
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alloc/globals.h"
#include "alloc/os_debug.h"

typedef struct output {
    int file;
    bool failed;
    size_t length;
    char text[2048];
} output;

static void flush(output *out)
{
    out->failed = out->failed || !zend_mm_os_write(out->file, out->text, out->length);
    out->length = 0;
}

static void print(output *out, const char *format, ...) TSRM_PRINTF(2, 3);

/* One call prints less than half of the buffer. */
static void print(output *out, const char *format, ...)
{
    if (out->length > sizeof out->text / 2) {
        flush(out);
    }
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf(out->text + out->length, sizeof out->text - out->length, format,
        arguments);
    va_end(arguments);
    out->length += printed > 0 ? (size_t)printed : 0;
}

/* The part of the free pages that is not in the longest free run, in ten-thousandths: how a fraction is
 * printed is the locale's to say, and JSON knows the point only. */
static unsigned int fragmentation(const zend_mm_heap_statistics *statistics)
{
    size_t free_count = statistics->free_page_count;
    size_t apart = free_count - statistics->largest_free_run;
    return free_count == 0 ? 0 : (unsigned int)((apart * 10000 + free_count / 2) / free_count);
}

/* A JSON string of a text that may hold anything, and be of any length. */
static void print_string(output *out, const char *text)
{
    print(out, "\"");
    for (; *text != '\0'; text++) {
        bool is_plain = (unsigned char)*text >= ' ' && *text != '"' && *text != '\\';
        print(out, is_plain ? "%c" : "\\u%04x", (unsigned char)*text);
    }
    print(out, "\"");
}

static void print_accounts(output *out, const zend_mm_heap_statistics *statistics)
{
    print(out, "{\"heap\":%u,\"storage\":", statistics->heap_index);
    print_string(out, statistics->storage);
    print(out, ",\"size\":%zu,\"peak\":%zu,\"real_size\":%zu,\"real_peak\":%zu,", statistics->size,
        statistics->peak, statistics->real_size, statistics->real_peak);
    if (statistics->limit == SIZE_MAX) {
        print(out, "\"limit\":null,");
    } else {
        print(out, "\"limit\":%zu,", statistics->limit);
    }
    print(out, "\"remote_frees\":%llu,\"resets\":%llu,",
        (unsigned long long)statistics->remote_free_count,
        (unsigned long long)statistics->reset_count);
    print(out, "\"huge\":{\"count\":%zu,\"size\":%zu,\"cached_count\":%zu,\"cached_size\":%zu},",
        statistics->huge_count, statistics->huge_size, statistics->cached_count,
        statistics->cached_size);
    unsigned int apart = fragmentation(statistics);
    print(out, "\"pages\":{\"free\":%zu,\"largest_free_run\":%zu,\"fragmentation\":%u.%04u},",
        statistics->free_page_count, statistics->largest_free_run, apart / 10000, apart % 10000);
}

static void print_bins(output *out, const zend_mm_heap_statistics *statistics)
{
    print(out, "\"bins\":[");
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        const zend_mm_bin_stats *stats = &statistics->bins[bin];
        size_t slot_count = stats->run_count * zend_mm_bin_infos[bin].slot_count;
        print(out, "%s{\"slot_size\":%zu,\"used\":%zu,\"free\":%zu,\"runs\":%zu}",
            bin > 0 ? "," : "", stats->slot_size, stats->used_count,
            slot_count - stats->used_count, stats->run_count);
    }
    print(out, "],");
}

static void print_segments(output *out, const zend_mm_heap *heap)
{
    const char *separator = "";
    print(out, "\"segments\":[");
    for (uint32_t number = 0; number < heap->free_runs.table.end; number++) {
        const zend_mm_segment_info *info = &heap->free_runs.table.infos[number];
        if (info->segment != NULL) {
            print(out, "%s{\"address\":\"%p\",\"free_pages\":%u}", separator,
                (void *)info->segment, (unsigned int)info->free_page_count);
            separator = ",";
        }
    }
    print(out, "]}\n");
}

bool zend_mm_heap_dump(zend_mm_heap *heap, int file)
{
    zend_mm_heap_statistics statistics;
    heap = heap != NULL ? heap : zend_mm_find_current_heap();
    if (heap == NULL || heap->storage == NULL || !zend_mm_heap_stats(heap, &statistics)) {
        return false;
    }
    output out = { .file = file };
    print_accounts(&out, &statistics);
    print_bins(&out, &statistics);
    print_segments(&out, heap);
    flush(&out);
    return !out.failed;
}
