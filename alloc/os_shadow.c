/* os_shadow: the requests to memcheck and AddressSanitizer.
 * Owns        nothing.
 * Thread      any; a pool is its heap's owner's.
 * Invariants  none.
 * Failure     none.
 * Tests       tests/shadow/tools.sh
 */
#include "config.h"

#include "alloc/os_shadow.h"

#include <stdint.h>

/* The header comes with Valgrind. Its requests are some instructions that do nothing elsewhere, so that
 * they cost a build nothing to have; they are kept up to date for each processor by its authors. */
#if HAVE_VALGRIND_MEMCHECK_H
# include <valgrind/memcheck.h>
#else
# define VALGRIND_MAKE_MEM_NOACCESS(bytes, size) ((void)(bytes), (void)(size), 0)
# define VALGRIND_MAKE_MEM_DEFINED(bytes, size) ((void)(bytes), (void)(size), 0)
# define VALGRIND_CREATE_MEMPOOL(pool, redzone, is_zeroed) ((void)(pool), (void)(redzone))
# define VALGRIND_DESTROY_MEMPOOL(pool) ((void)(pool))
# define VALGRIND_MEMPOOL_ALLOC(pool, block, size) ((void)(block), (void)(size))
# define VALGRIND_MEMPOOL_FREE(pool, block) ((void)(block))
# define VALGRIND_MEMPOOL_TRIM(pool, bytes, size) ((void)(pool))
#endif

/* AddressSanitizer is a matter of the process: these are there when any part of it was built so, the
 * library or the program. A weak symbol that nobody has is NULL; Windows knows none. */
#ifndef _WIN32
__attribute__((weak, visibility("default")))
void __asan_poison_memory_region(const volatile void *bytes, size_t size);
__attribute__((weak, visibility("default")))
void __asan_unpoison_memory_region(const volatile void *bytes, size_t size);

static bool has_asan(void)
{
    return __asan_poison_memory_region != NULL && __asan_unpoison_memory_region != NULL;
}

static void asan_hide(const void *bytes, size_t size)
{
    if (has_asan()) {
        __asan_poison_memory_region(bytes, size);
    }
}

static void asan_show(const void *bytes, size_t size)
{
    if (has_asan()) {
        __asan_unpoison_memory_region(bytes, size);
    }
}
#else
static bool has_asan(void)
{
    return false;
}

static void asan_hide(const void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
}

static void asan_show(const void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
}
#endif

bool zend_mm_os_has_shadow(void)
{
    /* Of Valgrind's tools only memcheck answers this request. */
    char probe = 0;
    return has_asan() || VALGRIND_MAKE_MEM_DEFINED(&probe, sizeof probe) != 0;
}

void zend_mm_os_shadow_hide(const void *bytes, size_t size)
{
    asan_hide(bytes, size);
    (void)VALGRIND_MAKE_MEM_NOACCESS(bytes, size);
}

void zend_mm_os_shadow_show(const void *bytes, size_t size)
{
    asan_show(bytes, size);
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, size);
}

void zend_mm_os_shadow_begin_pool(const void *pool, size_t redzone)
{
    (void)pool;
    VALGRIND_CREATE_MEMPOOL(pool, redzone, 0);
}

void zend_mm_os_shadow_end_pool(const void *pool)
{
    VALGRIND_DESTROY_MEMPOOL(pool);
}

void zend_mm_os_shadow_alloc(const void *pool, const void *block, size_t size)
{
    (void)pool;
    asan_show(block, size);
    VALGRIND_MEMPOOL_ALLOC(pool, block, size);
}

void zend_mm_os_shadow_free(const void *pool, const void *block, size_t size)
{
    (void)pool;
    asan_hide(block, size);
    VALGRIND_MEMPOOL_FREE(pool, block);
}

void zend_mm_os_shadow_free_all(const void *pool)
{
    VALGRIND_MEMPOOL_TRIM(pool, 0, 0);
}
