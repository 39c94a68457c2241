/* debug: blocks that are remembered, filled, padded and checked.
 * Owns        heap->debug.
 * Thread      the heap's owner.
 * Invariants  I1  every live block of the heap is in the table, and nothing else
 *             I2  the bytes of padding around it are ZEND_MM_PAD_BYTE, or somebody wrote there;
 *                 where a tool watches them (heap->hides_memory) nobody reads or writes them
 * Failure     NULL with heap->failure set, the heap as before; damage and misuse end the process.
 * Tests       tests/unit/debug.c, tests/unit/leaks.c, tests/unit/shadow.c, tests/death/debug.c
 */
#include "config.h"

#include "alloc/debug.h"

#include <string.h>

#include "alloc/hardened.h"
#include "alloc/os_debug.h"
#include "alloc/os_shadow.h"
#include "alloc/panic.h"
#include "alloc/quarantine.h"

/* ---- what memcheck and AddressSanitizer know ---- */

static bool start_shadow(zend_mm_heap *heap)
{
    zend_mm_debug *debug = heap->debug;
    debug->quarantine = calloc(1, sizeof *debug->quarantine);
    if (debug->quarantine == NULL) {
        return false;
    }
    if (debug->settings.padding < ZEND_MM_REDZONE) {
        debug->settings.padding = ZEND_MM_REDZONE;
    }
    zend_mm_os_shadow_begin_pool(heap, debug->settings.padding);
    heap->hides_memory = true;
    zend_mm_heap_hide_first_unit(heap);
    return true;
}

static void end_shadow(zend_mm_heap *heap)
{
    zend_mm_os_shadow_end_pool(heap);
    free(heap->debug->quarantine);
}

bool zend_mm_debug_start(zend_mm_heap *heap, const zend_mm_debug_settings *settings)
{
    heap->debug = calloc(1, sizeof *heap->debug);
    if (heap->debug == NULL) {
        return false;
    }
    heap->debug->settings = *settings;
    if (settings->uses_shadow && !start_shadow(heap)) {
        free(heap->debug);
        heap->debug = NULL;
        return false;
    }
    heap->has_padding = heap->debug->settings.padding > 0;
    heap->sees_calls = true;
    return true;
}

/* ---- padding ---- */

static bool is_pad(const unsigned char *bytes, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (bytes[index] != ZEND_MM_PAD_BYTE) {
            return false;
        }
    }
    return true;
}

zend_mm_padding_damage zend_mm_debug_padding(const zend_mm_heap *heap,
    const zend_mm_block_record *record)
{
    if (heap->hides_memory) {
        return ZEND_MM_PADDING_INTACT;      /* the tool sees who writes there */
    }
    const unsigned char *block = record->block;
    if (!is_pad(block - record->front, record->front)) {
        return ZEND_MM_PADDING_BEFORE;
    }
    return is_pad(block + record->size, heap->debug->settings.padding) ? ZEND_MM_PADDING_INTACT
                                                                 : ZEND_MM_PADDING_BEHIND;
}

static int bin_of_block(const zend_mm_heap *heap, const void *base)
{
    size_t size = zend_mm_heap_find_size(heap, base);
    return size > 0 && size <= ZEND_MM_MAX_SMALL_SIZE ? (int)zend_mm_bin_of(size) : ZEND_MM_NO_BIN;
}

static void check_padding(const zend_mm_heap *heap, const zend_mm_block_record *record)
{
    const char *base = (char *)record->block - record->front;
    switch (zend_mm_debug_padding(heap, record)) {
    case ZEND_MM_PADDING_BEFORE:
        zend_mm_panic("a block was written before its start", record->block,
            bin_of_block(heap, base));
    case ZEND_MM_PADDING_BEHIND:
        zend_mm_panic("a block was written beyond its end", record->block,
            bin_of_block(heap, base));
    case ZEND_MM_PADDING_INTACT:
        break;
    }
}

static void fill(void *bytes, int poison, size_t size)
{
    if (poison != ZEND_MM_NO_POISON) {
        memset(bytes, poison, size);
    }
}

/* ---- the table ---- */

static void note_origin(const zend_mm_debug *debug, zend_mm_block_record *record)
{
    record->site = debug->place;
    if (debug->settings.takes_backtraces) {
        record->trace = malloc(sizeof *record->trace);
        if (record->trace != NULL) {
            record->trace->count =
                zend_mm_os_backtrace(record->trace->frames, ZEND_MM_TRACE_FRAMES);
        }
    }
}

static bool remember(zend_mm_heap *heap, void *block, size_t size, size_t front)
{
    zend_mm_block_record *record = zend_mm_block_table_insert(&heap->debug->blocks, block);
    if (record == NULL) {
        return false;
    }
    record->size = size;
    record->front = front;
    note_origin(heap->debug, record);
    return true;
}

/* An address of this heap that is not in the table: where a block could be there was one. */
static void refuse_dead(const zend_mm_heap *heap, const void *block)
{
    if (block == NULL) {
        return;
    }
    const char *base = (const char *)block - heap->debug->settings.padding;
    if (zend_mm_heap_find_size(heap, block) != 0 || zend_mm_heap_find_size(heap, base) != 0) {
        zend_mm_panic("a block was freed twice", block, bin_of_block(heap, base));
    }
}

/* ---- calls ---- */

static void *alloc_base(zend_mm_heap *heap, size_t alignment, size_t size)
{
    void *base;
    do {
        base = alignment == 1 ? zend_mm_base_alloc(heap, size)
                              : zend_mm_base_alloc_aligned(heap, alignment, size);
    } while (base == NULL && zend_mm_quarantine_flush(heap));
    return base;
}

/* Padding on both sides of a new block: bytes to be checked, or bytes that a tool watches, to the end
 * of what the heap below has given. */
static void enclose(zend_mm_heap *heap, char *base, size_t front, size_t size)
{
    char *end = base + front + size;
    if (!heap->hides_memory) {
        memset(base, ZEND_MM_PAD_BYTE, front);
        memset(end, ZEND_MM_PAD_BYTE, heap->debug->settings.padding);
        return;
    }
    size_t total = zend_mm_heap_find_size(heap, base);
    zend_mm_os_shadow_hide(base, front);
    zend_mm_os_shadow_alloc(heap, base + front, size);
    zend_mm_os_shadow_hide(end, total - front - size);
}

void *zend_mm_debug_alloc(zend_mm_heap *heap, size_t alignment, size_t size)
{
    size_t padding = heap->debug->settings.padding;
    size_t front = padding == 0 ? 0 : (padding + alignment - 1) & ~(alignment - 1);
    size_t total;
    if (__builtin_add_overflow(size, front + padding, &total)) {
        heap->failure = ZEND_MM_FAILURE_SIZE;
        return NULL;
    }
    char *base = alloc_base(heap, alignment, total);
    if (base == NULL) {
        return NULL;
    }
    if (!remember(heap, base + front, size, front)) {
        zend_mm_base_free(heap, base);
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return NULL;
    }
    enclose(heap, base, front, size);
    fill(base + front, heap->debug->settings.poison_alloc, size);
    return base + front;
}

void zend_mm_debug_free(zend_mm_heap *heap, void *block)
{
    zend_mm_block_record *record = zend_mm_block_table_find(&heap->debug->blocks, block);
    if (record == NULL) {
        refuse_dead(heap, block);
        zend_mm_base_free(heap, block);     /* NULL, another heap's, or misuse */
        return;
    }
    check_padding(heap, record);
    char *base = (char *)block - record->front;
    fill(block, heap->debug->settings.poison_free, record->size);
    size_t size = record->size;
    zend_mm_block_table_remove(&heap->debug->blocks, record);
    if (heap->hides_memory) {
        zend_mm_os_shadow_free(heap, block, size);
        zend_mm_os_shadow_hide(block, sizeof(zend_mm_slot));    /* shown by a free from elsewhere */
        zend_mm_quarantine_give(heap, base);
    } else {
        zend_mm_base_free(heap, base);
    }
}

/* The link of the list on which it travelled is longer than the shortest blocks: what it wrote beyond
 * one is padding again. */
void zend_mm_debug_drained(zend_mm_heap *heap, void *block)
{
    const zend_mm_block_record *record = zend_mm_block_table_find(&heap->debug->blocks, block);
    if (record != NULL && record->size < sizeof(zend_mm_slot) && heap->has_padding
            && !heap->hides_memory) {
        memset((char *)block + record->size, ZEND_MM_PAD_BYTE, sizeof(zend_mm_slot) - record->size);
    }
}

static void *move(zend_mm_heap *heap, void *block, size_t old_size, size_t size, size_t copy_size)
{
    void *moved = zend_mm_debug_alloc(heap, 1, size);
    if (moved != NULL) {
        size_t kept = copy_size < old_size ? copy_size : old_size;
        memcpy(moved, block, kept < size ? kept : size);
        zend_mm_debug_free(heap, block);
    }
    return moved;
}

/* By the heap below, so that a block grows in place where it can. */
static void *resize(zend_mm_heap *heap, void *block, size_t old_size, size_t size,
    size_t copy_size)
{
    zend_mm_block_table *blocks = &heap->debug->blocks;
    void *resized = zend_mm_base_realloc(heap, block, size, copy_size);
    if (resized == NULL) {
        return NULL;
    }
    /* The place of the old record is room for the next one: inserting cannot fail. */
    zend_mm_block_table_remove(blocks, zend_mm_block_table_find(blocks, block));
    (void)remember(heap, resized, size, 0);
    if (size > old_size) {
        fill((char *)resized + old_size, heap->debug->settings.poison_alloc, size - old_size);
    }
    return resized;
}

void *zend_mm_debug_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    if (block == NULL) {
        return zend_mm_debug_alloc(heap, 1, size);
    }
    zend_mm_debug *debug = heap->debug;
    zend_mm_block_record *record = zend_mm_block_table_find(&debug->blocks, block);
    if (record == NULL) {
        refuse_dead(heap, block);
        return zend_mm_heap_realloc(heap, block, size, copy_size);      /* misuse */
    }
    check_padding(heap, record);
    if (record->front != 0 || debug->settings.padding != 0
            || debug->settings.poison_free != ZEND_MM_NO_POISON) {
        return move(heap, block, record->size, size, copy_size);
    }
    return resize(heap, block, record->size, size, copy_size);
}

size_t zend_mm_debug_size(const zend_mm_heap *heap, const void *block)
{
    const zend_mm_block_record *record =
        zend_mm_block_table_find(&heap->debug->blocks, block);
    return record != NULL && heap->debug->settings.padding != 0
        ? record->size : zend_mm_heap_usable_size(heap, block);
}

size_t zend_mm_debug_find_size(const zend_mm_heap *heap, const void *block)
{
    return zend_mm_block_table_find(&heap->debug->blocks, block) != NULL
        ? zend_mm_debug_size(heap, block) : 0;
}

/* ---- ends ---- */

static void check_all(zend_mm_heap *heap)
{
    const zend_mm_block_table *blocks = &heap->debug->blocks;
    for (size_t place = 0; place < blocks->capacity; place++) {
        if (blocks->records[place].block != NULL) {
            check_padding(heap, &blocks->records[place]);
        }
    }
    const char *what;
    if (heap->debug->settings.check_freelists && !zend_mm_heap_is_valid(heap, &what)) {
        zend_mm_panic(what, heap, ZEND_MM_NO_BIN);
    }
}

void zend_mm_debug_reset(zend_mm_heap *heap, bool silent)
{
    (void)zend_mm_heap_drain_remote(heap);
    check_all(heap);
    if (!silent && heap->debug->settings.reports_leaks) {
        zend_mm_leaks_report(heap->debug);
    }
    zend_mm_block_table_clear(&heap->debug->blocks);
    if (heap->hides_memory) {
        zend_mm_os_shadow_free_all(heap);
        zend_mm_quarantine_clear(heap);
    }
}

void zend_mm_debug_end(zend_mm_heap *heap, bool silent)
{
    zend_mm_debug_reset(heap, silent);
    if (heap->hides_memory) {
        end_shadow(heap);
    }
    free(heap->debug);
    heap->debug = NULL;
}
