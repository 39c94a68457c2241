/* storage_win32: the handlers of the win32 storage (only where _WIN32 is defined). */
#ifndef TSRMALLOC_STORAGE_WIN32_H
#define TSRMALLOC_STORAGE_WIN32_H

#include "alloc/zend_alloc.h"

zend_mm_storage *zend_mm_win32_init(void *params);
void zend_mm_win32_dtor(zend_mm_storage *storage);
void zend_mm_win32_compact(zend_mm_storage *storage);
void *zend_mm_win32_alloc(zend_mm_storage *storage, size_t size);
void *zend_mm_win32_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size);
void zend_mm_win32_free(zend_mm_storage *storage, void *block, size_t size);

#endif
