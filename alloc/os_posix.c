/* os_posix: the system calls of alloc/ on POSIX systems.
 * Owns        the descriptor of /dev/zero.
 * Thread      any.
 * Invariants  what zend_mm_os_map() gives is aligned to ZEND_MM_SEGMENT_SIZE.
 * Failure     see os.h; a failed call leaves nothing mapped.
 * Tests       tests/unit/storage.c, tests/fault/storage_fault.c
 */
#include "config.h"

#ifndef _WIN32

#include "alloc/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
# include <sys/random.h>
# include <sys/syscall.h>
#endif

#include "alloc/zend_alloc.h"

#define MADVISE_POPULATE_WRITE 23   /* MADV_POPULATE_WRITE since Linux 5.14 */
#define MADVISE_COLLAPSE 25     /* MADV_COLLAPSE since Linux 6.1; newer than many libc headers */

#ifndef MAP_ANONYMOUS
# define MAP_ANONYMOUS MAP_ANON
#endif

/* atomic: published once by compare-and-swap in zend_mm_os_zero_file, never closed. */
static _Atomic int zero_file = ZEND_MM_OS_NO_FILE;

size_t zend_mm_os_page_size(void)
{
    static _Atomic size_t page_size;    /* atomic: relaxed; every writer stores the same value */
    size_t size = atomic_load_explicit(&page_size, memory_order_relaxed);
    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&page_size, size, memory_order_relaxed);
    }
    return size;
}

static void *map(void *hint, size_t size, int protection, int flags, int file)
{
    if (file == ZEND_MM_OS_NO_FILE) {
        flags |= MAP_ANONYMOUS;
    }
    void *block = mmap(hint, size, protection, MAP_PRIVATE | flags, file, 0);
    return block == MAP_FAILED ? NULL : block;
}

void zend_mm_os_unmap(void *block, size_t size)
{
    int saved = errno;
    (void)munmap(block, size);
    errno = saved;
}

static bool is_aligned(const void *block)
{
    return ((uintptr_t)block & (ZEND_MM_SEGMENT_SIZE - 1)) == 0;
}

/* Map a segment more than asked for and give back what lies around the aligned part. */
static void *map_trimmed(size_t size, int protection, int file)
{
    size_t slack = ZEND_MM_SEGMENT_SIZE - zend_mm_os_page_size();
    if (size > SIZE_MAX - slack) {
        errno = ENOMEM;
        return NULL;
    }
    char *block = map(NULL, size + slack, protection, 0, file);
    if (block == NULL) {
        return NULL;
    }
    size_t before = (size_t)(-(uintptr_t)block & (ZEND_MM_SEGMENT_SIZE - 1));
    if (before != 0) {
        zend_mm_os_unmap(block, before);
    }
    if (slack != before) {
        zend_mm_os_unmap(block + before + size, slack - before);
    }
    return block + before;
}

void *zend_mm_os_map(size_t size, int file)
{
    /* The kernel places mappings one below the other, so after one aligned block the next of a
     * whole number of segments is aligned too: most calls need one mmap. */
    void *block = map(NULL, size, PROT_READ | PROT_WRITE, 0, file);
    if (block == NULL || is_aligned(block)) {
        return block;
    }
    zend_mm_os_unmap(block, size);
    return map_trimmed(size, PROT_READ | PROT_WRITE, file);
}

void *zend_mm_os_map_pages(size_t size)
{
    return map(NULL, size, PROT_READ | PROT_WRITE, 0, ZEND_MM_OS_NO_FILE);
}

#ifdef __linux__
/* Advice that the system does not know, or does not take, changes nothing. */
static bool advise(void *block, size_t size, int advice)
{
    int saved = errno;
    bool is_taken = madvise(block, size, advice) == 0;
    errno = saved;
    return is_taken;
}

bool zend_mm_os_discard(void *block, size_t size)
{
    return advise(block, size, MADV_DONTNEED);
}

void zend_mm_os_advise_huge_pages(void *block, size_t size)
{
    (void)advise(block, size, MADV_HUGEPAGE);
}

size_t zend_mm_os_resident_size(void *block, size_t size)
{
    unsigned char pages[ZEND_MM_SEGMENT_SIZE / 4096];   /* no system has smaller pages */
    size_t page_size = zend_mm_os_page_size();
    int saved = errno;
    if (mincore(block, size, pages) != 0) {
        errno = saved;
        return 0;
    }
    size_t count = 0;
    for (size_t page = 0; page < size / page_size; page++) {
        count += pages[page] & 1u;
    }
    return count * page_size;
}

bool zend_mm_os_touch(void *block, size_t size)
{
    return advise(block, size, MADVISE_POPULATE_WRITE);
}

void zend_mm_os_collapse_huge_pages(void *block, size_t size)
{
    (void)advise(block, size, MADVISE_COLLAPSE);
}
#else
/* Elsewhere MADV_DONTNEED may keep what the pages hold. */
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
#endif

#ifdef __linux__
/* Move the pages to a fresh aligned range: mremap() replaces the reservation made for them. */
static void *move_pages(void *block, size_t old_size, size_t new_size)
{
    void *target = map_trimmed(new_size, PROT_NONE, ZEND_MM_OS_NO_FILE);
    if (target == NULL) {
        return NULL;
    }
    void *moved = mremap(block, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    if (moved == MAP_FAILED) {
        zend_mm_os_unmap(target, new_size);
        return NULL;
    }
    return moved;
}
#endif

void *zend_mm_os_remap(void *block, size_t old_size, size_t new_size, int file)
{
    if (new_size <= old_size) {
        if (new_size < old_size) {
            zend_mm_os_unmap((char *)block + new_size, old_size - new_size);
        }
        return block;
    }
#ifdef __linux__
    if (mremap(block, old_size, new_size, 0) != MAP_FAILED) {
        if (TSRMALLOC_SANITIZE_THREAD) {
            /* ThreadSanitizer does not see mremap(): map the new pages once more, so that it forgets
             * what another thread did at their address before. */
            (void)map((char *)block + old_size, new_size - old_size, PROT_READ | PROT_WRITE,
                MAP_FIXED, file);
        }
        return block;
    }
    return move_pages(block, old_size, new_size);
#else
    /* Without mremap: the next addresses, if they are free. */
    char *next = (char *)block + old_size;
    void *more = map(next, new_size - old_size, PROT_READ | PROT_WRITE, 0, file);
    if (more == next) {
        return block;
    }
    if (more != NULL) {
        zend_mm_os_unmap(more, new_size - old_size);
    }
    return NULL;
#endif
}

int zend_mm_os_zero_file(void)
{
    int file = atomic_load_explicit(&zero_file, memory_order_acquire);
    if (file != ZEND_MM_OS_NO_FILE) {
        return file;
    }
    int opened = open("/dev/zero", O_RDWR | O_CLOEXEC);
    if (opened < 0) {
        return ZEND_MM_OS_NO_FILE;
    }
    if (atomic_compare_exchange_strong(&zero_file, &file, opened)) {
        return opened;
    }
    close(opened);      /* another thread was first */
    return file;
}

void *zend_mm_os_aligned_malloc(size_t alignment, size_t size)
{
    void *block;
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

void zend_mm_os_aligned_free(void *block)
{
    int saved = errno;
    free(block);
    errno = saved;
}

uint64_t zend_mm_os_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t zend_mm_os_random(void)
{
    uint64_t value = 0;
#ifdef __linux__
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value) {
        return value;
    }
#endif
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t got = read(file, &value, sizeof value);
        close(file);
        if (got == (ssize_t)sizeof value) {
            return value;
        }
    }
    /* No source of randomness: the stack's address and the clock still differ per process. */
    value ^= (uint64_t)(uintptr_t)&value;
    return (value ^ zend_mm_os_now()) * UINT64_C(0x9E3779B97F4A7C15);
}

bool zend_mm_os_at_fork(void (*in_child)(void))
{
    return pthread_atfork(NULL, NULL, in_child) == 0;
}

unsigned long zend_mm_os_thread_id(void)
{
#ifdef __linux__
    return (unsigned long)syscall(SYS_gettid);
#else
    return (unsigned long)(uintptr_t)pthread_self();
#endif
}

#endif
