/* Start and end of TSRM, more than once and with threads left over. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/registry.h"

static atomic_int ctor_count, dtor_count;

static void ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    ctor_count++;
}

static void dtor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    dtor_count++;
}

TestSuite(tsrm_startup, .timeout = 60);

Test(tsrm_startup, before_it_every_call_is_a_clean_error)
{
    THREAD_T self = tsrm_thread_id();
    ts_rsrc_id id = 4;

    cr_assert_null(ts_resource(0));
    cr_assert_null(ts_resource(1));
    cr_assert_null(ts_resource_ex(0, &self));
    cr_assert_eq(ts_allocate_id(&id, 8, ctor, dtor), 0);
    cr_assert_eq(id, 0);
    cr_assert_null(tsrm_new_interpreter_context());
    ts_free_id(1);
    ts_free_thread();
    ts_free_worker_threads();
    cr_assert_eq(tsrm_thread_count(), 0);
    cr_assert_not(tsrm_is_managed_thread());
    cr_assert_eq(tsrm_shutdown(), 0);
}

Test(tsrm_startup, a_second_call_changes_nothing)
{
    ts_rsrc_id id;

    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&id, 8, ctor, dtor), 0);
    cr_assert_eq(tsrm_startup(100, 100, 0, NULL), 1);
    cr_assert_not_null(ts_resource(id));
    cr_assert_eq(tsrm_shutdown(), 0);
}

Test(tsrm_startup, it_works_again_after_a_shutdown_and_ids_begin_anew)
{
    ts_rsrc_id id;
    int i;

    for (i = 0; i < 3; i++) {
        tsrm_begin();
        cr_assert_eq(ts_allocate_id(&id, 8, ctor, dtor), 1);
        cr_assert_eq(tsrm_shutdown(), 0);
        cr_assert_eq(dtor_count, i + 1);
        cr_assert_null(ts_resource(0));
    }
    cr_assert_eq(tsrm_registry.entry_count, 1);
}

static bool handler_saw_shutdown;

static void shutdown_handler(void)
{
    handler_saw_shutdown = tsrm_is_shutdown() && dtor_count == 1;
}

Test(tsrm_startup, shutdown_ends_the_caller_and_calls_the_handler_last)
{
    ts_rsrc_id id;

    tsrm_begin();
    cr_assert_not(tsrm_is_shutdown());
    cr_assert_neq(ts_allocate_id(&id, 8, ctor, dtor), 0);
    cr_assert_null(tsrm_set_shutdown_handler(shutdown_handler));
    cr_assert_eq(tsrm_shutdown(), 0);
    cr_assert(handler_saw_shutdown);
    cr_assert(tsrm_is_shutdown());
    cr_assert_eq(tsrm_set_shutdown_handler(NULL), (void *)(uintptr_t)shutdown_handler);
}

static struct gate started = GATE_INIT, finish = GATE_INIT;
static ts_rsrc_id old_id;

static void *outlive_shutdown(void *arg)
{
    int *resource = ts_resource(old_id);
    bool is_intact;

    (void)arg;
    *resource = 5;
    gate_open(&started, 1);
    gate_pass(&finish, 1);
    is_intact = ts_resource(old_id) == resource && *resource == 5;
    ts_free_thread();
    return is_intact && dtor_count >= 2 ? &old_id : NULL;
}

Test(tsrm_startup, shutdown_leaves_running_threads_their_entries_and_reports_their_number)
{
    pthread_t thread;

    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&old_id, sizeof(int), ctor, dtor), 0);
    thread = thread_run(outlive_shutdown, NULL);
    gate_pass(&started, 1);
    cr_assert_eq(tsrm_shutdown(), 1);
    cr_assert_eq(dtor_count, 1);
    gate_open(&finish, 1);
    cr_assert_not_null(thread_result(thread));
    cr_assert_eq(dtor_count, 2);
}

static void *construct_nothing_old(void *arg)
{
    (void)arg;
    return ts_resource(0) != NULL && ts_resource(old_id) == NULL ? &old_id : NULL;
}

Test(tsrm_startup, a_new_start_does_not_construct_what_threads_of_the_old_one_still_have)
{
    pthread_t thread;
    ts_rsrc_id new_id;

    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&old_id, sizeof(int), ctor, dtor), 0);
    thread = thread_run(outlive_shutdown, NULL);
    gate_pass(&started, 1);
    cr_assert_eq(tsrm_shutdown(), 1);
    tsrm_begin();
    cr_assert_eq(ctor_count, 2);
    cr_assert_not_null(thread_result(thread_run(construct_nothing_old, NULL)));
    cr_assert_eq(ts_allocate_id(&new_id, sizeof(int), NULL, NULL), old_id + 1);
    gate_open(&finish, 1);
    cr_assert_not_null(thread_result(thread));
    cr_assert_eq(dtor_count, 2);
    cr_assert_eq(tsrm_shutdown(), 0);
    tsrm_begin();
    cr_assert_eq(ts_allocate_id(&new_id, sizeof(int), NULL, NULL), 1);
}

static void *is_main(void *arg)
{
    return tsrm_is_main_thread() ? arg : NULL;
}

Test(tsrm_startup, the_thread_that_starts_tsrm_is_the_main_thread)
{
    tsrm_begin();
    cr_assert(tsrm_is_main_thread());
    cr_assert_null(thread_result(thread_run(is_main, &old_id)));
}

static void *shut_down_here(void *arg)
{
    (void)arg;
    ts_resource(0);
    return (void *)(intptr_t)tsrm_shutdown();
}

Test(tsrm_startup, shutdown_in_another_thread_leaves_the_main_thread_its_entry)
{
    ts_rsrc_id id;

    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&id, 8, ctor, dtor), 0);
    cr_assert_eq((intptr_t)thread_result(thread_run(shut_down_here, NULL)), 1);
    cr_assert_not_null(ts_resource(id));
    ts_free_thread();
    cr_assert_eq(ctor_count, dtor_count);
}

static struct gate worker_has_started = GATE_INIT, worker_may_end = GATE_INIT;

static void *worker(void *arg)
{
    (void)arg;
    ts_resource(0);
    gate_open(&worker_has_started, 1);
    gate_pass(&worker_may_end, 1);
    return NULL;
}

Test(tsrm_startup, ids_left_over_for_a_thread_are_gone_once_it_has_ended)
{
    pthread_t left;
    ts_rsrc_id id;

    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&id, 8, ctor, dtor), 0);
    left = thread_run(worker, NULL);
    gate_pass(&worker_has_started, 1);
    cr_assert_eq(tsrm_shutdown(), 1);
    gate_open(&worker_may_end, 1);
    thread_result(left);
    cr_assert_eq(dtor_count, 2);
    tsrm_begin();
    cr_assert_eq(tsrm_id_count(), 0, "the next life begins with its first id");
    cr_assert_neq(ts_allocate_id(&id, 8, ctor, dtor), 0);
    cr_assert_eq(id, 1);
    cr_assert_eq(tsrm_shutdown(), 0);
}
