/* entry: from STARTING to LIVE, from CLOSING to FREE, and which entry is current.
 * Owns        the new-thread handlers, the context-change handler, the list of deferred closes.
 * Thread      the thread that starts or closes the entry.
 * Invariants  I1  until an entry is LIVE only its keeper constructs in it, in the order of ids;
 *                 afterwards ts_allocate_id does
 *             I2  an entry is emptied only by a thread that holds no slot
 * Failure     a start without memory leaves the entry STARTING, to be gone on with.
 * Tests       tests/unit/tsrm_threads.c, tests/unit/tsrm_context.c, tests/unit/tsrm_fork.c */
#include "config.h"

#include "tsrm/entry.h"

#include <assert.h>

#include "tsrm/context.h"
#include "tsrm/slot.h"

static _Atomic(tsrm_thread_begin_func_t) begin_handler; /* atomic: any order */
static _Atomic(tsrm_thread_end_func_t) end_handler;     /* atomic: any order */
static _Atomic(void (*)(void)) change_handler;          /* atomic: any order */

/* PHP's setters return the old function as void *, which POSIX and Windows allow. */
void *tsrm_set_new_thread_begin_handler(tsrm_thread_begin_func_t handler)
{
    return (void *)(uintptr_t)atomic_exchange(&begin_handler, handler);
}

void *tsrm_set_new_thread_end_handler(tsrm_thread_end_func_t handler)
{
    return (void *)(uintptr_t)atomic_exchange(&end_handler, handler);
}

void tsrm_set_context_change_handler(void (*handler)(void))
{
    atomic_store(&change_handler, handler);
}

void tsrm_entry_context_changed(void)
{
    void (*handler)(void) = atomic_load(&change_handler);

    if (handler != NULL) {
        handler();
    }
}

void tsrm_entry_set_current(struct tsrm_entry *entry)
{
    struct tsrm_entry *previous = tsrm_thread.current;

    tsrm_registry_lock();
    if (previous != NULL && previous->kind == TSRM_ENTRY_OF_CONTEXT) {
        previous->user_count--;
    }
    if (entry != NULL && entry->kind == TSRM_ENTRY_OF_CONTEXT) {
        entry->user_count++;
    }
    tsrm_registry_unlock();
    tsrm_thread.current = entry;
    tsrm_entry_context_changed();
}

bool tsrm_entry_construct(struct tsrm_entry *entry, ts_rsrc_id id)
{
    void *block = NULL;

    if (!tsrm_slot_is_missing(entry, id)) {
        return true;
    }
    /* Memory before the claim: a slot once claimed always becomes ready. */
    if (tsrm_slot_has_block(id)) {
        block = tsrm_slot_alloc(id);
        if (block == NULL) {
            return false;
        }
    }
    if (tsrm_slot_claim(entry, id)) {
        tsrm_slot_construct(entry, id, block);
    } else {
        tsrm_os_free(block);
    }
    return true;
}

/* Lowest id first, so that a ctor finds what was registered before it. */
static bool entry_construct_all(struct tsrm_entry *entry)
{
    ts_rsrc_id id;

    for (id = 1; id <= tsrm_id_count(); id++) {
        if (!tsrm_entry_construct(entry, id)) {
            return false;
        }
    }
    return true;
}

/* STARTING to LIVE, unless ids were published that the entry lacks: from LIVE on, new ids are
 * ts_allocate_id's to construct. Lock not held. */
static bool entry_starting_to_live(struct tsrm_entry *entry, ts_rsrc_id constructed_count)
{
    bool is_complete;

    tsrm_registry_lock();
    is_complete = constructed_count == tsrm_id_count();
    if (is_complete && tsrm_entry_get_state(entry) == TSRM_ENTRY_STARTING) {
        tsrm_entry_set_state(entry, TSRM_ENTRY_LIVE);
    }
    tsrm_registry_unlock();
    return is_complete;
}

static void entry_run_begin_handler(struct tsrm_entry *entry)
{
    tsrm_thread_begin_func_t handler = atomic_load(&begin_handler);

    if (!entry->begun) {
        entry->begun = true;
        if (handler != NULL) {
            handler(tsrm_os_thread_id(), &entry->storage);
        }
    }
}

static void entry_run_end_handler(struct tsrm_entry *entry)
{
    tsrm_thread_end_func_t handler = atomic_load(&end_handler);

    if (!entry->finished) {
        entry->finished = true;
        if (handler != NULL) {
            handler(tsrm_os_thread_id(), &entry->storage);
        }
    }
}

bool tsrm_entry_start(struct tsrm_entry *entry)
{
    ts_rsrc_id count;

    entry_run_begin_handler(entry);
    if (!entry_construct_all(entry)) {
        return false;
    }
    entry_run_end_handler(entry);
    /* At most TSRM_RSRC_ID_MAX times: each further round was caused by a new id. */
    do {
        count = tsrm_id_count();
        if (!entry_construct_all(entry)) {
            return false;
        }
    } while (!entry_starting_to_live(entry, count));
    return true;
}

int tsrm_entry_empty(struct tsrm_entry *entry)
{
    int destroyed_count = 0;
    ts_rsrc_id id;

    assert(!tsrm_thread_in_callback());
    /* Reverse order: what was registered after the heap may still use the heap to die. Nothing
     * new is constructed in a CLOSING entry, so ids that appear meanwhile need no look. */
    for (id = tsrm_id_count(); id >= 1; id--) {
        destroyed_count += tsrm_slot_empty_out(entry, id);
    }
    return destroyed_count;
}

static void entry_empty_and_recycle(struct tsrm_entry *entry)
{
    tsrm_entry_empty(entry);
    tsrm_registry_lock();
    tsrm_entry_recycle(entry);
    tsrm_registry_unlock();
}

void tsrm_entry_close(struct tsrm_entry *entry)
{
    if (!tsrm_thread_in_callback()) {
        entry_empty_and_recycle(entry);
        return;
    }
    tsrm_registry_lock();
    entry->keeper = &tsrm_thread;
    entry->next = tsrm_registry.deferred_entries;
    tsrm_registry.deferred_entries = entry;
    atomic_fetch_add(&tsrm_registry.deferred_count, 1);
    tsrm_registry_unlock();
}

/* Takes one entry that this thread deferred off the list. */
static struct tsrm_entry *deferred_take(void)
{
    struct tsrm_entry **link = &tsrm_registry.deferred_entries;
    struct tsrm_entry *entry;

    tsrm_registry_lock();
    while (*link != NULL && (*link)->keeper != &tsrm_thread) {
        link = &(*link)->next;
    }
    entry = *link;
    if (entry != NULL) {
        *link = entry->next;
        atomic_fetch_sub(&tsrm_registry.deferred_count, 1);
    }
    tsrm_registry_unlock();
    return entry;
}

void tsrm_entry_close_deferred(void)
{
    struct tsrm_entry *entry;

    if (tsrm_thread_in_callback()) {
        return;
    }
    while (atomic_load(&tsrm_registry.deferred_count) != 0) {
        entry = deferred_take();
        if (entry == NULL) {
            return;
        }
        entry_empty_and_recycle(entry);
    }
}

static bool entry_survives_fork(const struct tsrm_entry *entry, const struct tsrm_entry *home)
{
    enum tsrm_entry_state state = tsrm_entry_get_state(entry);

    /* Contexts belong to no thread, except while one makes or ends them. */
    return entry == home || entry == tsrm_thread.current || state == TSRM_ENTRY_FREE ||
           (state == TSRM_ENTRY_LIVE && entry->kind == TSRM_ENTRY_OF_CONTEXT) ||
           (state == TSRM_ENTRY_CLOSING && entry->keeper == &tsrm_thread);
}

static void deferred_keep_own(void)
{
    struct tsrm_entry **link = &tsrm_registry.deferred_entries;
    unsigned count = 0;

    while (*link != NULL) {
        if ((*link)->keeper == &tsrm_thread) {
            link = &(*link)->next;
            count++;
        } else {
            *link = (*link)->next;
        }
    }
    atomic_store(&tsrm_registry.deferred_count, count);
}

void tsrm_entry_after_fork(struct tsrm_entry *home)
{
    size_t i;

    tsrm_os_condition_renew(&tsrm_registry.changed);
    atomic_store(&tsrm_registry.waiter_count, 0);
    deferred_keep_own();
    tsrm_registry.open_count = 0;
    tsrm_registry.thread_count = 0;
    for (i = 0; i < tsrm_registry.entry_count; i++) {
        struct tsrm_entry *entry = tsrm_registry.entries[i];

        if (!entry_survives_fork(entry, home)) {
            tsrm_entry_set_state(entry, TSRM_ENTRY_ABANDONED);
        } else if (tsrm_entry_get_state(entry) != TSRM_ENTRY_FREE) {
            bool is_open = tsrm_entry_is_open(entry);

            tsrm_slot_after_fork(entry);
            entry->user_count =
                entry == tsrm_thread.current && entry->kind == TSRM_ENTRY_OF_CONTEXT;
            tsrm_registry.open_count += is_open;
            tsrm_registry.thread_count += is_open && entry->kind == TSRM_ENTRY_OF_THREAD;
        }
    }
}
