/* fake_php: stands for a PHP that the drop-in does not serve: it has the names that tell so, and
 * calls its memory manager as PHP does. FAKE_NEWER: a version from the future. FAKE_OLDER: 8.1.
 * Else a debug build, which has no functions per size.
 */
#include <stddef.h>
#include <stdio.h>

/* Would be our memory manager, if no other were preloaded. */
void start_memory_manager(void)
{
    printf("its own memory manager\n");
}

void *_emalloc(size_t size)
{
    (void)size;
    return NULL;
}

/* Of every PHP. */
unsigned int zend_get_executed_lineno(void)
{
    return 0;
}

#ifndef FAKE_OLDER
void zend_memory_reset_peak_usage(void)
{
}
#endif

#ifdef FAKE_NEWER
void refresh_memory_manager(void)
{
}
#endif

#if defined FAKE_NEWER || defined FAKE_OLDER
void *_emalloc_8(void)
{
    return NULL;
}
#endif

void php_run(void)
{
    start_memory_manager();
    (void)_emalloc(100);
    printf("the program ran\n");
}
