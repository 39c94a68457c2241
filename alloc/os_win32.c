/* os_win32: the system calls of alloc/ on Windows.
 * Owns        nothing.
 * Thread      any.
 * Invariants  as os_posix.c. Windows gives no part of a reservation back, so an aligned block is
 *             found by trying again, and blocks do not grow.
 * Failure     see os.h.
 * Tests       tests/unit/storage.c, where a Windows build runs it
 */
#include "config.h"

#ifdef _WIN32

#include "alloc/os.h"

#define _CRT_RAND_S
#include <stdlib.h>
#include <malloc.h>
#include <windows.h>

#include "alloc/zend_alloc.h"

size_t zend_mm_os_page_size(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

/* Reserve too much, remember the aligned address inside, and take exactly that. Another thread may
 * take it in between: try again. */
void *zend_mm_os_map(size_t size, int file)
{
    (void)file;
    for (int attempt = 0; attempt < 16; attempt++) {
        void *probe = VirtualAlloc(NULL, size + ZEND_MM_SEGMENT_SIZE, MEM_RESERVE, PAGE_NOACCESS);
        if (probe == NULL) {
            return NULL;
        }
        uintptr_t mask = ZEND_MM_SEGMENT_SIZE - 1;
        void *aligned = (void *)(((uintptr_t)probe + mask) & ~mask);
        VirtualFree(probe, 0, MEM_RELEASE);
        void *block = VirtualAlloc(aligned, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if (block != NULL) {
            return block;
        }
    }
    return NULL;
}

void zend_mm_os_unmap(void *block, size_t size)
{
    (void)size;
    VirtualFree(block, 0, MEM_RELEASE);
}

void zend_mm_os_advise_huge_pages(void *block, size_t size)
{
    (void)block, (void)size;
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
    _aligned_free(block);
}

uint64_t zend_mm_os_now(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (uint64_t)((double)count.QuadPart * 1e9 / (double)frequency.QuadPart);
}

uint64_t zend_mm_os_random(void)
{
    unsigned int high = 0, low = 0;
    (void)rand_s(&high);
    (void)rand_s(&low);
    return (uint64_t)high << 32 | low;
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
