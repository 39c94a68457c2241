/* os_debug.h: the operating system calls of the debugging and hardened modes; the rest is in os.h. */
#ifndef TSRMALLOC_OS_DEBUG_H
#define TSRMALLOC_OS_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Return addresses of the calling thread, the innermost first, without this function's; 0 where the
 * system cannot tell. */
unsigned int zend_mm_os_backtrace(void **frames, unsigned int count);

/* A line about one of them, for people. */
void zend_mm_os_describe_frame(void *frame, char *text, size_t size);

/* Make whole pages of a mapping accessible or not. false: the system refused. */
bool zend_mm_os_protect(void *pages, size_t size, bool is_accessible);

/* The local time now; false: it is not known. */
bool zend_mm_os_local_time(struct tm *parts);

/* Write all of `text`; false: the system took less. */
bool zend_mm_os_write(int file, const char *text, size_t size);

#endif
