/* Slots: each (entry, id) pair is constructed and destroyed once, whoever comes first. */
#include "config.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/slot.h"

static struct tsrm_entry *entry;
static ts_rsrc_id id;
static atomic_int ctor_count, dtor_count;

static void ctor(void *resource, void ***tsrm_ls)
{
    cr_assert_eq((*tsrm_ls)[id - 1], resource);
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_CONSTRUCTING);
    cr_assert_eq(tsrm_slot_resource(entry, id), resource);
    cr_assert(tsrm_thread_in_callback());
    ctor_count++;
}

static void dtor(void *resource, void ***tsrm_ls)
{
    cr_assert_not_null(resource);
    cr_assert_eq((*tsrm_ls)[id - 1], resource);
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_DESTROYING);
    dtor_count++;
}

/* An id that no thread has constructed: it is published while there is no entry. */
static void begin(void)
{
    cr_assert_eq(tsrm_startup(1, 1, 0, NULL), 1);
    cr_assert_neq(ts_allocate_id(&id, 40, ctor, dtor), 0);
    tsrm_registry_lock();
    entry = tsrm_entry_open(TSRM_ENTRY_OF_CONTEXT, NULL);
    tsrm_registry_unlock();
    cr_assert_not_null(entry);
}

TestSuite(tsrm_slot, .init = begin, .timeout = 60);

static void construct(void)
{
    void *block = tsrm_slot_alloc(id);

    cr_assert_not_null(block);
    cr_assert(tsrm_slot_claim(entry, id));
    tsrm_slot_construct(entry, id, block);
}

Test(tsrm_slot, empty_becomes_constructing_by_one_claim_only)
{
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_EMPTY);
    cr_assert_null(tsrm_slot_resource(entry, id));
    cr_assert(tsrm_slot_claim(entry, id));
    cr_assert_not(tsrm_slot_claim(entry, id));
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_CONSTRUCTING);
    cr_assert_null(tsrm_slot_resource(entry, id));
}

Test(tsrm_slot, constructing_becomes_ready_by_the_ctor)
{
    construct();
    cr_assert_eq(ctor_count, 1);
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_READY);
    cr_assert_not_null(tsrm_slot_resource(entry, id));
    cr_assert_not(tsrm_slot_claim(entry, id));
    cr_assert_not(tsrm_thread_in_callback());
}

Test(tsrm_slot, emptying_a_ready_slot_runs_the_dtor_and_emptying_an_empty_one_does_not)
{
    construct();
    cr_assert_eq(tsrm_slot_empty_out(entry, id), 1);
    cr_assert_eq(dtor_count, 1);
    cr_assert_null(tsrm_slot_resource(entry, id));
    cr_assert_eq(tsrm_slot_empty_out(entry, id), 0);
    cr_assert_eq(dtor_count, 1);
}

Test(tsrm_slot, an_id_that_was_freed_cannot_be_claimed)
{
    atomic_store(&tsrm_id_type(id)->phase, TSRM_ID_FREED);
    cr_assert_not(tsrm_slot_claim(entry, id));
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_EMPTY);
}

Test(tsrm_slot, a_slot_whose_id_is_freed_during_its_ctor_is_destroyed_after_it)
{
    void *block = tsrm_slot_alloc(id);

    cr_assert(tsrm_slot_claim(entry, id));
    atomic_store(&tsrm_id_type(id)->phase, TSRM_ID_FREED);
    tsrm_slot_construct(entry, id, block);
    cr_assert_eq(ctor_count, 1);
    cr_assert_eq(dtor_count, 1);
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_EMPTY);
}

static struct gate awaiting = GATE_INIT;

static void *await_constructed(void *arg)
{
    (void)arg;
    gate_open(&awaiting, 1);
    tsrm_slot_await_constructed(entry, id);
    return tsrm_slot_resource(entry, id);
}

Test(tsrm_slot, whoever_awaits_a_slot_sees_it_ready)
{
    void *block = tsrm_slot_alloc(id);
    pthread_t thread;

    cr_assert(tsrm_slot_claim(entry, id));
    thread = thread_run(await_constructed, NULL);
    gate_pass(&awaiting, 1);
    /* Until it waits, or is about to. */
    while (atomic_load(&tsrm_registry.waiter_count) == 0) {
        sched_yield();
    }
    tsrm_slot_construct(entry, id, block);
    cr_assert_eq(thread_result(thread), block);
    cr_assert_eq(atomic_load(&tsrm_registry.waiter_count), 0);
}

static void await_lower_and_equal(void *resource)
{
    struct tsrm_entry *other;

    (void)resource;
    tsrm_registry_lock();
    other = tsrm_entry_open(TSRM_ENTRY_OF_CONTEXT, NULL);
    tsrm_registry_unlock();
    cr_assert_not_null(other);
    /* Nobody will ever construct this: to wait for it would be for ever. */
    cr_assert(tsrm_slot_claim(other, id));
    tsrm_slot_await_constructed(other, id);
    cr_assert_eq(tsrm_slot_empty_out(other, id), 0);
    cr_assert_eq(tsrm_slot_get_state(other, id), TSRM_SLOT_CONSTRUCTING);
}

Test(tsrm_slot, inside_a_callback_nobody_waits_for_an_id_that_is_not_above_it)
{
    construct();
    tsrm_slot_apply(entry, id, await_lower_and_equal);
    cr_assert_eq(tsrm_slot_get_state(entry, id), TSRM_SLOT_READY);
}

static void *empty_out(void *arg)
{
    (void)arg;
    gate_open(&awaiting, 1);
    return tsrm_slot_empty_out(entry, id) == 1 ? &id : NULL;
}

static pthread_t emptying_thread;

static void be_emptied(void *resource)
{
    emptying_thread = thread_run(empty_out, NULL);
    gate_pass(&awaiting, 1);
    cr_assert_eq(dtor_count, 0);
    cr_assert_eq(tsrm_slot_resource(entry, id), resource);
}

Test(tsrm_slot, a_slot_that_is_looked_at_is_destroyed_afterwards)
{
    construct();
    tsrm_slot_apply(entry, id, be_emptied);
    cr_assert_not_null(thread_result(emptying_thread));
    cr_assert_eq(dtor_count, 1);
}
