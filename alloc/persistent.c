/* persistent: C library memory that outlives requests, and never is NULL.
 * Owns        nothing.
 * Thread      any.
 * Invariants  every block can be freed with free().
 * Failure     `Out of memory`, exit(1); an overflow is reported like the heap's.
 * Tests       tests/unit/persistent.c, tests/death/persistent.c
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "alloc/error.h"
#include "alloc/safe_size.h"

static void *or_exit(void *block, size_t size)
{
    if (block == NULL && size != 0) {
        fprintf(stderr, "Out of memory\n");
        exit(1);
    }
    return block;
}

void *__zend_malloc(size_t size)
{
    return or_exit(malloc(size), size);
}

void *__zend_calloc(size_t count, size_t size)
{
    size_t bytes = zend_mm_safe_size(count, size, 0);
    return or_exit(calloc(1, bytes), bytes);
}

void *__zend_realloc(void *block, size_t size)
{
    return or_exit(realloc(block, size), size);
}

char *__zend_strdup(const char *string)
{
    return zend_strndup(string, strlen(string));
}

char *zend_strndup(const char *string, size_t length)
{
    char *copy = __zend_malloc(zend_mm_safe_size(1, length, 1));
    memcpy(copy, string, length);
    copy[length] = '\0';
    return copy;
}

void *_safe_malloc(size_t count, size_t size, size_t offset)
{
    return __zend_malloc(zend_mm_safe_size(count, size, offset));
}

void *_safe_realloc(void *block, size_t count, size_t size, size_t offset)
{
    return __zend_realloc(block, zend_mm_safe_size(count, size, offset));
}
