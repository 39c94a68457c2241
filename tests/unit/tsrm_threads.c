/* Threads: their start, their end with and without ts_free_thread, look-ups of each other. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/registry.h"
#include "tsrm/thread_entry.h"
#include "tsrm/thread_table.h"

enum { ID_COUNT = 3 };

static ts_rsrc_id ids[ID_COUNT];
static atomic_int ctor_count, dtor_count;
static char order[64]; /* one letter per dtor; written by one thread at a time */
static int order_length;

struct globals {
    int index;
};

static void note(char letter)
{
    order[order_length++] = letter;
    order[order_length] = '\0';
}

static void ctor(void *resource, void ***tsrm_ls)
{
    struct globals *globals = resource;
    int i;

    for (i = 0; i < ID_COUNT; i++) {
        if (ids[i] != 0 && (*tsrm_ls)[ids[i] - 1] == resource) {
            globals->index = i;
        }
    }
    ctor_count++;
}

static void dtor(void *resource, void ***tsrm_ls)
{
    struct globals *globals = resource;

    (void)tsrm_ls;
    note((char)('a' + globals->index));
    dtor_count++;
}

static void begin(void)
{
    int i;

    tsrm_begin();
    for (i = 0; i < ID_COUNT; i++) {
        cr_assert_neq(ts_allocate_id(&ids[i], sizeof(struct globals), ctor, dtor), 0);
    }
}

static void end(void)
{
    tsrm_shutdown();
}

TestSuite(tsrm_threads, .init = begin, .fini = end);

static void *start_and_free(void *arg)
{
    (void)arg;
    ts_resource(0);
    ts_free_thread();
    return ts_resource_ex(0, &(THREAD_T){pthread_self()}) != NULL ? &ids : NULL;
}

static void *start_and_leave(void *arg)
{
    (void)arg;
    return ts_resource(0);
}

Test(tsrm_threads, dtors_run_in_reverse_order_of_ids)
{
    thread_result(thread_run(start_and_leave, NULL));
    cr_assert_str_eq(order, "cba");
}

Test(tsrm_threads, a_thread_that_was_freed_can_start_again)
{
    cr_assert_not_null(thread_result(thread_run(start_and_free, NULL)));
    cr_assert_str_eq(order, "cbacba");
    cr_assert_eq(ctor_count, 3 * ID_COUNT);
}

Test(tsrm_threads, a_thread_that_ends_without_ts_free_thread_is_cleaned_up)
{
    int i;

    for (i = 0; i < 5; i++) {
        cr_assert_not_null(thread_result(thread_run(start_and_leave, NULL)));
        cr_assert_eq(tsrm_thread_count(), 1);
    }
    cr_assert_eq(ctor_count, 6 * ID_COUNT);
    cr_assert_eq(dtor_count, 5 * ID_COUNT);
    cr_assert_eq(tsrm_registry.entry_count, 2, "entries are recycled");
}

/* A key made after ours, so that its destructor runs after ours in every round. */
static pthread_key_t late_key;
static atomic_int late_round_count, late_good_count;

static void late_destructor(void *value)
{
    struct globals *globals = ts_resource(ids[1]);

    if (globals != NULL && globals->index == 1 && globals == value) {
        late_good_count++;
    }
    if (++late_round_count < tsrm_os_value_rounds - 1) {
        pthread_setspecific(late_key, value);
    }
}

static void *use_in_late_destructor(void *arg)
{
    (void)arg;
    ts_resource(0);
    pthread_setspecific(late_key, ts_resource(ids[1]));
    return NULL;
}

Test(tsrm_threads, another_key_s_destructor_uses_resources_after_ours_in_the_same_round)
{
    cr_assert_eq(pthread_key_create(&late_key, late_destructor), 0);
    thread_result(thread_run(use_in_late_destructor, NULL));
    cr_assert_eq(late_round_count, tsrm_os_value_rounds - 1);
    cr_assert_eq(late_good_count, late_round_count);
    cr_assert_str_eq(order, "cba");
    cr_assert_eq(tsrm_thread_count(), 1);
}

static void *last_resource = &last_resource;

static void last_round_destructor(void *value)
{
    if (++late_round_count < tsrm_os_value_rounds) {
        pthread_setspecific(late_key, value);
    } else {
        last_resource = ts_resource(0);
    }
}

static void *use_in_last_round(void *arg)
{
    (void)arg;
    ts_resource(0);
    pthread_setspecific(late_key, &late_key);
    return NULL;
}

Test(tsrm_threads, after_its_last_destructor_round_a_thread_gets_no_new_entry)
{
    cr_assert_eq(pthread_key_create(&late_key, last_round_destructor), 0);
    thread_result(thread_run(use_in_last_round, NULL));
    cr_assert_null(last_resource);
    cr_assert_eq(tsrm_thread_count(), 1);
    cr_assert_eq(ctor_count, 2 * ID_COUNT);
}

static void *stale_id;

static void *die_without_destructors(void *arg)
{
    (void)arg;
    stale_id = ts_resource(ids[0]);
    /* As if the thread had first used TSRM in its last destructor round. */
    return tsrm_os_value_set(NULL) ? stale_id : NULL;
}

static void *start_afresh(void *arg)
{
    struct globals *globals;

    cr_assert_eq(arg, NULL);
    globals = ts_resource(ids[0]);
    return globals != NULL && dtor_count == ID_COUNT ? globals : NULL;
}

Test(tsrm_threads, a_reused_pthread_t_never_adopts_the_dead_thread_s_resources)
{
    pthread_t first, second;

    first = thread_run(die_without_destructors, NULL);
    cr_assert_not_null(thread_result(first));
    cr_assert_eq(tsrm_thread_count(), 2);
    /* glibc hands the stack, and so the id, of the last joined thread out again. */
    second = thread_run(start_afresh, NULL);
    cr_assert(pthread_equal(first, second), "this system does not reuse thread ids at once");
    cr_assert_not_null(thread_result(second));
    cr_assert_eq(ctor_count, 3 * ID_COUNT);
    cr_assert_eq(tsrm_thread_count(), 1);
}

static struct gate looked_at = GATE_INIT, running = GATE_INIT;
static void *own_ls, *own_resource;

static void *be_looked_at(void *arg)
{
    (void)arg;
    own_ls = ts_resource(0);
    own_resource = ts_resource(ids[2]);
    gate_open(&running, 1);
    gate_pass(&looked_at, 1);
    return NULL;
}

static void *be_without_entry(void *arg)
{
    (void)arg;
    gate_open(&running, 1);
    gate_pass(&looked_at, 1);
    return tsrm_get_ls_cache();
}

Test(tsrm_threads, another_thread_s_resources_are_found_while_it_lives)
{
    THREAD_T other = thread_run(be_looked_at, NULL);
    void *mine = ts_resource(0);

    gate_pass(&running, 1);
    cr_assert_eq(ts_resource_ex(0, &other), own_ls);
    cr_assert_eq(ts_resource_ex(ids[2], &other), own_resource);
    cr_assert_null(ts_resource_ex(99, &other));
    cr_assert_eq(ts_resource(0), mine);
    gate_open(&looked_at, 1);
    thread_result(other);
    cr_assert_null(ts_resource_ex(0, &other));
}

Test(tsrm_threads, a_thread_without_an_entry_gives_null_and_gets_none)
{
    THREAD_T other = thread_run(be_without_entry, NULL);
    void *mine = ts_resource(0);

    gate_pass(&running, 1);
    cr_assert_null(ts_resource_ex(0, &other));
    cr_assert_null(ts_resource_ex(ids[0], &other));
    cr_assert_eq(ts_resource(0), mine);
    cr_assert_eq(tsrm_thread_count(), 1);
    gate_open(&looked_at, 1);
    cr_assert_null(thread_result(other));
}

Test(tsrm_threads, the_caller_s_own_thread_id_means_the_caller)
{
    THREAD_T self = tsrm_thread_id();

    cr_assert_eq(ts_resource_ex(0, &self), ts_resource(0));
    cr_assert_eq(ts_resource_ex(ids[1], &self), ts_resource(ids[1]));
}

static void begin_handler(THREAD_T thread_id, void ***tsrm_ls)
{
    note(pthread_equal(thread_id, pthread_self()) && (*tsrm_ls)[ids[0] - 1] == NULL ? '<' : '!');
}

static void end_handler(THREAD_T thread_id, void ***tsrm_ls)
{
    ts_rsrc_id late_id;

    note(pthread_equal(thread_id, pthread_self()) && (*tsrm_ls)[ids[2] - 1] != NULL ? '>' : '!');
    note(ts_allocate_id(&late_id, 8, NULL, NULL) != 0 && ts_resource(late_id) != NULL ? '+' : '!');
}

Test(tsrm_threads, handlers_run_before_and_after_all_ctors_and_may_allocate_ids)
{
    cr_assert_null(tsrm_set_new_thread_begin_handler(begin_handler));
    cr_assert_null(tsrm_set_new_thread_end_handler(end_handler));
    thread_result(thread_run(start_and_leave, NULL));
    cr_assert_str_eq(order, "<>+cba");
    cr_assert_eq(tsrm_set_new_thread_begin_handler(NULL), (void *)(uintptr_t)begin_handler);
    cr_assert_eq(tsrm_set_new_thread_end_handler(NULL), (void *)(uintptr_t)end_handler);
}

static struct gate meeting = GATE_INIT, released = GATE_INIT;
static ts_rsrc_id meeting_id;

static void meeting_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    if (tsrm_ls == tsrm_get_ls_cache() && !tsrm_is_main_thread()) {
        gate_rise(&meeting);
        gate_pass(&meeting, 2);
    }
}

Test(tsrm_threads, thread_starts_run_in_parallel, .timeout = 60)
{
    pthread_t first, second;

    /* Each start ends only when the other is inside its ctor too. */
    cr_assert_neq(ts_allocate_id(&meeting_id, 8, meeting_ctor, NULL), 0);
    first = thread_run(start_and_leave, NULL);
    second = thread_run(start_and_leave, NULL);
    cr_assert_not_null(thread_result(first));
    cr_assert_not_null(thread_result(second));
}

static void stopping_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    if (!tsrm_is_main_thread()) {
        gate_open(&meeting, 1);
        gate_pass(&released, 1);
    }
}

static ts_rsrc_id late_id;
static atomic_int late_count, early_late_count;

static void late_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    late_count++;
    early_late_count += (*tsrm_ls)[ids[ID_COUNT - 1] - 1] == NULL;
}

static void *start_and_look(void *arg)
{
    (void)arg;
    return ts_resource(0) != NULL ? ts_resource(late_id) : NULL;
}

Test(tsrm_threads, a_late_id_neither_overtakes_nor_waits_for_the_ctors_of_a_starting_thread,
     .timeout = 60)
{
    pthread_t thread;

    ts_free_id(ids[ID_COUNT - 1]);
    cr_assert_neq(ts_allocate_id(&meeting_id, 8, stopping_ctor, NULL), 0);
    cr_assert_neq(ts_allocate_id(&ids[ID_COUNT - 1], 8, ctor, NULL), 0);
    thread = thread_run(start_and_look, NULL);
    gate_pass(&meeting, 1);
    cr_assert_neq(ts_allocate_id(&late_id, 8, late_ctor, NULL), 0);
    cr_assert_eq(late_count, 1);
    gate_open(&released, 1);
    cr_assert_not_null(thread_result(thread));
    cr_assert_eq(late_count, 2);
    cr_assert_eq(early_late_count, 0);
}

static struct gate worker_gate = GATE_INIT, worker_count = GATE_INIT;

static void *idle_worker(void *arg)
{
    bool is_empty;

    (void)arg;
    ts_resource(0);
    gate_rise(&worker_count);
    gate_pass(&worker_gate, 1);
    is_empty = ts_resource(ids[0]) == NULL && ts_resource(ids[2]) == NULL;
    ts_free_thread();
    return is_empty && ts_resource(ids[0]) != NULL ? &ids : NULL;
}

Test(tsrm_threads, freeing_worker_threads_empties_all_but_the_caller)
{
    pthread_t threads[3];
    int i;

    for (i = 0; i < 3; i++) {
        threads[i] = thread_run(idle_worker, NULL);
    }
    gate_pass(&worker_count, 3);
    ts_free_worker_threads();
    cr_assert_eq(dtor_count, 3 * ID_COUNT);
    cr_assert_eq(tsrm_thread_count(), 1);
    cr_assert_null(ts_resource_ex(0, &threads[0]));
    cr_assert_not_null(ts_resource(ids[0]));
    gate_open(&worker_gate, 1);
    for (i = 0; i < 3; i++) {
        cr_assert_not_null(thread_result(threads[i]));
    }
    cr_assert_eq(dtor_count, 6 * ID_COUNT);
    cr_assert_eq(tsrm_registry.entry_count, 4);
}

static void *leave_worker_to_its_end(void *arg)
{
    (void)arg;
    ts_resource(0);
    gate_rise(&worker_count);
    gate_pass(&worker_gate, 1);
    return NULL;
}

Test(tsrm_threads, a_worker_that_was_freed_by_another_ends_cleanly_by_itself)
{
    pthread_t thread = thread_run(leave_worker_to_its_end, NULL);

    gate_pass(&worker_count, 1);
    ts_free_worker_threads();
    gate_open(&worker_gate, 1);
    thread_result(thread);
    cr_assert_eq(dtor_count, ID_COUNT);
    cr_assert_not_null(tsrm_registry.free_entries);
}

Test(tsrm_threads, managed_means_having_a_current_entry)
{
    cr_assert(tsrm_is_managed_thread());
    ts_free_thread();
    cr_assert_not(tsrm_is_managed_thread());
    cr_assert_null(tsrm_get_ls_cache());
    cr_assert_not_null(ts_resource(0));
    cr_assert(tsrm_is_managed_thread());
}

Test(tsrm_threads, freeing_a_thread_twice_does_nothing)
{
    ts_free_thread();
    ts_free_thread();
    cr_assert_eq(dtor_count, ID_COUNT);
}
