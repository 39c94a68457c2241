/* model: what a heap must hold, kept by the plainest means: an array of live blocks. The tests
 * compare the heap with it. Every block carries a pattern of its own over all of its usable bytes
 * (samples of it in large blocks), so that two blocks which overlap, or a copy that loses bytes, is
 * seen when the pattern is checked.
 */
#ifndef TSRMALLOC_TESTS_SUPPORT_MODEL_H
#define TSRMALLOC_TESTS_SUPPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct model_block {
    unsigned char *address;
    size_t asked_size;      /* bytes that were asked for */
    size_t size;            /* usable bytes that follow from it */
    uint64_t seed;          /* of the pattern */
} model_block;

typedef struct model {
    model_block *blocks;
    size_t count, capacity;
    size_t size;            /* sum of the blocks' sizes */
    uint64_t seed;          /* of the next block's pattern */
} model;

/* Usable bytes of a block of `size` bytes, by the bin table and the page sizes. */
size_t model_size_of(size_t size);

/* Record a fresh block and fill it. */
void model_add(model *model, void *address, size_t asked_size);
/* Forget a block: the last one takes its place. */
void model_remove(model *model, size_t index);
/* A block has a new address and size: record both and fill it anew. */
void model_replace(model *model, size_t index, void *address, size_t asked_size);
/* Forget all blocks. */
void model_clear(model *model);
void model_end(model *model);

/* Do the first `length` bytes at `address` (at most block->size) carry the block's pattern? */
bool model_matches(const model_block *block, const void *address, size_t length);
/* Does every block carry its pattern? */
bool model_all_match(const model *model);
/* Is every address in at most one block? */
bool model_is_disjoint(const model *model);
/* Is `address` aligned as the heap promises for a fresh block of `size` bytes? */
bool model_is_aligned(const void *address, size_t size);

#endif
