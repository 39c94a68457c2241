/* tracked: blocks of the C library, remembered so that the limit holds and a request end frees them.
 * Owns        heap->tracked, and every block in it.
 * Thread      the heap's owner.
 * Invariants  large_size == real_size == the sum of the records' sizes
 * Failure     NULL with heap->failure set; the block of a failed resize is as before. An address that
 *             is not in the table ends the process.
 * Tests       tests/unit/tracked.c, tests/death/tracked.c
 */
#include "config.h"

#include "alloc/tracked.h"

#include "alloc/block_table.h"
#include "alloc/panic.h"
#include "alloc/process_limit.h"

bool zend_mm_tracked_start(zend_mm_heap *heap)
{
    heap->tracked = calloc(1, sizeof *heap->tracked);
    return heap->tracked != NULL;
}

/* ---- accounts ---- */

static bool reserve(zend_mm_heap *heap, size_t size)
{
    if (!zend_mm_heap_is_within_limit(heap, size)) {
        heap->failure = ZEND_MM_FAILURE_LIMIT;
        return false;
    }
    heap->failure = ZEND_MM_FAILURE_STORAGE;
    return zend_mm_heap_storage_reserve(heap, size);
}

static void add(zend_mm_heap *heap, size_t size)
{
    heap->large_size += size;
    heap->real_size += size;
    if (heap->real_size > heap->real_peak) {
        heap->real_peak = heap->real_size;
    }
    zend_mm_heap_grown(heap);
}

static void subtract(zend_mm_heap *heap, size_t size)
{
    heap->large_size -= size;
    heap->real_size -= size;
    zend_mm_process_release(size);
}

static zend_mm_block_record *find(const zend_mm_heap *heap, const void *block)
{
    zend_mm_block_record *record = zend_mm_block_table_find(heap->tracked, block);
    if (record == NULL) {
        zend_mm_panic("not a live block of this heap", block, ZEND_MM_NO_BIN);
    }
    return record;
}

/* ---- calls ---- */

void *zend_mm_tracked_alloc(zend_mm_heap *heap, size_t size)
{
    if (!reserve(heap, size)) {
        return NULL;
    }
    void *block = malloc(size != 0 ? size : 1);
    zend_mm_block_record *record =
        block != NULL ? zend_mm_block_table_insert(heap->tracked, block) : NULL;
    if (record == NULL) {
        free(block);
        zend_mm_process_release(size);
        return NULL;
    }
    record->size = size;
    add(heap, size);
    return block;
}

void zend_mm_tracked_free(zend_mm_heap *heap, void *block)
{
    if (block != NULL) {
        zend_mm_block_record *record = find(heap, block);
        subtract(heap, record->size);
        zend_mm_block_table_remove(heap->tracked, record);
        free(block);
    }
}

void *zend_mm_tracked_realloc(zend_mm_heap *heap, void *block, size_t size)
{
    if (block == NULL) {
        return zend_mm_tracked_alloc(heap, size);
    }
    size_t old_size = find(heap, block)->size;
    size_t more = size > old_size ? size - old_size : 0;
    if (!reserve(heap, more)) {
        return NULL;
    }
    /* The place of the old record is room for the next one: inserting cannot fail. */
    zend_mm_block_table_remove(heap->tracked, find(heap, block));
    void *resized = realloc(block, size != 0 ? size : 1);
    if (resized == NULL) {
        zend_mm_block_table_insert(heap->tracked, block)->size = old_size;
        zend_mm_process_release(more);
        return NULL;
    }
    zend_mm_block_table_insert(heap->tracked, resized)->size = size;
    if (size < old_size) {
        subtract(heap, old_size - size);
    } else {
        add(heap, more);
    }
    return resized;
}

size_t zend_mm_tracked_size(const zend_mm_heap *heap, const void *block)
{
    return find(heap, block)->size;
}

size_t zend_mm_tracked_find_size(const zend_mm_heap *heap, const void *block)
{
    const zend_mm_block_record *record =
        heap->tracked != NULL ? zend_mm_block_table_find(heap->tracked, block) : NULL;
    return record != NULL ? record->size : 0;
}

/* ---- ends ---- */

void zend_mm_tracked_reset(zend_mm_heap *heap, bool silent)
{
    zend_mm_block_table *table = heap->tracked;
    for (size_t place = 0; silent && place < table->capacity; place++) {
        free(table->records[place].block);
    }
    subtract(heap, heap->real_size);
    zend_mm_block_table_clear(table);
    heap->peak = heap->real_peak = 0;
    heap->peak_note_at = 0;
    heap->overflow = false;
    heap->reset_count++;
}

void zend_mm_tracked_end(zend_mm_heap *heap, bool silent)
{
    zend_mm_tracked_reset(heap, silent);
    free(heap->tracked);
    heap->tracked = NULL;
}
