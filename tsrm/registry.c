/* registry: the process's entries and ids, and the lock and condition that guard their lists.
 * Owns        the array of all entries, the free list, the id table.
 * Thread      any; what needs the lock says so in registry.h.
 * Invariants  I1  no user callback runs under the lock
 *             I2  an entry that was ever listed stays mapped and listed
 *             I3  an entry on the free list has only empty slots
 *             I4  open_count is the number of entries STARTING or LIVE
 * Failure     NULL or false, with nothing changed.
 * Tests       tests/unit/tsrm_threads.c, tests/unit/tsrm_oom.c */
#include "config.h"

#include "tsrm/registry.h"

#include <assert.h>
#include <string.h>

struct tsrm_registry tsrm_registry = {
    .lock = TSRM_OS_LOCK_INIT,
    .changed = TSRM_OS_CONDITION_INIT,
};

void tsrm_registry_lock(void)
{
    tsrm_os_lock_acquire(&tsrm_registry.lock);
}

void tsrm_registry_unlock(void)
{
    tsrm_os_lock_release(&tsrm_registry.lock);
}

void tsrm_registry_wait(void)
{
    tsrm_os_condition_wait(&tsrm_registry.changed, &tsrm_registry.lock);
}

void tsrm_registry_wake(void)
{
    tsrm_os_condition_broadcast(&tsrm_registry.changed);
}

void tsrm_registry_wake_waiters(void)
{
    /* Partner: slot_wait counts itself before it looks at the slot once more. Of its increment and
     * our caller's store one is first; either it sees the store or we see it counted. */
    if (atomic_load(&tsrm_registry.waiter_count) == 0) {
        return;
    }
    tsrm_registry_lock();
    tsrm_registry_wake();
    tsrm_registry_unlock();
}

static size_t id_table_size(void)
{
    return TSRM_RSRC_ID_MAX * sizeof(struct tsrm_resource_type);
}

bool tsrm_registry_make_ids(void)
{
    tsrm_registry.types = tsrm_os_reserve(id_table_size());
    return tsrm_registry.types != NULL;
}

void tsrm_registry_drop_ids(void)
{
    tsrm_os_unreserve(tsrm_registry.types, id_table_size());
    tsrm_registry.types = NULL;
    atomic_store_explicit(&tsrm_registry.id_count, 0, memory_order_release);
    tsrm_registry.fast_reserved_size = 0;
    tsrm_registry.fast_used_size = 0;
}

bool tsrm_registry_is_in_use(void)
{
    size_t i;

    for (i = 0; i < tsrm_registry.entry_count; i++) {
        enum tsrm_entry_state state = tsrm_entry_get_state(tsrm_registry.entries[i]);

        if (state != TSRM_ENTRY_FREE && state != TSRM_ENTRY_ABANDONED) {
            return true;
        }
    }
    return false;
}

static bool entries_make_room(void)
{
    size_t capacity = tsrm_registry.entry_capacity * 2 + 16;
    struct tsrm_entry **entries;

    if (tsrm_registry.entry_count < tsrm_registry.entry_capacity) {
        return true;
    }
    entries = tsrm_os_alloc(capacity * sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    if (tsrm_registry.entry_count != 0) {
        memcpy(entries, tsrm_registry.entries, tsrm_registry.entry_count * sizeof(*entries));
    }
    tsrm_os_free(tsrm_registry.entries);
    tsrm_registry.entries = entries;
    tsrm_registry.entry_capacity = capacity;
    return true;
}

static struct tsrm_entry *entry_make(void)
{
    struct tsrm_entry *entry;

    if (!entries_make_room()) {
        return NULL;
    }
    entry = tsrm_os_reserve(sizeof(*entry));
    if (entry == NULL) {
        return NULL;
    }
    /* Users read the slots as plain pointers; a lock-free atomic pointer is one in memory. */
    entry->storage = (void **)(uintptr_t)entry->slots;
    tsrm_registry.entries[tsrm_registry.entry_count++] = entry;
    return entry;
}

struct tsrm_entry *tsrm_entry_open(enum tsrm_entry_kind kind, const void *keeper)
{
    struct tsrm_entry *entry = tsrm_registry.free_entries;

    if (!tsrm_registry.started) {
        return NULL;
    }
    if (entry != NULL) {
        tsrm_registry.free_entries = entry->next;
    } else {
        entry = entry_make();
        if (entry == NULL) {
            return NULL;
        }
    }
    entry->next = NULL;
    entry->kind = (unsigned char)kind;
    entry->value_rounds = 0;
    entry->begun = false;
    entry->finished = false;
    entry->user_count = 0;
    entry->keeper = keeper;
    atomic_store_explicit(&entry->thread_key, tsrm_os_thread_key(tsrm_os_thread_id()),
                          memory_order_relaxed);
    tsrm_entry_set_state(entry, TSRM_ENTRY_STARTING);
    tsrm_registry.open_count++;
    tsrm_registry.thread_count += kind == TSRM_ENTRY_OF_THREAD;
    return entry;
}

void tsrm_entry_open_to_closing(struct tsrm_entry *entry)
{
    assert(tsrm_entry_is_open(entry));
    tsrm_entry_set_state(entry, TSRM_ENTRY_CLOSING);
    tsrm_registry.open_count--;
    tsrm_registry.thread_count -= entry->kind == TSRM_ENTRY_OF_THREAD;
}

void tsrm_entry_recycle(struct tsrm_entry *entry)
{
    tsrm_entry_set_state(entry, TSRM_ENTRY_FREE);
    entry->next = tsrm_registry.free_entries;
    tsrm_registry.free_entries = entry;
    tsrm_registry_wake();
}
