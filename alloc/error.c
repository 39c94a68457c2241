/* error: the error callback and the way out: zend_try, zend_bailout.
 * Owns        the process's error callback; the innermost zend_try of each thread.
 * Thread      any; frames are the thread's own.
 * Invariants  the heap is consistent and its limit lifted while the callback runs.
 * Failure     a second error while one is reported is printed, and leaves the callback.
 * Tests       tests/unit/error.c, tests/death/bailout.c
 */
#include "config.h"

#include "alloc/error.h"

#include <stdio.h>
#include <string.h>

#include "alloc/debug.h"
#include "alloc/globals.h"
#include "alloc/os.h"
#include "alloc/process_limit.h"

#define PLACE_MAX 240       /* of a longer path the end is told */
#define MESSAGE_MAX (160 + PLACE_MAX)   /* the longest message, with three 20-digit numbers */

/* atomic: exchanged by zend_mm_set_error_callback, read when an error is reported. */
static _Atomic(zend_mm_error_callback) error_callback;

static ZEND_MM_TLS zend_bailout_frame *innermost_frame;

/* ---- frames ---- */

void zend_bailout_enter(zend_bailout_frame *frame)
{
    frame->outer = innermost_frame;
    innermost_frame = frame;
}

/* After a bailout the frame has left the chain already: then this changes nothing. */
void zend_bailout_leave(zend_bailout_frame *frame)
{
    innermost_frame = frame->outer;
}

void _zend_bailout(const char *filename, unsigned int line)
{
    zend_bailout_frame *frame = innermost_frame;
    if (frame == NULL) {
        fprintf(stderr, "%s(%u) : Bailed out without a bailout address!\n", filename, line);
        exit(255);
    }
    innermost_frame = frame->outer;
    longjmp(frame->target, 1);
}

/* ---- reports ---- */

zend_mm_error_callback zend_mm_set_error_callback(zend_mm_error_callback callback)
{
    return atomic_exchange(&error_callback, callback);
}

static void print_error(const char *message)
{
    fprintf(stderr, "Fatal error: %s\n", message);
}

static void report(zend_mm_error_kind kind, const char *message)
{
    zend_mm_error_callback callback = atomic_load(&error_callback);
    if (callback == NULL) {
        print_error(message);
        return;
    }
    zend_try {
        callback(kind, message);
    } zend_end_try();
}

/* A second error in this request finds the reserve again, unless what the callback left is in it. */
static void retake_reserve(zend_mm_heap *heap)
{
    zend_mm_heap_take_reserve(heap);
    if (heap->reserve == NULL && heap->reserve_size > 0) {
        /* Slots that the callback has freed are no pages yet. */
        (void)zend_mm_heap_gc(heap);
        zend_mm_heap_take_reserve(heap);
    }
}

/* The reserve is free, and the limit lifted, while the callback runs. */
static void report_for_heap(zend_mm_heap *heap, zend_mm_error_kind kind, const char *message)
{
    if (heap == NULL) {
        report(kind, message);
    } else if (heap->overflow) {
        print_error(message);
    } else {
        heap->overflow = true;
        zend_mm_heap_release_reserve(heap);
        report(kind, message);
        heap->overflow = false;
        retake_reserve(heap);
    }
}

/* Was it the process's limit? A thread without a heap is refused its first unit by it. */
static bool is_process_limit(const zend_mm_heap *heap)
{
    if (heap != NULL) {
        return heap->failure == ZEND_MM_FAILURE_STORAGE && heap->is_refused_by_process;
    }
    size_t limit = zend_mm_process_limit();
    return limit < ZEND_MM_SEGMENT_SIZE || zend_mm_process_usage() > limit - ZEND_MM_SEGMENT_SIZE;
}

/* " at FILE:LINE" of the call that fails, where it is known: in debug builds, as in Zend's. */
static const char *describe_place(const zend_mm_heap *heap, char *text)
{
    text[0] = '\0';
    if (ZEND_DEBUG && heap != NULL && heap->debug != NULL && heap->debug->place.filename != NULL) {
        const zend_mm_call_site *place = &heap->debug->place;
        size_t length = strlen(place->filename), most = PLACE_MAX - sizeof " at :4294967295";
        snprintf(text, PLACE_MAX, " at %s:%u", place->filename + (length > most ? length - most : 0),
            (unsigned int)place->lineno);
    }
    return text;
}

static zend_mm_error_kind describe(const zend_mm_heap *heap, size_t size, char *message)
{
    char text[PLACE_MAX];
    const char *place = describe_place(heap, text);
    if (is_process_limit(heap)) {
        snprintf(message, MESSAGE_MAX,
            "Allowed process memory size of %zu bytes exhausted%s (tried to allocate %zu bytes)",
            zend_mm_process_limit(), place, size);
        return ZEND_MM_ERROR_PROCESS_LIMIT;
    }
    switch (heap == NULL ? ZEND_MM_FAILURE_STORAGE : (zend_mm_failure)heap->failure) {
    case ZEND_MM_FAILURE_LIMIT:
        snprintf(message, MESSAGE_MAX,
            "Allowed memory size of %zu bytes exhausted%s (tried to allocate %zu bytes)",
            heap->limit, place, size);
        return ZEND_MM_ERROR_LIMIT;
    case ZEND_MM_FAILURE_SIZE:
        snprintf(message, MESSAGE_MAX,
            "Possible integer overflow in memory allocation (%zu + %zu)", size,
            zend_mm_os_page_size());
        return ZEND_MM_ERROR_OVERFLOW;
    case ZEND_MM_FAILURE_ALIGNMENT:
        snprintf(message, MESSAGE_MAX, "Unsupported alignment%s (tried to allocate %zu bytes)",
            place, size);
        return ZEND_MM_ERROR_ALIGNMENT;
    default:
        snprintf(message, MESSAGE_MAX,
            "Out of memory (allocated %zu bytes)%s (tried to allocate %zu bytes)",
            heap == NULL ? 0 : heap->real_size, place, size);
        return ZEND_MM_ERROR_OUT_OF_MEMORY;
    }
}

void zend_mm_raise(zend_mm_heap *heap, size_t size)
{
    char message[MESSAGE_MAX];
    zend_mm_error_kind kind = describe(heap, size, message);
    report_for_heap(heap, kind, message);
    zend_bailout();
}

void zend_mm_raise_overflow(size_t count, size_t size, size_t offset)
{
    char message[MESSAGE_MAX];
    snprintf(message, MESSAGE_MAX,
        "Possible integer overflow in memory allocation (%zu * %zu + %zu)", count, size, offset);
    report_for_heap(zend_mm_find_current_heap(), ZEND_MM_ERROR_OVERFLOW, message);
    zend_bailout();
}
