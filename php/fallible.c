/* fallible: allocations that give NULL where others are an error. Hosts that have them learn of the
 * error all the same, and raise it once they can.
 * Owns        the calling thread's fallible flag (php_fallible).
 * Thread      any; each its own.
 * Invariants  the flag is afterwards what it was before.
 * Failure     NULL.
 * Tests       tests/php/abi.c
 */
#include "config.h"

#include "php/error.h"
#include "php/face.h"

void *php_femalloc(size_t size)
{
    bool before = php_fallible;
    php_fallible = true;
    void *block = php_emalloc(size);
    php_fallible = before;
    return block;
}

void *php_fecalloc(size_t count, size_t size)
{
    bool before = php_fallible;
    php_fallible = true;
    void *block = php_ecalloc(count, size);
    php_fallible = before;
    return block;
}

void *php_ferealloc2(void *block, size_t size, size_t copy_size)
{
    bool before = php_fallible;
    php_fallible = true;
    void *resized = php_erealloc2(block, size, copy_size);
    php_fallible = before;
    return resized;
}

void *php_ferealloc(void *block, size_t size)
{
    return php_ferealloc2(block, size, size);
}

void *php_safe_femalloc(size_t count, size_t size, size_t offset)
{
    bool before = php_fallible;
    php_fallible = true;
    void *block = php_safe_emalloc(count, size, offset);
    php_fallible = before;
    return block;
}

void *php_safe_ferealloc(void *block, size_t count, size_t size, size_t offset)
{
    bool before = php_fallible;
    php_fallible = true;
    void *resized = php_safe_erealloc(block, count, size, offset);
    php_fallible = before;
    return resized;
}

bool php_is_fallible(void)
{
    return php_fallible;
}

void php_set_fallible(bool fallible)
{
    php_fallible = fallible;
}
