/* thread_table: from a thread's id to its entry, for look-ups of other threads. */
#ifndef TSRMALLOC_TSRM_THREAD_TABLE_H
#define TSRMALLOC_TSRM_THREAD_TABLE_H

#include "tsrm/registry.h"

/* Makes a table with room for `expected_count` threads unless there is one. Lock held. */
bool tsrm_thread_table_make(size_t expected_count) TSRM_MUST_CHECK;
/* Frees the table and all that it superseded. Lock held; nobody may look anything up. */
void tsrm_thread_table_drop(void);

/* Adds an entry under its thread_key; removes it. Lock held. */
bool tsrm_thread_table_insert(struct tsrm_entry *entry) TSRM_MUST_CHECK;
void tsrm_thread_table_remove(struct tsrm_entry *entry);
/* Empties the table but for `entry` (may be NULL). Lock held; no other thread exists. */
void tsrm_thread_table_keep_only(struct tsrm_entry *entry);

/* The LIVE entry of a thread, or NULL. Lock-free; thread: any. */
struct tsrm_entry *tsrm_thread_table_find(uintptr_t thread_key);
/* The open entry of a thread, or NULL. Lock held. */
struct tsrm_entry *tsrm_thread_table_find_open(uintptr_t thread_key);

/* Bytes of the table and all that it superseded. Lock held. */
size_t tsrm_thread_table_size(void);

#endif
