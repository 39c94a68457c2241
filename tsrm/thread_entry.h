/* thread_entry: the calling thread's own entry, its home. */
#ifndef TSRMALLOC_TSRM_THREAD_ENTRY_H
#define TSRMALLOC_TSRM_THREAD_ENTRY_H

#include "tsrm/registry.h"

/* The calling thread's own entry, or NULL. */
struct tsrm_entry *tsrm_thread_home(void);

/* Sees to it that the end of this thread is noticed although it may never have a home. False when
 * memory is out. */
bool tsrm_thread_expects_end(void) TSRM_MUST_CHECK;

/* Ends the calling thread's home if it has one: current and home are NULL afterwards. Returns the
 * number of resources destroyed. The caller is not inside a callback. */
int tsrm_thread_end(void);

/* What the thread-specific value calls when a thread ends. */
void tsrm_thread_value_destructor(void *value);

#endif
