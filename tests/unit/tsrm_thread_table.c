/* The look-up table from threads to entries, without threads. */
#include "config.h"

#include <criterion/criterion.h>

#include "stress/random.h"
#include "tsrm/thread_table.h"

enum { ENTRY_COUNT = 100 };

static struct tsrm_entry *entries[ENTRY_COUNT];

static struct tsrm_entry *entry_set(size_t index, uintptr_t key, enum tsrm_entry_state state)
{
    atomic_store(&entries[index]->thread_key, key);
    tsrm_entry_set_state(entries[index], state);
    return entries[index];
}

static void setup(void)
{
    size_t i;

    for (i = 0; i < ENTRY_COUNT; i++) {
        entries[i] = tsrm_os_reserve(sizeof(*entries[i]));
        cr_assert_not_null(entries[i]);
    }
    cr_assert(tsrm_thread_table_make(1));
}

static void teardown(void)
{
    size_t i;

    tsrm_thread_table_drop();
    for (i = 0; i < ENTRY_COUNT; i++) {
        tsrm_os_unreserve(entries[i], sizeof(*entries[i]));
    }
}

TestSuite(tsrm_thread_table, .init = setup, .fini = teardown);

/* Keys that look like thread ids: addresses a stack apart. */
static uintptr_t key_of(size_t number)
{
    return (uintptr_t)0x10000000 + number * 0x801000;
}

Test(tsrm_thread_table, what_was_inserted_is_found_and_nothing_else)
{
    size_t i;

    cr_assert_null(tsrm_thread_table_find(key_of(0)));
    for (i = 0; i < ENTRY_COUNT; i++) {
        cr_assert(tsrm_thread_table_insert(entry_set(i, key_of(i), TSRM_ENTRY_LIVE)));
        cr_assert_null(tsrm_thread_table_find(key_of(i + 1)));
    }
    for (i = 0; i < ENTRY_COUNT; i++) {
        cr_assert_eq(tsrm_thread_table_find(key_of(i)), entries[i]);
    }
}

Test(tsrm_thread_table, removing_one_leaves_the_others_reachable)
{
    size_t i, j;

    for (i = 0; i < ENTRY_COUNT; i++) {
        cr_assert(tsrm_thread_table_insert(entry_set(i, key_of(i), TSRM_ENTRY_LIVE)));
    }
    for (i = 0; i < ENTRY_COUNT; i++) {
        tsrm_thread_table_remove(entries[i]);
        cr_assert_null(tsrm_thread_table_find(key_of(i)));
        for (j = i + 1; j < ENTRY_COUNT; j++) {
            cr_assert_eq(tsrm_thread_table_find(key_of(j)), entries[j]);
        }
    }
}

Test(tsrm_thread_table, removing_what_is_not_there_changes_nothing)
{
    cr_assert(tsrm_thread_table_insert(entry_set(0, key_of(0), TSRM_ENTRY_LIVE)));
    tsrm_thread_table_remove(entry_set(1, key_of(1), TSRM_ENTRY_LIVE));
    cr_assert_eq(tsrm_thread_table_find(key_of(0)), entries[0]);
}

Test(tsrm_thread_table, only_live_entries_are_found_without_the_lock)
{
    cr_assert(tsrm_thread_table_insert(entry_set(0, key_of(0), TSRM_ENTRY_STARTING)));
    cr_assert_null(tsrm_thread_table_find(key_of(0)));
    cr_assert_eq(tsrm_thread_table_find_open(key_of(0)), entries[0]);
    tsrm_entry_set_state(entries[0], TSRM_ENTRY_LIVE);
    cr_assert_eq(tsrm_thread_table_find(key_of(0)), entries[0]);
    tsrm_entry_set_state(entries[0], TSRM_ENTRY_CLOSING);
    cr_assert_null(tsrm_thread_table_find(key_of(0)));
    cr_assert_null(tsrm_thread_table_find_open(key_of(0)));
}

Test(tsrm_thread_table, a_dead_entry_does_not_hide_the_live_one_with_the_same_key)
{
    cr_assert(tsrm_thread_table_insert(entry_set(0, key_of(0), TSRM_ENTRY_CLOSED)));
    cr_assert(tsrm_thread_table_insert(entry_set(1, key_of(0), TSRM_ENTRY_LIVE)));
    cr_assert_eq(tsrm_thread_table_find(key_of(0)), entries[1]);
}

Test(tsrm_thread_table, an_entry_recycled_for_another_thread_is_not_found_under_the_old_key)
{
    cr_assert(tsrm_thread_table_insert(entry_set(0, key_of(0), TSRM_ENTRY_LIVE)));
    atomic_store(&entries[0]->thread_key, key_of(1));
    cr_assert_null(tsrm_thread_table_find(key_of(0)));
}

Test(tsrm_thread_table, coming_and_going_for_ever_does_not_make_it_grow)
{
    size_t size = tsrm_thread_table_size();
    size_t number;

    for (number = 0; number < 200000; number++) {
        struct tsrm_entry *entry = entry_set(number % 4, key_of(number), TSRM_ENTRY_LIVE);

        cr_assert(tsrm_thread_table_insert(entry));
        if (number >= 2) {
            cr_assert_eq(tsrm_thread_table_find(key_of(number - 2)), entries[(number - 2) % 4]);
            tsrm_thread_table_remove(entries[(number - 2) % 4]);
        }
        cr_assert_null(tsrm_thread_table_find(key_of(number + 1)));
    }
    cr_assert_eq(tsrm_thread_table_size(), size);
}

Test(tsrm_thread_table, after_a_fork_only_one_entry_stays)
{
    size_t i;

    for (i = 0; i < 10; i++) {
        cr_assert(tsrm_thread_table_insert(entry_set(i, key_of(i), TSRM_ENTRY_LIVE)));
    }
    tsrm_thread_table_keep_only(entries[3]);
    for (i = 0; i < 10; i++) {
        cr_assert_eq(tsrm_thread_table_find(key_of(i)), i == 3 ? entries[3] : NULL);
    }
    tsrm_thread_table_keep_only(NULL);
    cr_assert_null(tsrm_thread_table_find(key_of(3)));
}

static bool refuse_all(size_t size)
{
    (void)size;
    return false;
}

Test(tsrm_thread_table, without_memory_to_grow_insert_fails_and_the_rest_works)
{
    size_t count = 0;
    size_t i;

    tsrm_os_set_alloc_hook(refuse_all);
    while (count < ENTRY_COUNT &&
           tsrm_thread_table_insert(entry_set(count, key_of(count), TSRM_ENTRY_LIVE))) {
        count++;
    }
    tsrm_os_set_alloc_hook(NULL);
    cr_assert_lt(count, ENTRY_COUNT);
    for (i = 0; i < count; i++) {
        cr_assert_eq(tsrm_thread_table_find(key_of(i)), entries[i]);
    }
    cr_assert(tsrm_thread_table_insert(entries[count]));
    cr_assert_eq(tsrm_thread_table_find(key_of(count)), entries[count]);
}

Test(tsrm_thread_table, a_table_that_is_there_is_not_made_again)
{
    struct tsrm_entry *entry = entry_set(0, key_of(0), TSRM_ENTRY_LIVE);
    size_t size = tsrm_thread_table_size();

    cr_assert(tsrm_thread_table_insert(entry));
    cr_assert(tsrm_thread_table_make(1000));
    cr_assert_eq(tsrm_thread_table_size(), size);
    cr_assert_eq(tsrm_thread_table_find(key_of(0)), entry);
}

Test(tsrm_thread_table, without_a_table_a_fork_has_nothing_to_keep)
{
    tsrm_thread_table_drop();
    tsrm_thread_table_keep_only(NULL);
    cr_assert_null(tsrm_thread_table_find(key_of(0)));
    cr_assert(tsrm_thread_table_make(1));
}

/* In a table of 16 cells, of which 8 may hold an entry, all others end up as those of removed ones. */
Test(tsrm_thread_table, what_is_missing_is_missing_when_no_cell_is_empty_either)
{
    enum { COUNT = 8 };
    bool is_in[COUNT] = { false };
    uint64_t seed = 7;
    int step;
    size_t i;

    for (i = 0; i < COUNT; i++) {
        entry_set(i, key_of(i), TSRM_ENTRY_LIVE);
    }
    for (step = 0; step < 20000; step++) {
        i = stress_below(&seed, COUNT);
        if (is_in[i]) {
            tsrm_thread_table_remove(entries[i]);
        } else {
            /* Another thread each time, so that every cell has its turn. */
            entry_set(i, key_of(i + COUNT * (size_t)step), TSRM_ENTRY_LIVE);
            cr_assert(tsrm_thread_table_insert(entries[i]));
        }
        is_in[i] = !is_in[i];
        cr_assert_null(tsrm_thread_table_find((uintptr_t)1 << 40));
    }
}

Test(tsrm_thread_table, at_least_half_of_the_cells_hold_no_entry)
{
    size_t first_size = tsrm_thread_table_size();
    size_t i;

    for (i = 0; i < 8; i++) {
        cr_assert(tsrm_thread_table_insert(entry_set(i, key_of(i), TSRM_ENTRY_LIVE)));
    }
    cr_assert_eq(tsrm_thread_table_size(), first_size, "8 of 16");
    cr_assert(tsrm_thread_table_insert(entry_set(8, key_of(8), TSRM_ENTRY_LIVE)));
    cr_assert_gt(tsrm_thread_table_size(), first_size);
}
