/* resource_id: allocating and freeing ids, in all threads at once.
 * Owns        the contents of the id table and the room for fast resources.
 * Thread      any.
 * Invariants  I1  an id is published with its type complete and is never used again
 *             I2  all memory for the live threads is there before the id is published, so an
 *                 allocation succeeds in every thread or changes nothing
 * Failure     0, with *rsrc_id = 0; no id is spent, no ctor has run.
 * Tests       tests/unit/tsrm_ids.c, tests/unit/tsrm_oom.c, tests/stress/tsrm_late_id.c */
#include "config.h"

#include <assert.h>

#include "tsrm/entry.h"
#include "tsrm/slot.h"
#include "tsrm/startup_trace.h"

/* What tsrm_reserve and ts_allocate_fast_id count in, as in PHP. */
enum { FAST_ALIGNMENT = 16 };

/* Blocks allocated ahead, each holding the address of the next in its first bytes. */
struct block_list {
    void **first;
    size_t count;
};

static bool block_list_grow(struct block_list *list, size_t count, size_t size)
{
    while (list->count < count) {
        void **block = tsrm_os_alloc(size);

        if (block == NULL) {
            return false;
        }
        *block = list->first;
        list->first = block;
        list->count++;
    }
    return true;
}

static void *block_list_take(struct block_list *list)
{
    void **block = list->first;

    assert(block != NULL);
    list->first = *block;
    list->count--;
    *block = NULL; /* resources start zeroed */
    return block;
}

static void block_list_free(struct block_list *list)
{
    while (list->count != 0) {
        tsrm_os_free(block_list_take(list));
    }
}

static size_t fast_round(size_t size)
{
    return (size + FAST_ALIGNMENT - 1) & ~(size_t)(FAST_ALIGNMENT - 1);
}

bool tsrm_reserve(size_t size)
{
    bool fits;

    if (size > TSRM_FAST_SIZE_MAX) {
        return false;
    }
    tsrm_registry_lock();
    fits = fast_round(size) <= TSRM_FAST_SIZE_MAX - tsrm_registry.fast_reserved_size;
    if (fits) {
        tsrm_registry.fast_reserved_size += fast_round(size);
    }
    tsrm_registry_unlock();
    return fits;
}

/* Why `type` cannot have an id now, or NULL. Lock held. */
static const char *id_refusal(const struct tsrm_resource_type *type, bool is_fast)
{
    size_t fast_free_size = tsrm_registry.fast_reserved_size - tsrm_registry.fast_used_size;

    if (!tsrm_registry.started) {
        return "TSRM is not started";
    }
    if (tsrm_id_count() == TSRM_RSRC_ID_MAX) {
        return "all resource ids are taken";
    }
    if (is_fast && (type->size > fast_free_size || fast_round(type->size) > fast_free_size)) {
        return "no room reserved for the fast resource";
    }
    return NULL;
}

/* Lock held. */
static ts_rsrc_id id_publish(const struct tsrm_resource_type *type, bool is_fast,
                             ts_rsrc_id *rsrc_id, size_t *offset)
{
    ts_rsrc_id id = tsrm_id_count() + 1;
    struct tsrm_resource_type *slot = tsrm_id_type(id);

    slot->size = type->size;
    slot->ctor = type->ctor;
    slot->dtor = type->dtor;
    slot->fast_offset = 0;
    if (is_fast) {
        slot->fast_offset = offsetof(struct tsrm_entry, fast) + tsrm_registry.fast_used_size;
        tsrm_registry.fast_used_size += fast_round(type->size);
        *offset = slot->fast_offset;
    }
    atomic_store_explicit(&slot->phase, TSRM_ID_LIVE, memory_order_relaxed);
    /* Before any thread can see the id, so that every ctor finds it where its user keeps it. */
    *rsrc_id = id;
    atomic_store_explicit(&tsrm_registry.id_count, id, memory_order_release);
    return id;
}

/* Gets the blocks for all live threads, then the id. Returns 0 and says why when it cannot. */
static ts_rsrc_id id_prepare(const struct tsrm_resource_type *type, bool is_fast,
                             ts_rsrc_id *rsrc_id, size_t *offset, struct block_list *blocks,
                             const char **refusal)
{
    ts_rsrc_id id = 0;

    tsrm_registry_lock();
    for (;;) {
        size_t needed_count = is_fast ? 0 : tsrm_registry.open_count;

        *refusal = id_refusal(type, is_fast);
        if (*refusal != NULL) {
            break;
        }
        if (blocks->count >= needed_count) {
            id = id_publish(type, is_fast, rsrc_id, offset);
            break;
        }
        tsrm_registry_unlock();
        if (!block_list_grow(blocks, needed_count, type->size)) {
            *refusal = "out of memory";
            return 0;
        }
        tsrm_registry_lock();
    }
    tsrm_registry_unlock();
    return id;
}

/* The entry at `index` if its slot was claimed for this thread to construct. Lock held. */
static struct tsrm_entry *entry_claim(size_t index, ts_rsrc_id id)
{
    struct tsrm_entry *entry = tsrm_registry.entries[index];
    enum tsrm_entry_state state = tsrm_entry_get_state(entry);

    /* A starting thread constructs in the order of ids what it lacks, the new id too, before it
     * is LIVE; unless that thread is us, inside one of its ctors. So a claim here means that the
     * entry was open when the id was published, and a block was counted for it. */
    if (state != TSRM_ENTRY_LIVE &&
        !(state == TSRM_ENTRY_STARTING && entry->keeper == &tsrm_thread)) {
        return NULL;
    }
    return tsrm_slot_claim(entry, id) ? entry : NULL;
}

/* Constructs the resource wherever it is missing; returns the number of threads. */
static int id_construct_everywhere(ts_rsrc_id id, struct block_list *blocks)
{
    int constructed_count = 0;
    size_t i;

    tsrm_registry_lock();
    for (i = 0; i < tsrm_registry.entry_count; i++) {
        struct tsrm_entry *entry = entry_claim(i, id);

        if (entry != NULL) {
            tsrm_registry_unlock();
            tsrm_slot_construct(entry, id,
                                tsrm_slot_has_block(id) ? block_list_take(blocks) : NULL);
            constructed_count++;
            tsrm_registry_lock();
        }
    }
    tsrm_registry_unlock();
    return constructed_count;
}

/* Waits for threads that asked for the resource early and are constructing it themselves. */
static void id_await_everywhere(ts_rsrc_id id)
{
    size_t i;

    tsrm_registry_lock();
    for (i = 0; i < tsrm_registry.entry_count; i++) {
        struct tsrm_entry *entry = tsrm_registry.entries[i];

        tsrm_registry_unlock();
        tsrm_slot_await_constructed(entry, id);
        tsrm_registry_lock();
    }
    tsrm_registry_unlock();
}

static ts_rsrc_id id_allocate(const char *function, const struct tsrm_resource_type *type,
                              bool is_fast, ts_rsrc_id *rsrc_id, size_t *offset)
{
    uint64_t token = tsrm_startup_trace_enter(function);
    struct block_list blocks = {NULL, 0};
    const char *refusal = NULL;
    int constructed_count = 0;
    ts_rsrc_id id;

    *rsrc_id = 0;
    id = id_prepare(type, is_fast, rsrc_id, offset, &blocks, &refusal);
    if (id != 0) {
        constructed_count = id_construct_everywhere(id, &blocks);
        id_await_everywhere(id);
        tsrm_startup_trace_leave(token, function, "id %d, %zu bytes, constructed in %d entries", id,
                                 type->size, constructed_count);
    } else {
        tsrm_error(TSRM_ERROR_LEVEL_ERROR, "%s: %s", function, refusal);
        tsrm_startup_trace_leave(token, function, "refused: %s", refusal);
    }
    block_list_free(&blocks);
    tsrm_entry_close_deferred();
    return id;
}

ts_rsrc_id ts_allocate_id(ts_rsrc_id *rsrc_id, size_t size, ts_allocate_ctor ctor,
                          ts_allocate_dtor dtor)
{
    const struct tsrm_resource_type type = {.size = size, .ctor = ctor, .dtor = dtor};

    return id_allocate("ts_allocate_id", &type, false, rsrc_id, NULL);
}

ts_rsrc_id ts_allocate_fast_id(ts_rsrc_id *rsrc_id, size_t *offset, size_t size,
                               ts_allocate_ctor ctor, ts_allocate_dtor dtor)
{
    const struct tsrm_resource_type type = {.size = size, .ctor = ctor, .dtor = dtor};

    *offset = 0;
    return id_allocate("ts_allocate_fast_id", &type, true, rsrc_id, offset);
}

/* The entry at `index`, or NULL past the last. Entries stay mapped, so no lock is kept. */
static struct tsrm_entry *entry_at(size_t index)
{
    struct tsrm_entry *entry = NULL;

    tsrm_registry_lock();
    if (index < tsrm_registry.entry_count) {
        entry = tsrm_registry.entries[index];
    }
    tsrm_registry_unlock();
    return entry;
}

void ts_free_id(ts_rsrc_id id)
{
    struct tsrm_entry *entry;
    bool was_freed;
    size_t i;

    if (!tsrm_id_is_allocated(id)) {
        return;
    }
    tsrm_registry_lock();
    was_freed = atomic_exchange(&tsrm_id_type(id)->phase, TSRM_ID_FREED) == TSRM_ID_FREED;
    tsrm_registry_unlock();
    if (was_freed) {
        return;
    }
    for (i = 0; (entry = entry_at(i)) != NULL; i++) {
        if (tsrm_entry_get_state(entry) != TSRM_ENTRY_ABANDONED) {
            tsrm_slot_empty_out(entry, id);
        }
    }
    tsrm_entry_close_deferred();
}

void ts_apply_for_id(ts_rsrc_id id, void (*cb)(void *resource))
{
    struct tsrm_entry *entry;
    size_t i;

    if (!tsrm_id_is_allocated(id)) {
        return;
    }
    for (i = 0; (entry = entry_at(i)) != NULL; i++) {
        tsrm_slot_apply(entry, id, cb);
    }
    tsrm_entry_close_deferred();
}
