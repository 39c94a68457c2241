/* error: refused allocations become errors of the host.
 * Owns        the calling thread's fallible flag and count of allocations left.
 * Thread      any; each its own.
 * Invariants  the heap is consistent, and its limit lifted, while the host reports.
 * Failure     an error that cannot be reported is printed, then the host's bailout is taken.
 * Tests       tests/php/limits.sh, tests/php/abi.c
 */
#include "config.h"

#include "php/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "alloc/process_limit.h"
#include "alloc/tracked.h"
#include "php/face.h"
#include "php/host.h"

#define EXIT_HARD_LIMIT 137     /* what PHP exits with at its hard limit */
#define DEFAULT_PERCENT 200     /* of the limit is the hard limit */
#define DEFAULT_DISTANCE ((size_t)1 << 30)

#define LIMIT_TEXT "Allowed memory size of %zu bytes exhausted (tried to allocate %zu bytes)"

ZEND_MM_TLS bool php_fallible;
ZEND_MM_TLS uint64_t php_allocs_left;
ZEND_MM_TLS int64_t php_hard_limit_percent = -1;
static ZEND_MM_TLS bool has_hit_max_allocs;

/* ---- reports ---- */

/* The host prints, logs, and leaves through its innermost zend_try. */
static _Noreturn void raise_error(zend_mm_heap *heap, const char *message)
{
    bool can_report = heap != NULL && !heap->overflow && php_host.error_noreturn != NULL;
    php_fallible = false;
    if (can_report) {
        heap->overflow = true;
        zend_mm_heap_release_reserve(heap);
        php_host.error_noreturn(PHP_E_ERROR, "%s", message);
    } else {
        fprintf(stderr, "Fatal error: %s\n", message);
    }
    if (php_host.bailout != NULL) {
        php_host.bailout(__FILE__, __LINE__);
    }
    exit(255);
}

/* For php/late.c. */
void tsrmalloc_php_report_begins(void)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap != NULL && !heap->overflow) {
        heap->overflow = true;
        zend_mm_heap_release_reserve(heap);
    }
}

void tsrmalloc_php_report_ends(void)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap != NULL) {
        php_end_report(heap);
    }
}

void php_end_report(zend_mm_heap *heap)
{
    if (heap->overflow) {
        heap->overflow = false;
        zend_mm_heap_take_reserve(heap);
    }
}

static const char *describe(const zend_mm_heap *heap, size_t size, char *message)
{
    if (heap != NULL && heap->failure == ZEND_MM_FAILURE_LIMIT) {
        snprintf(message, PHP_MESSAGE_MAX, LIMIT_TEXT, heap->limit, size);
    } else if (heap != NULL && heap->failure == ZEND_MM_FAILURE_STORAGE
            && heap->is_refused_by_process) {
        snprintf(message, PHP_MESSAGE_MAX,
            "Allowed process memory size of %zu bytes exhausted (tried to allocate %zu bytes)",
            zend_mm_process_limit(), size);
    } else {
        snprintf(message, PHP_MESSAGE_MAX,
            "Out of memory (allocated %zu bytes) (tried to allocate %zu bytes)",
            heap != NULL ? heap->real_size : 0, size);
    }
    return message;
}

void php_delayed_error_or_panic(bool delay, const char *format, ...)
{
    char message[PHP_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (php_host.delayed_error != NULL) {
        php_host.delayed_error(delay, "%s", message);
    } else if (!delay) {
        raise_error(zend_mm_find_current_heap(), message);
    }
}

/* ---- past the limit, where the host wants that ---- */

/* As the host's: twice the limit, at most DEFAULT_DISTANCE above it, if no percentage is set. */
static size_t hard_limit(size_t limit)
{
    size_t most, rest;
    if (php_hard_limit_percent < 0 && limit > DEFAULT_DISTANCE) {
        return limit < SIZE_MAX - DEFAULT_DISTANCE ? limit + DEFAULT_DISTANCE : SIZE_MAX;
    }
    size_t percent = php_hard_limit_percent < 0 ? DEFAULT_PERCENT : (size_t)php_hard_limit_percent;
    if (__builtin_mul_overflow(limit / 100, percent, &most)
            || __builtin_mul_overflow(limit % 100, percent, &rest)
            || __builtin_add_overflow(most, rest / 100, &most)) {
        return SIZE_MAX;
    }
    return most;
}

static _Noreturn void end_at_hard_limit(size_t limit, size_t size)
{
    const char *file =
        php_host.executed_filename != NULL ? php_host.executed_filename() : "Unknown";
    unsigned int line = php_host.executed_lineno != NULL ? php_host.executed_lineno() : 0;
    fprintf(stderr, "Hard memory limit of %zu bytes exhausted (tried to allocate %zu bytes) in %s "
        "on line %u\n", limit, size, file, line);
    _exit(EXIT_HARD_LIMIT);
}

static void *alloc_past_limit(const php_attempt *attempt)
{
    zend_mm_heap *heap = attempt->heap;
    size_t limit = heap->limit;
    php_host.delayed_error(true, LIMIT_TEXT, limit, attempt->size);
    if (php_fallible) {
        return NULL;
    }
    heap->limit = hard_limit(limit);
    void *block = php_try(attempt);
    if (block == NULL && heap->failure == ZEND_MM_FAILURE_LIMIT) {
        end_at_hard_limit(heap->limit, attempt->size);
    }
    heap->limit = limit;
    return block;
}

void *php_failed_alloc(const php_attempt *attempt)
{
    zend_mm_heap *heap = attempt->heap;
    if (heap != NULL && heap->failure == ZEND_MM_FAILURE_SIZE) {
        php_delayed_error_or_panic(php_fallible,
            "Possible integer overflow in memory allocation (%zu + %zu)", attempt->size,
            zend_mm_os_page_size());
        return NULL;
    }
    if (heap != NULL && heap->failure == ZEND_MM_FAILURE_LIMIT && php_host.delayed_error != NULL) {
        void *block = alloc_past_limit(attempt);
        if (block != NULL || php_fallible) {
            return block;
        }
    }
    char message[PHP_MESSAGE_MAX];
    describe(heap, attempt->size, message);
    if (php_fallible) {
        php_delayed_error_or_panic(true, "%s", message);
        return NULL;
    }
    raise_error(heap, message);
}

bool php_is_refused_by_count(const php_attempt *attempt)
{
    zend_mm_heap *heap = attempt->heap;
    if (heap == NULL || heap->tracked == NULL
            || attempt->size <= zend_mm_tracked_find_size(heap, attempt->block)
            || --php_allocs_left > 0) {
        return false;
    }
    has_hit_max_allocs = true;
    php_delayed_error_or_panic(true, LIMIT_TEXT, heap->limit, attempt->size);
    return php_fallible;
}

void php_set_max_allocs(uint64_t count)
{
    php_allocs_left = count;
    has_hit_max_allocs = false;
}

bool php_max_allocs_hit(void)
{
    return has_hit_max_allocs;
}

/* ---- sizes ---- */

void *php_failed_size(size_t count, size_t size, size_t offset)
{
    php_delayed_error_or_panic(php_fallible,
        "Possible integer overflow in memory allocation (%zu * %zu + %zu)", count, size, offset);
    return NULL;
}

/* ---- what the core asks for ---- */

void zend_mm_raise_overflow(size_t count, size_t size, size_t offset)
{
    php_delayed_error_or_panic(false,
        "Possible integer overflow in memory allocation (%zu * %zu + %zu)", count, size, offset);
    abort();    /* the host has taken a panic for an error */
}

/* The core frames the callbacks of observers. The drop-in's own one never bails out. */
void zend_bailout_enter(zend_bailout_frame *frame)
{
    (void)frame;
}

void zend_bailout_leave(zend_bailout_frame *frame)
{
    (void)frame;
}

void php_persistent_free(void *block)
{
    free(block);
}
