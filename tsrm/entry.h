/* entry: starting and closing what a thread or a context has; above slot, below its users. */
#ifndef TSRMALLOC_TSRM_ENTRY_H
#define TSRMALLOC_TSRM_ENTRY_H

#include "tsrm/registry.h"

/* Constructs resource `id` in an entry that the caller is starting, unless that is done or being
 * done. False when memory is out. */
bool tsrm_entry_construct(struct tsrm_entry *entry, ts_rsrc_id id) TSRM_MUST_CHECK;

/* Brings a STARTING entry to LIVE: handlers, and all ids there are. The entry is the caller's
 * current. False when memory is out: the entry stays STARTING, and calling again goes on. */
bool tsrm_entry_start(struct tsrm_entry *entry) TSRM_MUST_CHECK;

/* Destroys all resources of a CLOSING entry, highest id first; returns their number. The caller
 * is not inside a callback. */
int tsrm_entry_empty(struct tsrm_entry *entry);

/* Empties and recycles a CLOSING entry that is no thread's home any more. Inside a callback that
 * is left for the outermost call of this thread to do, since it may have to wait. */
void tsrm_entry_close(struct tsrm_entry *entry);

/* Closes what this thread has put off, unless it is still inside a callback. Every function of
 * the API that runs callbacks ends with it. */
void tsrm_entry_close_deferred(void);

/* The calling thread's current entry changes to `entry` (or NULL); tells the handler. */
void tsrm_entry_set_current(struct tsrm_entry *entry);
/* Tells the handler that what it cached of the current entry is out of date. */
void tsrm_entry_context_changed(void);

/* After a fork, lock held: leaves alone the entries of threads that are not here any more. */
void tsrm_entry_after_fork(struct tsrm_entry *home);

#endif
