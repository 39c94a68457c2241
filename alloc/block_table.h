/* block_table: what is known of each live block, beside the block: for the modes that remember. */
#ifndef TSRMALLOC_BLOCK_TABLE_H
#define TSRMALLOC_BLOCK_TABLE_H

#include "alloc/zend_alloc.h"

#define ZEND_MM_TRACE_FRAMES 14u

/* Where a block was allocated. NULL filename: nobody said. */
typedef struct zend_mm_call_site {
    const char *filename;
    const char *orig_filename;      /* NULL, or the actual place: `filename` is its caller's */
    uint32_t lineno, orig_lineno;
} zend_mm_call_site;

typedef struct zend_mm_backtrace {
    unsigned int count;
    void *frames[ZEND_MM_TRACE_FRAMES];
} zend_mm_backtrace;

typedef struct zend_mm_block_record {
    void *block;                    /* NULL: free place */
    size_t size;                    /* bytes that were asked for */
    size_t front;                   /* bytes of padding before it */
    zend_mm_call_site site;
    zend_mm_backtrace *trace;       /* NULL, or owned */
} zend_mm_block_record;

/* Owner only. Zeroed: empty. */
typedef struct zend_mm_block_table {
    zend_mm_block_record *records;  /* open addressing, linear probing; C library memory */
    size_t capacity;                /* 0 or a power of two */
    size_t count;
} zend_mm_block_table;

/* A zeroed record for a block that has none; NULL: no memory, nothing has changed. Moves the others. */
zend_mm_block_record *zend_mm_block_table_insert(zend_mm_block_table *table, void *block);
/* The record of `block`; NULL when there is none. */
zend_mm_block_record *zend_mm_block_table_find(const zend_mm_block_table *table, const void *block);
void zend_mm_block_table_remove(zend_mm_block_table *table, zend_mm_block_record *record);
/* Forget all blocks, and give the memory back. */
void zend_mm_block_table_clear(zend_mm_block_table *table);

#endif
