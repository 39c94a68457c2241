/* interpreter_context: entries that belong to no thread and can be current in any.
 * Owns        nothing of its own; contexts are listed with all entries.
 * Thread      any; a context is current in one thread at a time.
 * Invariants  I1  user_count of a context is the number of threads that have it current
 * Failure     NULL when memory is out; the caller's current entry is as before.
 * Tests       tests/unit/tsrm_context.c, tests/unit/tsrm_oom.c */
#include "config.h"

#include "tsrm/entry.h"
#include "tsrm/slot.h"
#include "tsrm/thread_entry.h"

void *tsrm_new_interpreter_context(void)
{
    struct tsrm_entry *previous = tsrm_thread.current;
    struct tsrm_entry *context;
    bool is_ready;

    tsrm_registry_lock();
    context = tsrm_entry_open(TSRM_ENTRY_OF_CONTEXT, &tsrm_thread);
    tsrm_registry_unlock();
    if (context == NULL) {
        return NULL;
    }
    tsrm_entry_set_current(context);
    is_ready = tsrm_entry_start(context);
    tsrm_entry_set_current(previous);
    if (!is_ready) {
        tsrm_registry_lock();
        tsrm_entry_open_to_closing(context);
        tsrm_registry_unlock();
        tsrm_entry_close(context);
        context = NULL;
    }
    tsrm_entry_close_deferred();
    return context;
}

void *tsrm_set_interpreter_context(void *new_ctx)
{
    struct tsrm_entry *previous = tsrm_thread.current;

    if (new_ctx != NULL && !tsrm_thread_expects_end()) {
        /* The context stays counted as in use after this thread has ended, no more than that. */
        tsrm_error(TSRM_ERROR_LEVEL_ERROR, "tsrm_set_interpreter_context: no thread value");
    }
    tsrm_entry_set_current(new_ctx);
    return previous;
}

void tsrm_free_interpreter_context(void *context)
{
    struct tsrm_entry *entry = context;
    bool is_ours;

    if (entry == NULL) {
        return;
    }
    tsrm_registry_lock();
    is_ours = entry->kind == TSRM_ENTRY_OF_CONTEXT &&
              tsrm_entry_get_state(entry) == TSRM_ENTRY_LIVE &&
              entry->user_count == (entry == tsrm_thread.current);
    if (is_ours) {
        tsrm_entry_open_to_closing(entry);
    }
    tsrm_registry_unlock();
    if (!is_ours) {
        tsrm_error(TSRM_ERROR_LEVEL_ERROR,
                   "tsrm_free_interpreter_context: not a context, or current in another thread");
        return;
    }
    if (entry != tsrm_thread.current) {
        tsrm_entry_close(entry);
        return;
    }
    if (tsrm_thread_in_callback()) {
        /* Emptied only when the callback has returned, and no longer current by then. */
        tsrm_entry_set_current(NULL);
        tsrm_entry_close(entry);
        return;
    }
    tsrm_entry_context_changed();
    tsrm_entry_empty(entry);
    tsrm_entry_set_current(NULL);
    tsrm_entry_close(entry);
}
