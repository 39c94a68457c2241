/* debug_check: is a block, or a whole heap, as it was left? Asked by the program, and answered in the
 * words of Zend MM 5.
 * Owns        nothing; reads the heap's records and the padding of its blocks.
 * Thread      the heap's owner.
 * Invariants  nothing is read at an address before it is known to be a block, nor where a tool watches;
 *             nothing is changed.
 * Failure     a report that there is no memory for is not printed; the result is right all the same.
 * Tests       tests/unit/debug_check.c, tests/shadow/tools.sh
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alloc/debug.h"
#include "alloc/globals.h"
#include "alloc/os.h"
#include "alloc/report.h"

#define RULE "---------------------------------------\n"
#define MAGIC_SIZE sizeof(uint32_t)     /* so much of the padding is shown */

/* ---- what an address is ---- */

typedef enum verdict {
    SOUND,
    DAMAGED,        /* a live block that was written beside */
    FREED,          /* there was a block, or could be one */
    FOREIGN,        /* another heap's */
    UNKNOWN,        /* no block's address */
} verdict;

static const zend_mm_block_record *find_record(const zend_mm_heap *heap, const void *block)
{
    if (heap->debug != NULL) {
        return zend_mm_block_table_find(&heap->debug->blocks, block);
    }
    return heap->tracked != NULL ? zend_mm_block_table_find(heap->tracked, block) : NULL;
}

static bool is_padding_intact(const zend_mm_heap *heap, const zend_mm_block_record *record)
{
    return heap->debug == NULL
        || zend_mm_debug_padding(heap, record) == ZEND_MM_PADDING_INTACT;
}

static verdict judge(const zend_mm_heap *heap, const void *block)
{
    const zend_mm_block_record *record = find_record(heap, block);
    if (record != NULL) {
        return is_padding_intact(heap, record) ? SOUND : DAMAGED;
    }
    if (heap->storage == NULL) {
        return heap->tracked != NULL ? UNKNOWN : SOUND;     /* of the C library's nobody knows */
    }
    uint16_t owner = zend_mm_owner_of(block);
    if (owner != ZEND_MM_OWNER_NONE && zend_mm_owner_index(owner) != heap->index) {
        return FOREIGN;
    }
    size_t padding = heap->debug != NULL ? heap->debug->settings.padding : 0;
    /* As a number: nothing may be added to NULL. */
    if (zend_mm_heap_find_size(heap, (const void *)((uintptr_t)block - padding)) == 0) {
        return UNKNOWN;
    }
    return heap->debug != NULL ? FREED : SOUND;
}

/* ---- the report of one block ---- */

static void print_place(zend_mm_report *out, const zend_mm_call_site *place, const void *block)
{
    zend_mm_report_print(out, "%s(%u) : Block 0x%016zx status:\n",
        place->filename != NULL ? place->filename : "Unknown", (unsigned int)place->lineno,
        (size_t)block);
    zend_mm_report_print_actual(out, place->orig_filename, place->orig_lineno);
}

/* `size` bytes of padding that begin at `nearest`, the byte beside the block, and lead away from it. */
static void print_padding(zend_mm_report *out, const char *name, const unsigned char *nearest,
    ptrdiff_t step, size_t size)
{
    size_t first = size, reach = 0;
    for (size_t index = 0; index < size; index++) {
        if (nearest[step * (ptrdiff_t)index] != ZEND_MM_PAD_BYTE) {
            first = index < first ? index : first;
            reach = index + 1;
        }
    }
    if (reach == 0) {
        zend_mm_report_print(out, "%10s  %s\n", name, size > 0 ? "OK" : "Unknown");
        return;
    }
    ptrdiff_t offset = (ptrdiff_t)(first - first % MAGIC_SIZE);
    uint32_t magic, expected;
    memcpy(&magic, step > 0 ? nearest + offset : nearest - offset - (MAGIC_SIZE - 1), MAGIC_SIZE);
    memset(&expected, ZEND_MM_PAD_BYTE, MAGIC_SIZE);
    zend_mm_report_print(out, "%10s  Overflown (magic=0x%08X instead of 0x%08X)\n", name,
        (unsigned int)magic, (unsigned int)expected);
    zend_mm_report_print(out, reach == size ? "%12sAt least %zu bytes overflown\n"
                                            : "%12s%zu byte(s) overflown\n", "", reach);
}

static void print_live(zend_mm_report *out, const zend_mm_heap *heap, const void *block)
{
    const zend_mm_block_record *record = find_record(heap, block);
    if (record == NULL) {
        zend_mm_report_print(out, "%10s  OK\n", "Beginning:");
        return;
    }
    zend_mm_report_print(out, "%10s  OK (allocated on %s:%u, %zu bytes)\n", "Beginning:",
        record->site.filename != NULL ? record->site.filename : "Unknown",
        (unsigned int)record->site.lineno, record->size);
    const unsigned char *bytes = block;
    /* Of padding that a tool watches nothing may be read. */
    bool is_known = heap->debug != NULL && !heap->hides_memory;
    print_padding(out, "Start:", bytes - 1, -1, is_known ? record->front : 0);
    print_padding(out, "End:", bytes + record->size, 1,
        is_known ? heap->debug->settings.padding : 0);
}

/* Thread numbers as the system shows them; the heap's is of the thread that last used it. */
static void print_foreign(zend_mm_report *out, const void *block)
{
    zend_mm_heap *owner =
        zend_mm_registry_heap(zend_mm_owner_index(zend_mm_owner_of(block)));
    zend_mm_report_print(out, "Invalid pointer: ((thread_id=0x%08lX) != (expected=0x%08lX))\n",
        (unsigned long)atomic_load_explicit(&owner->snapshot.thread, memory_order_relaxed),
        zend_mm_os_thread_id());
}

static void print_block(zend_mm_report *out, const zend_mm_heap *heap, const void *block,
    const zend_mm_call_site *place)
{
    zend_mm_report_print(out, RULE);
    print_place(out, place, block);
    switch (judge(heap, block)) {
    case SOUND:
    case DAMAGED:
        print_live(out, heap, block);
        break;
    case FREED:
        zend_mm_report_print(out, "%10s  Freed\n", "Beginning:");
        break;
    case FOREIGN:
        print_foreign(out, block);
        break;
    case UNKNOWN:
        zend_mm_report_print(out, "%10s  Unknown\n", "Beginning:");
        break;
    }
    zend_mm_report_print(out, RULE);
}

/* ---- the calls ---- */

/* Zend's 2 and 3 are 1 and 0 without a notice that there is none of here. */
static bool prints_sound(int silent)
{
    return silent == 0 || silent == 3;
}

int zend_mm_check_ptr(zend_mm_heap *heap, const void *block, int silent ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC)
{
    bool is_sound = judge(heap, block) == SOUND;
    if (!is_sound || prints_sound(silent)) {
        zend_mm_report out = { 0 };
        print_block(&out, heap, block, &ZEND_MM_PLACE);
        (void)zend_mm_report_write(&out);
    }
    return is_sound;
}

static int check_blocks(zend_mm_report *out, const zend_mm_heap *heap, int silent,
    const zend_mm_call_site *place)
{
    const zend_mm_block_table *blocks = heap->debug != NULL ? &heap->debug->blocks : heap->tracked;
    int errors = 0;
    for (size_t index = 0; blocks != NULL && index < blocks->capacity; index++) {
        const zend_mm_block_record *record = &blocks->records[index];
        if (record->block != NULL) {
            bool is_sound = is_padding_intact(heap, record);
            errors += !is_sound;
            if (!is_sound || prints_sound(silent)) {
                print_block(out, heap, record->block, place);
            }
        }
    }
    return errors;
}

static int check_heap(zend_mm_report *out, const zend_mm_heap *heap, int silent,
    const zend_mm_call_site *place)
{
    int errors = check_blocks(out, heap, silent, place);
    const char *what;
    if (heap->storage != NULL && !zend_mm_heap_is_valid(heap, &what)) {
        zend_mm_report_print(out, "%s\n", what);
        errors++;
    }
    return errors;
}

int zend_mm_check_heap(zend_mm_heap *heap, int silent ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    zend_mm_report out = { 0 };
    int errors = check_heap(&out, heap, silent, &ZEND_MM_PLACE);
    (void)zend_mm_report_write(&out);
    return errors;
}

int _mem_block_check(const void *block, int silent ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap != NULL ? zend_mm_check_ptr(heap, block, silent ZEND_FILE_LINE_RELAY_CC
                                  ZEND_FILE_LINE_ORIG_RELAY_CC)
                        : 0;
}

void _full_mem_check(int silent ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    zend_mm_call_site place = ZEND_MM_PLACE;
    const char *filename = place.filename != NULL ? place.filename : "Unknown";
    zend_mm_heap *heap = zend_mm_find_current_heap();
    zend_mm_report out = { 0 };
    zend_mm_report_print(&out, RULE "Full Memory Check at %s:%u\n", filename,
        (unsigned int)place.lineno);
    int errors = heap != NULL ? check_heap(&out, heap, silent, &place) : 0;
    zend_mm_report_print(&out, "End of full memory check %s:%u (%d errors)\n" RULE, filename,
        (unsigned int)place.lineno, errors);
    (void)zend_mm_report_write(&out);
}

#if ZEND_DEBUG
void zend_debug_alloc_output(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)fputs(text, stderr);
}
#endif
