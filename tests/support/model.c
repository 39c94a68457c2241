/* model: the array of live blocks behind model.h, and the patterns in them.
 * Owns        the array; not the blocks.
 * Thread      one model, one thread at a time.
 * Invariants  size is the sum of the blocks' sizes.
 * Failure     out of memory ends the test program.
 * Tests       every test that includes model.h. */
#include "config.h"

#include "tests/support/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/heap.h"
#include "alloc/os.h"
#include "stress/random.h"

enum {
    WHOLE_MAX = 8192,           /* blocks up to here carry their pattern everywhere */
    SAMPLE = 64,                /* the others in so many bytes at each stride, and at their end */
    STRIDE = 4096,
    HUGE_STRIDE = 512 * 1024,
};

size_t model_size_of(size_t size)
{
#define TRY(index, slot_size, slots, pages) \
    if (size <= slot_size) { \
        return slot_size; \
    }
    ZEND_MM_BINS(TRY)
#undef TRY
    size_t page_size = size <= ZEND_MM_MAX_LARGE_SIZE ? ZEND_MM_PAGE_SIZE : zend_mm_os_page_size();
    return (size + page_size - 1) / page_size * page_size;
}

/* ---- patterns ---- */

/* Ranges begin at multiples of 8: the pattern is made word by word. */
static uint64_t word_at(const model_block *block, size_t offset)
{
    return stress_mix_bits(block->seed + (offset >> 3));
}

static size_t word_length(size_t offset, size_t to)
{
    return to - offset < sizeof(uint64_t) ? to - offset : sizeof(uint64_t);
}

static void fill_range(const model_block *block, size_t from, size_t to)
{
    for (size_t offset = from; offset < to; offset += sizeof(uint64_t)) {
        uint64_t word = word_at(block, offset);
        memcpy(block->address + offset, &word, word_length(offset, to));
    }
}

static bool range_matches(const model_block *block, const unsigned char *address, size_t from,
    size_t to)
{
    for (size_t offset = from; offset < to; offset += sizeof(uint64_t)) {
        uint64_t word = word_at(block, offset);
        if (memcmp(address + offset, &word, word_length(offset, to)) != 0) {
            return false;
        }
    }
    return true;
}

static size_t stride_of(const model_block *block)
{
    return block->size <= ZEND_MM_MAX_LARGE_SIZE ? STRIDE : HUGE_STRIDE;
}

static void fill(const model_block *block)
{
    if (block->size <= WHOLE_MAX) {
        fill_range(block, 0, block->size);
        return;
    }
    for (size_t offset = 0; offset < block->size; offset += stride_of(block)) {
        fill_range(block, offset, offset + SAMPLE);
    }
    fill_range(block, block->size - SAMPLE, block->size);
}

bool model_matches(const model_block *block, const void *address, size_t length)
{
    length = length < block->size ? length : block->size;
    if (block->size <= WHOLE_MAX) {
        return range_matches(block, address, 0, length);
    }
    for (size_t offset = 0; offset < length; offset += stride_of(block)) {
        size_t end = offset + SAMPLE < length ? offset + SAMPLE : length;
        if (!range_matches(block, address, offset, end)) {
            return false;
        }
    }
    return range_matches(block, address, block->size - SAMPLE, length);
}

/* ---- the array ---- */

void model_add(model *model, void *address, size_t asked_size)
{
    if (model->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 1024 : model->capacity * 2;
        model->blocks = realloc(model->blocks, model->capacity * sizeof model->blocks[0]);
        if (model->blocks == NULL) {
            perror("model");
            abort();
        }
    }
    model_block *block = &model->blocks[model->count++];
    block->size = 0;
    model_replace(model, model->count - 1, address, asked_size);
}

void model_replace(model *model, size_t index, void *address, size_t asked_size)
{
    model_block *block = &model->blocks[index];
    model->size -= block->size;
    block->address = address;
    block->asked_size = asked_size;
    block->size = model_size_of(asked_size);
    block->seed = stress_random(&model->seed);
    model->size += block->size;
    fill(block);
}

void model_remove(model *model, size_t index)
{
    model->size -= model->blocks[index].size;
    model->blocks[index] = model->blocks[--model->count];
}

void model_clear(model *model)
{
    model->count = 0;
    model->size = 0;
}

void model_end(model *model)
{
    free(model->blocks);
    memset(model, 0, sizeof *model);
}

/* ---- checks ---- */

bool model_all_match(const model *model)
{
    for (size_t index = 0; index < model->count; index++) {
        const model_block *block = &model->blocks[index];
        if (!model_matches(block, block->address, block->size)) {
            return false;
        }
    }
    return true;
}

static int by_address(const void *left, const void *right)
{
    const model_block *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

bool model_is_disjoint(const model *model)
{
    model_block *sorted = malloc((model->count + 1) * sizeof *sorted);
    if (sorted == NULL) {
        perror("model");
        abort();
    }
    for (size_t index = 0; index < model->count; index++) {
        sorted[index] = model->blocks[index];
    }
    qsort(sorted, model->count, sizeof *sorted, by_address);
    bool disjoint = true;
    for (size_t index = 1; index < model->count; index++) {
        const model_block *before = &sorted[index - 1];
        disjoint = disjoint && before->address + before->size <= sorted[index].address;
    }
    free(sorted);
    return disjoint;
}

bool model_is_aligned(const void *address, size_t size)
{
    size_t alignment = size != 0 && size % 16 == 0 ? 16 : ZEND_MM_ALIGNMENT;
    if (size > ZEND_MM_MAX_SMALL_SIZE) {
        alignment = ZEND_MM_PAGE_SIZE;
    }
    if (size > ZEND_MM_MAX_LARGE_SIZE) {
        alignment = ZEND_MM_SEGMENT_SIZE;
    }
    return ((uintptr_t)address & (alignment - 1)) == 0;
}
