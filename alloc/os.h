/* os.h: every operating system call of alloc/, each wrapped once.
 * Failure policy: mapping calls give NULL or false and keep errno; advice and unmapping never fail
 * visibly, since a caller could do nothing about it. Any thread.
 */
#ifndef TSRMALLOC_OS_H
#define TSRMALLOC_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Data of the library is reached without the indirection that symbols of other objects need. */
#if defined(__GNUC__) && !defined(_WIN32)
# define ZEND_MM_HIDDEN __attribute__((visibility("hidden")))
#else
# define ZEND_MM_HIDDEN
#endif

#define ZEND_MM_OS_NO_FILE (-1)

/* Bytes of one OS page. */
size_t zend_mm_os_page_size(void);

/* Map `size` zeroed bytes at a multiple of ZEND_MM_SEGMENT_SIZE. `file`: a descriptor of /dev/zero,
 * or ZEND_MM_OS_NO_FILE for anonymous memory. NULL when the system refuses. */
void *zend_mm_os_map(size_t size, int file);
/* Map `size` zeroed bytes at any page; NULL when the system refuses. */
void *zend_mm_os_map_pages(size_t size);
void zend_mm_os_unmap(void *block, size_t size);

/* Ask for huge pages behind a mapping that will be filled; nothing where the system has none. */
void zend_mm_os_advise_huge_pages(void *block, size_t size);
/* Bytes of a mapping, up to 2 MiB of whole pages, that are in memory; 0 when the system does not say. */
size_t zend_mm_os_resident_size(void *block, size_t size);
/* Make whole pages of a mapping resident, contents kept. false: the system cannot, they are as before. */
bool zend_mm_os_touch(void *block, size_t size);
/* Put huge pages behind a mapping that is in use, contents kept; nothing where the system cannot. */
void zend_mm_os_collapse_huge_pages(void *block, size_t size);

/* Let go of what whole pages of an anonymous mapping hold: they read as zeros again. false: the system
 * cannot, and they are as before. Keeps errno. */
bool zend_mm_os_discard(void *block, size_t size);

/* Resize a mapping of zend_mm_os_map() to new_size, in place or by moving its pages to another
 * aligned address; contents are kept. NULL when it cannot: the block is as before. */
void *zend_mm_os_remap(void *block, size_t old_size, size_t new_size, int file);

/* An open descriptor of /dev/zero, opened once per process; ZEND_MM_OS_NO_FILE on failure. */
int zend_mm_os_zero_file(void);

/* An aligned block of the C library's heap; NULL when it has none. */
void *zend_mm_os_aligned_malloc(size_t alignment, size_t size);
void zend_mm_os_aligned_free(void *block);

/* Nanoseconds of a clock that never goes back. */
uint64_t zend_mm_os_now(void);

/* 64 bits that another process cannot guess. */
uint64_t zend_mm_os_random(void);

/* Run `in_child` in every forked child, before fork() returns there. false: not registered. */
bool zend_mm_os_at_fork(void (*in_child)(void));

/* A number for the calling thread, as debuggers show it. */
unsigned long zend_mm_os_thread_id(void);

#endif
