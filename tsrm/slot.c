/* slot: the state of one resource in one entry, and who may wait for whom.
 * Owns        slot_states and slots of every entry; the list of callbacks a thread is inside of.
 * Thread      any.
 * Invariants  I1  only the claimant of a CONSTRUCTING or DESTROYING slot writes slots[] there
 *             I2  whoever is inside a callback for a slot has it on its list of holds
 *             I3  a thread waits for a slot only if its id is above every id that it holds
 * Failure     none but of the allocation, before a slot is claimed.
 * Tests       tests/unit/tsrm_slot.c, tests/unit/tsrm_recursion.c, tests/stress/tsrm_late_id.c
 *
 * Why nobody waits for ever: let thread A, holding slots up to id a, wait for a slot of id k. By
 * I3 k > a. The slot is held by some B; B, if it waits at all, waits for an id above all that it
 * holds, so above k. Along any chain of waiters the awaited ids rise, so no chain is a circle. A
 * thread that closes an entry holds nothing between its dtors, and only waits for slots that some
 * callback holds, which ends by the argument above. Nobody waits for a slot that is merely empty:
 * a starting thread constructs its own, and is not waited for.
 * Where I3 forbids to wait, the caller goes on without: the holder finishes what it began, and a
 * freed id is destroyed by whoever leaves the slot last (slot_release). */
#include "config.h"

#include "tsrm/slot.h"

#include <assert.h>
#include <string.h>

TSRM_OS_THREAD_LOCAL struct tsrm_thread tsrm_thread;
struct tsrm_hold tsrm_thread_is_over = {NULL, 0, NULL};

bool tsrm_thread_in_callback(void)
{
    return tsrm_thread.holds != NULL && tsrm_thread.holds != &tsrm_thread_is_over;
}

static void hold_push(struct tsrm_hold *hold, struct tsrm_entry *entry, ts_rsrc_id id)
{
    hold->entry = entry;
    hold->id = id;
    hold->outer = tsrm_thread.holds;
    tsrm_thread.holds = hold;
}

static void hold_pop(struct tsrm_hold *hold)
{
    assert(tsrm_thread.holds == hold);
    tsrm_thread.holds = hold->outer;
}

static int hold_count(const struct tsrm_entry *entry, ts_rsrc_id id)
{
    const struct tsrm_hold *hold;
    int count = 0;

    for (hold = tsrm_thread.holds; hold != NULL; hold = hold->outer) {
        count += hold->entry == entry && hold->id == id;
    }
    return count;
}

/* I3. Equal ids are refused too: the slot may be the caller's own. */
static bool may_wait_for(ts_rsrc_id id)
{
    const struct tsrm_hold *hold;

    for (hold = tsrm_thread.holds; hold != NULL; hold = hold->outer) {
        if (hold->id >= id) {
            return false;
        }
    }
    return true;
}

bool tsrm_slot_has_block(ts_rsrc_id id)
{
    return tsrm_id_type(id)->fast_offset == 0;
}

void *tsrm_slot_alloc(ts_rsrc_id id)
{
    return tsrm_os_alloc(tsrm_id_type(id)->size);
}

enum tsrm_slot_state tsrm_slot_get_state(const struct tsrm_entry *entry, ts_rsrc_id id)
{
    return (enum tsrm_slot_state)atomic_load(&entry->slot_states[id - 1]);
}

void *tsrm_slot_resource(const struct tsrm_entry *entry, ts_rsrc_id id)
{
    if (tsrm_slot_get_state(entry, id) < TSRM_SLOT_READY && hold_count(entry, id) == 0) {
        return NULL;
    }
    return atomic_load_explicit(&entry->slots[id - 1], memory_order_relaxed);
}

static bool slot_swap_state(struct tsrm_entry *entry, ts_rsrc_id id, enum tsrm_slot_state from,
                            enum tsrm_slot_state to)
{
    unsigned char expected = (unsigned char)from;

    return atomic_compare_exchange_strong(&entry->slot_states[id - 1], &expected,
                                          (unsigned char)to);
}

static bool id_has_phase(ts_rsrc_id id, enum tsrm_id_phase phase)
{
    return atomic_load(&tsrm_id_type(id)->phase) == (unsigned char)phase;
}

bool tsrm_slot_is_missing(const struct tsrm_entry *entry, ts_rsrc_id id)
{
    return id_has_phase(id, TSRM_ID_LIVE) && tsrm_slot_get_state(entry, id) == TSRM_SLOT_EMPTY;
}

bool tsrm_slot_claim(struct tsrm_entry *entry, ts_rsrc_id id)
{
    if (!slot_swap_state(entry, id, TSRM_SLOT_EMPTY, TSRM_SLOT_CONSTRUCTING)) {
        return false;
    }
    /* After the swap, not before: ts_free_id stores the phase and then reads the slot, so either
     * it waits for us or we see that the id is gone. */
    if (id_has_phase(id, TSRM_ID_LIVE)) {
        return true;
    }
    atomic_store(&entry->slot_states[id - 1], TSRM_SLOT_EMPTY);
    tsrm_registry_wake_waiters();
    return false;
}

/* The slot is DESTROYING by this thread. */
static void slot_destroy(struct tsrm_entry *entry, ts_rsrc_id id)
{
    const struct tsrm_resource_type *type = tsrm_id_type(id);
    void *resource = atomic_load_explicit(&entry->slots[id - 1], memory_order_relaxed);
    struct tsrm_hold hold;

    if (type->dtor != NULL) {
        hold_push(&hold, entry, id);
        type->dtor(resource, &entry->storage);
        hold_pop(&hold);
    }
    atomic_store_explicit(&entry->slots[id - 1], NULL, memory_order_relaxed);
    if (tsrm_slot_has_block(id)) {
        tsrm_os_free(resource);
    }
    atomic_store(&entry->slot_states[id - 1], TSRM_SLOT_EMPTY);
    tsrm_registry_wake_waiters();
}

/* Lets others at a slot that this thread has just made or left READY. If ts_free_id came between
 * and could not wait, the slot is this thread's to destroy: ts_free_id stores the phase and then
 * reads the state, we store the state and then read the phase, so one of us sees the other. */
static void slot_release(struct tsrm_entry *entry, ts_rsrc_id id)
{
    if (id_has_phase(id, TSRM_ID_FREED) &&
        slot_swap_state(entry, id, TSRM_SLOT_READY, TSRM_SLOT_DESTROYING)) {
        slot_destroy(entry, id);
        return;
    }
    tsrm_registry_wake_waiters();
}

void tsrm_slot_construct(struct tsrm_entry *entry, ts_rsrc_id id, void *block)
{
    const struct tsrm_resource_type *type = tsrm_id_type(id);
    struct tsrm_hold hold;

    if (!tsrm_slot_has_block(id)) {
        block = (char *)entry + type->fast_offset;
        /* The room of a recycled entry has been used before. */
        memset(block, 0, type->size);
    }
    /* Before the ctor, so that TSRMG works inside it. */
    atomic_store_explicit(&entry->slots[id - 1], block, memory_order_relaxed);
    if (type->ctor != NULL) {
        hold_push(&hold, entry, id);
        type->ctor(block, &entry->storage);
        hold_pop(&hold);
    }
    atomic_store(&entry->slot_states[id - 1], TSRM_SLOT_READY);
    slot_release(entry, id);
}

/* Waits, with the registry locked, for the state to change from `seen`. */
static void slot_wait(const struct tsrm_entry *entry, ts_rsrc_id id, enum tsrm_slot_state seen)
{
    atomic_fetch_add(&tsrm_registry.waiter_count, 1);
    if (tsrm_slot_get_state(entry, id) == seen) {
        tsrm_registry_wait();
    }
    atomic_fetch_sub(&tsrm_registry.waiter_count, 1);
}

void tsrm_slot_await_constructed(struct tsrm_entry *entry, ts_rsrc_id id)
{
    if (tsrm_slot_get_state(entry, id) != TSRM_SLOT_CONSTRUCTING || !may_wait_for(id)) {
        return;
    }
    tsrm_registry_lock();
    while (tsrm_slot_get_state(entry, id) == TSRM_SLOT_CONSTRUCTING) {
        slot_wait(entry, id, TSRM_SLOT_CONSTRUCTING);
    }
    tsrm_registry_unlock();
}

int tsrm_slot_empty_out(struct tsrm_entry *entry, ts_rsrc_id id)
{
    for (;;) {
        enum tsrm_slot_state state = tsrm_slot_get_state(entry, id);

        if (state == TSRM_SLOT_EMPTY) {
            return 0;
        }
        if (slot_swap_state(entry, id, TSRM_SLOT_READY, TSRM_SLOT_DESTROYING)) {
            slot_destroy(entry, id);
            return 1;
        }
        if (!may_wait_for(id)) {
            return 0;
        }
        tsrm_registry_lock();
        slot_wait(entry, id, state);
        tsrm_registry_unlock();
    }
}

static bool slot_enter_use(struct tsrm_entry *entry, ts_rsrc_id id)
{
    unsigned char state = atomic_load(&entry->slot_states[id - 1]);

    while (state >= TSRM_SLOT_READY && state < TSRM_SLOT_READY_MAX) {
        if (atomic_compare_exchange_weak(&entry->slot_states[id - 1], &state,
                                         (unsigned char)(state + 1))) {
            return true;
        }
    }
    return false;
}

void tsrm_slot_apply(struct tsrm_entry *entry, ts_rsrc_id id, void (*cb)(void *resource))
{
    struct tsrm_hold hold;
    bool entered;

    tsrm_registry_lock();
    entered = tsrm_entry_is_open(entry) && slot_enter_use(entry, id);
    tsrm_registry_unlock();
    if (!entered) {
        return;
    }
    hold_push(&hold, entry, id);
    cb(atomic_load_explicit(&entry->slots[id - 1], memory_order_relaxed));
    hold_pop(&hold);
    atomic_fetch_sub(&entry->slot_states[id - 1], 1);
    slot_release(entry, id);
}

void tsrm_slot_after_fork(struct tsrm_entry *entry)
{
    ts_rsrc_id id;

    for (id = 1; id <= tsrm_id_count(); id++) {
        enum tsrm_slot_state state = tsrm_slot_get_state(entry, id);
        int held_count = hold_count(entry, id);

        if (state == TSRM_SLOT_EMPTY || state == TSRM_SLOT_READY) {
            continue;
        }
        if (state > TSRM_SLOT_READY) {
            atomic_store(&entry->slot_states[id - 1],
                         (unsigned char)(TSRM_SLOT_READY + held_count));
        } else if (held_count == 0) {
            /* Half made or half destroyed by a thread that is not here: out of reach. */
            atomic_store_explicit(&entry->slots[id - 1], NULL, memory_order_relaxed);
            atomic_store(&entry->slot_states[id - 1], TSRM_SLOT_EMPTY);
        }
    }
}
