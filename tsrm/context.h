/* context: tells one listener (alloc/) that the calling thread's current TSRM entry has changed. */
#ifndef TSRMALLOC_TSRM_CONTEXT_H
#define TSRMALLOC_TSRM_CONTEXT_H

#include "tsrm.h"

#ifdef ZTS

/* Sets the one handler; NULL removes it. It is called without any lock held, in the thread whose
 * current entry changed: after tsrm_set_interpreter_context, before the dtors run for the
 * thread's own entry, and after the thread's current entry was cleared or restored. It is not
 * called when a thread's entry is first made: nothing can be cached from before. The handler must
 * not call TSRM functions that end an entry. Thread: any. */
void tsrm_set_context_change_handler(void (*handler)(void));

#endif

#endif
