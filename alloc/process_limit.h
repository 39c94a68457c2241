/* process_limit: the bytes that all heaps of the process and the pools hold from their storages, and
 * how many they may. */
#ifndef TSRMALLOC_PROCESS_LIMIT_H
#define TSRMALLOC_PROCESS_LIMIT_H

#include "alloc/zend_alloc.h"

/* Count `size` more bytes as held, before they are taken. false: the limit has no room for them, even
 * with the pools emptied; nothing is counted. Any thread. */
bool zend_mm_process_reserve(size_t size) ZEND_MM_USE_RESULT;

/* `size` bytes went back to a storage. Any thread. */
void zend_mm_process_release(size_t size);

/* The limit now; SIZE_MAX = none. */
size_t zend_mm_process_limit(void);

/* How often memory was taken from a storage, and given back. */
void zend_mm_process_counts(uint64_t *taken, uint64_t *given);

#endif
