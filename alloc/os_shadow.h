/* os_shadow.h: what Valgrind's memcheck and AddressSanitizer are asked and told. Both keep a shadow of
 * the program's memory: which bytes may be touched. Whichever is there is told; without one, all of
 * this does nothing.
 */
#ifndef TSRMALLOC_OS_SHADOW_H
#define TSRMALLOC_OS_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

/* Does memcheck run this program, or does it contain AddressSanitizer? */
bool zend_mm_os_has_shadow(void);

/* From now on a touch of these bytes is reported, or is not. */
void zend_mm_os_shadow_hide(const void *bytes, size_t size);
void zend_mm_os_shadow_show(const void *bytes, size_t size);

/* Blocks come from a pool, each between redzones of `redzone` bytes; `pool` is any address. memcheck
 * remembers who allocated and who freed a block, and says so in its reports. */
void zend_mm_os_shadow_begin_pool(const void *pool, size_t redzone);
void zend_mm_os_shadow_end_pool(const void *pool);
/* A block begins: its bytes may be touched, but have no value yet. */
void zend_mm_os_shadow_alloc(const void *pool, const void *block, size_t size);
/* It ends. */
void zend_mm_os_shadow_free(const void *pool, const void *block, size_t size);
/* All blocks of the pool end: one request, whatever their number. */
void zend_mm_os_shadow_free_all(const void *pool);

#endif
