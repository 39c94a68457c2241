/* tsan: tell ThreadSanitizer what a Concurrency Kit structure orders. It cannot see the fences
 * inside; the wrapper around each structure marks the element that goes through. Empty elsewhere. */
#ifndef TSRMALLOC_TSAN_H
#define TSRMALLOC_TSAN_H

#if TSRMALLOC_SANITIZE_THREAD
void __tsan_acquire(void *address);
void __tsan_release(void *address);
# define zend_mm_tsan_acquire(element) __tsan_acquire(element)
# define zend_mm_tsan_release(element) __tsan_release(element)
#else
# define zend_mm_tsan_acquire(element) ((void)(element))
# define zend_mm_tsan_release(element) ((void)(element))
#endif

#endif
