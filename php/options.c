/* options: TSRMALLOC_INFO, TSRMALLOC_STATS, TSRMALLOC_PROCESS_LIMIT, TSRMALLOC_RECORD.
 * Owns        the counts behind the line at exit, the descriptor of the statistics' file.
 * Thread      any; counts are atomic, a heap's statistics are one record under a lock.
 * Invariants  none of the variables costs the hot path anything but TSRMALLOC_RECORD.
 * Failure     a wrong value, or a file that cannot be opened, ends the process: status 64 or 73.
 * Tests       tests/php/options.sh
 */
#include "config.h"

#include "php/options.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/environment.h"
#include "php/host.h"
#include "php/record.h"

#define EXIT_USAGE 64
#define EXIT_CANNOT_CREATE 73

/* atomic: relaxed counters. */
static atomic_ulong heap_count, request_count;
static atomic_size_t largest_peak;

static int stats_file = -1;                 /* const after php_options_start() */
static pthread_mutex_t stats_lock = PTHREAD_MUTEX_INITIALIZER;

/* Is the variable set, and not empty? */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* ---- TSRMALLOC_INFO ---- */

static void print_info(void)
{
    fprintf(stderr, "tsrmalloc " PACKAGE_VERSION ": served PHP %s (%s), %lu heaps, %lu request "
        "ends, largest heap %zu bytes\n", php_host.version,
        php_host.allocate_id != NULL ? "ZTS" : "NTS", atomic_load(&heap_count),
        atomic_load(&request_count), atomic_load(&largest_peak));
}

static void note_peak(size_t peak)
{
    size_t largest = atomic_load_explicit(&largest_peak, memory_order_relaxed);
    while (peak > largest && !atomic_compare_exchange_weak(&largest_peak, &largest, peak)) {
    }
}

/* ---- TSRMALLOC_PROCESS_LIMIT ---- */

static void set_process_limit(const char *text)
{
    int64_t limit = zend_mm_parse_size(text);
    size_t digits = strspn(text, "0123456789");
    size_t length = digits + (strspn(text + digits, "kKmMgG") > 0);
    if (digits == 0 || text[length] != '\0' || limit < (int64_t)ZEND_MM_SEGMENT_SIZE) {
        fprintf(stderr, "tsrmalloc: TSRMALLOC_PROCESS_LIMIT=%s: expected bytes, at least 2M, with "
            "k, m or g at the end if you like\n", text);
        exit(EXIT_USAGE);
    }
    (void)zend_mm_set_process_limit((size_t)limit);
}

/* ---- TSRMALLOC_STATS ---- */

static void open_stats(const char *path)
{
    stats_file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (stats_file < 0) {
        fprintf(stderr, "tsrmalloc: TSRMALLOC_STATS=%s: %s\n", path, strerror(errno));
        exit(EXIT_CANNOT_CREATE);
    }
}

static void write_stats(zend_mm_heap *heap)
{
    pthread_mutex_lock(&stats_lock);
    (void)zend_mm_heap_dump(heap, stats_file);
    pthread_mutex_unlock(&stats_lock);
}

/* ---- all of them ---- */

void php_options_start(void)
{
    if (variable("TSRMALLOC_INFO") != NULL) {
        (void)atexit(print_info);
    }
    const char *limit = variable("TSRMALLOC_PROCESS_LIMIT");
    if (limit != NULL) {
        set_process_limit(limit);
    }
    const char *stats = variable("TSRMALLOC_STATS");
    if (stats != NULL) {
        open_stats(stats);
    }
    const char *record = variable("TSRMALLOC_RECORD");
    if (record != NULL) {
        php_record_start(record);
    }
}

void php_options_heap_begins(zend_mm_heap *heap)
{
    atomic_fetch_add_explicit(&heap_count, 1, memory_order_relaxed);
    php_record_heap_begins(heap);
}

void php_options_request_ends(zend_mm_heap *heap, bool full)
{
    note_peak(heap->real_peak);
    if (!full) {
        /* The host's start-up ends like a request, before there are threads. */
        if (atomic_fetch_add_explicit(&request_count, 1, memory_order_relaxed) == 0) {
            php_host_note_version();
        }
        if (stats_file >= 0 && heap->storage != NULL) {
            write_stats(heap);
        }
    }
}
