/* os_win32: the system calls of alloc/ on Windows.
 * Owns        nothing.
 * Thread      any.
 * Invariants  as os_posix.c. Windows gives no part of a reservation back, so an aligned block is
 *             found by trying again, and blocks do not grow.
 * Failure     see os.h; a failed call leaves nothing mapped.
 * Tests       tests/win32/rows.c, by ./quickstart.sh check-win32
 */
#include "config.h"

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#define _CRT_RAND_S     /* rand_s() of stdlib.h */
#include <windows.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "alloc/os.h"
#include "alloc/zend_alloc.h"

/* Reservations tried until one is taken at an aligned address before another thread takes it. */
#define ALIGNED_ATTEMPTS 64

size_t zend_mm_os_page_size(void)
{
    static _Atomic size_t page_size;    /* atomic: relaxed; every writer stores the same value */
    size_t size = atomic_load_explicit(&page_size, memory_order_relaxed);
    if (size == 0) {
        SYSTEM_INFO info;
        GetSystemInfo(&info);
        size = info.dwPageSize;
        atomic_store_explicit(&page_size, size, memory_order_relaxed);
    }
    return size;
}

static void *commit(void *address, size_t size)
{
    return VirtualAlloc(address, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

/* Reserve too much, remember the aligned address inside, and take exactly that. */
void *zend_mm_os_map(size_t size, int file)
{
    (void)file;
    if (size > SIZE_MAX - ZEND_MM_SEGMENT_SIZE) {
        errno = ENOMEM;
        return NULL;
    }
    const uintptr_t mask = ZEND_MM_SEGMENT_SIZE - 1;
    for (int attempt = 0; attempt < ALIGNED_ATTEMPTS; attempt++) {
        void *probe = VirtualAlloc(NULL, size + ZEND_MM_SEGMENT_SIZE, MEM_RESERVE, PAGE_NOACCESS);
        if (probe == NULL) {
            break;
        }
        VirtualFree(probe, 0, MEM_RELEASE);
        void *block = commit((void *)(((uintptr_t)probe + mask) & ~mask), size);
        if (block != NULL) {
            return block;
        }
    }
    errno = ENOMEM;
    return NULL;
}

void *zend_mm_os_map_pages(size_t size)
{
    void *block = commit(NULL, size);
    if (block == NULL) {
        errno = ENOMEM;
    }
    return block;
}

void zend_mm_os_unmap(void *block, size_t size)
{
    (void)size;     /* MEM_RELEASE takes the whole reservation */
    VirtualFree(block, 0, MEM_RELEASE);
}

bool zend_mm_os_discard(void *block, size_t size)
{
    (void)block, (void)size;
    return false;
}

void zend_mm_os_advise_huge_pages(void *block, size_t size)
{
    (void)block, (void)size;
}

size_t zend_mm_os_resident_size(void *block, size_t size)
{
    (void)block, (void)size;
    return 0;
}

bool zend_mm_os_touch(void *block, size_t size)
{
    (void)block, (void)size;
    return false;
}

void zend_mm_os_collapse_huge_pages(void *block, size_t size)
{
    (void)block, (void)size;
}

void *zend_mm_os_remap(void *block, size_t old_size, size_t new_size, int file)
{
    (void)file;
    return new_size == old_size ? block : NULL;
}

int zend_mm_os_zero_file(void)
{
    return ZEND_MM_OS_NO_FILE;
}

void *zend_mm_os_aligned_malloc(size_t alignment, size_t size)
{
    return _aligned_malloc(size, alignment);
}

void zend_mm_os_aligned_free(void *block)
{
    int saved = errno;
    _aligned_free(block);
    errno = saved;
}

uint64_t zend_mm_os_now(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    /* In two steps: ticks times 10^9 passes 64 bits within half an hour at common frequencies. */
    uint64_t ticks = (uint64_t)count.QuadPart, per_second = (uint64_t)frequency.QuadPart;
    return ticks / per_second * 1000000000u + ticks % per_second * 1000000000u / per_second;
}

uint64_t zend_mm_os_random(void)
{
    unsigned int high, low;
    if (rand_s(&high) == 0 && rand_s(&low) == 0) {
        return (uint64_t)high << 32 | low;
    }
    /* No source of randomness: the stack's address and the clock still differ per process. */
    uint64_t value = (uint64_t)(uintptr_t)&low;
    return (value ^ zend_mm_os_now()) * UINT64_C(0x9E3779B97F4A7C15);
}

bool zend_mm_os_at_fork(void (*in_child)(void))
{
    (void)in_child;     /* there is no fork */
    return true;
}

unsigned long zend_mm_os_thread_id(void)
{
    return GetCurrentThreadId();
}

#endif
