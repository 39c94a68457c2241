/* Ctors and dtors that call TSRM, and threads whose ctors meet. Each of these would hang if
 * anything waited that must not; the test driver's time limit is the judge. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#include "tests/unit/tsrm_support.h"

static ts_rsrc_id outer_id, inner_id;
static atomic_int outer_count, inner_count, destroyed_count;

static void count_destroyed(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    destroyed_count++;
}

static void begin(void)
{
    tsrm_begin();
}

static void end(void)
{
    cr_assert_eq(tsrm_shutdown(), 0);
}

TestSuite(tsrm_recursion, .init = begin, .fini = end, .timeout = 60);

static void inner_ctor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    *(int *)resource = 2;
    inner_count++;
}

/* Allocates inner_id on its first call and relies on it being there at once. */
static void allocating_ctor(void *resource, void ***tsrm_ls)
{
    static atomic_int entered;

    if (atomic_fetch_add(&entered, 1) == 0) {
        cr_assert_neq(ts_allocate_id(&inner_id, sizeof(int), inner_ctor, count_destroyed), 0);
        cr_assert_eq(*TSRMG_BULK(inner_id, int *), 2);
        cr_assert_eq(*(int *)ts_resource(inner_id), 2);
    }
    *(int *)resource = 1;
    outer_count++;
}

static struct gate started = GATE_INIT, finish = GATE_INIT;

static void *idle(void *arg)
{
    (void)arg;
    ts_resource(0);
    gate_rise(&started);
    gate_pass(&finish, 1);
    return inner_id != 0 && *(int *)ts_resource(inner_id) == 2 ? &inner_id : NULL;
}

Test(tsrm_recursion, a_ctor_may_allocate_an_id_and_use_it_at_once)
{
    pthread_t thread = thread_run(idle, NULL);

    gate_pass(&started, 1);
    cr_assert_neq(ts_allocate_id(&outer_id, sizeof(int), allocating_ctor, count_destroyed), 0);
    cr_assert_eq(outer_count, 2);
    cr_assert_eq(inner_count, 2);
    gate_open(&finish, 1);
    cr_assert_not_null(thread_result(thread));
    cr_assert_eq(destroyed_count, 2);
}

static void *start_and_free(void *arg)
{
    (void)arg;
    ts_resource(0);
    ts_free_thread();
    return NULL;
}

static void self_looking_ctor(void *resource, void ***tsrm_ls)
{
    THREAD_T self = tsrm_thread_id();

    cr_assert_eq(ts_resource(0), tsrm_ls);
    cr_assert_eq(ts_resource_ex(0, &self), tsrm_ls);
    cr_assert_eq(ts_resource(outer_id), resource);
    outer_count++;
}

Test(tsrm_recursion, a_ctor_finds_its_own_thread_and_its_own_resource)
{
    cr_assert_neq(ts_allocate_id(&outer_id, 8, self_looking_ctor, NULL), 0);
    thread_result(thread_run(start_and_free, NULL));
    cr_assert_eq(outer_count, 2);
}

static void self_freeing_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    ts_free_id(outer_id);
    cr_assert_eq(destroyed_count, 0);
    outer_count++;
}

Test(tsrm_recursion, a_ctor_may_free_its_own_id)
{
    cr_assert_neq(ts_allocate_id(&outer_id, 8, self_freeing_ctor, count_destroyed), 0);
    cr_assert_eq(outer_count, 1);
    cr_assert_eq(destroyed_count, 1);
    cr_assert_null(ts_resource(outer_id));
}

static void thread_ending_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    ts_free_thread();
    ts_free_worker_threads();
    cr_assert_eq(tsrm_shutdown(), -1);
    cr_assert_eq(ts_resource(0), tsrm_ls);
    outer_count++;
}

Test(tsrm_recursion, calls_that_end_threads_are_refused_inside_a_ctor)
{
    cr_assert_neq(ts_allocate_id(&outer_id, 8, thread_ending_ctor, count_destroyed), 0);
    cr_assert_eq(outer_count, 1);
    cr_assert_eq(destroyed_count, 0);
    cr_assert_not_null(ts_resource(outer_id));
}

static void tsrm_using_dtor(void *resource, void ***tsrm_ls)
{
    ts_rsrc_id id;

    cr_assert_eq(ts_resource(0), tsrm_ls);
    cr_assert_eq(ts_resource(outer_id), resource);
    cr_assert_eq(*TSRMG_BULK(inner_id, int *), 2);
    cr_assert_neq(ts_allocate_id(&id, 8, inner_ctor, NULL), 0);
    ts_free_id(id);
    destroyed_count++;
}

Test(tsrm_recursion, a_dtor_may_use_resources_with_lower_ids_and_allocate_and_free_ids)
{
    cr_assert_neq(ts_allocate_id(&inner_id, sizeof(int), inner_ctor, NULL), 0);
    cr_assert_neq(ts_allocate_id(&outer_id, 8, NULL, tsrm_using_dtor), 0);
    thread_result(thread_run(start_and_free, NULL));
    cr_assert_eq(destroyed_count, 1);
    ts_free_thread();
    cr_assert_eq(destroyed_count, 2);
}

/* Two threads inside ctors, each of which then allocates an id that the other must have too. */
static struct gate meeting = GATE_INIT;
static atomic_int met_count;

static void meeting_ctor(void *resource, void ***tsrm_ls)
{
    static atomic_int entered;
    ts_rsrc_id id;

    (void)resource;
    (void)tsrm_ls;
    if (atomic_fetch_add(&entered, 1) < 2) {
        gate_rise(&meeting);
        gate_pass(&meeting, 2);
        cr_assert_neq(ts_allocate_id(&id, sizeof(int), inner_ctor, count_destroyed), 0);
        cr_assert_eq(*(int *)ts_resource(id), 2);
        met_count++;
    }
}

static void *allocate_and_meet(void *arg)
{
    ts_rsrc_id *id = arg;

    ts_resource(0);
    gate_rise(&started);
    gate_pass(&started, 2);
    ts_allocate_id(id, 8, meeting_ctor, count_destroyed);
    /* Both stay, so that both ids are constructed in both. */
    gate_rise(&finish);
    gate_pass(&finish, 2);
    return *id != 0 ? id : NULL;
}

Test(tsrm_recursion, two_threads_whose_ctors_allocate_ids_for_each_other_do_not_wait_for_ever)
{
    pthread_t first = thread_run(allocate_and_meet, &outer_id);
    pthread_t second = thread_run(allocate_and_meet, &inner_id);

    cr_assert_not_null(thread_result(first));
    cr_assert_not_null(thread_result(second));
    cr_assert_eq(met_count, 2);
    cr_assert_eq(inner_count, 6, "2 ids in 3 threads");
}

/* A thread without an entry is inside a ctor for another thread and asks for its own entry, while
 * the other thread is inside a ctor for it. */
static void crossing_ctor(void *resource, void ***tsrm_ls)
{
    static atomic_int entered;

    (void)resource;
    (void)tsrm_ls;
    if (atomic_fetch_add(&entered, 1) < 2) {
        gate_rise(&meeting);
        gate_pass(&meeting, 2);
        cr_assert_not_null(ts_resource(0));
        met_count++;
    }
}

static void *cross(void *arg)
{
    ts_rsrc_id *id = arg;

    return ts_allocate_id(id, 8, crossing_ctor, count_destroyed) != 0 && ts_resource(*id) != NULL
               ? id
               : NULL;
}

Test(tsrm_recursion, threads_that_get_their_entries_inside_ctors_do_not_wait_for_ever)
{
    pthread_t first = thread_run(cross, &outer_id);
    pthread_t second = thread_run(cross, &inner_id);

    cr_assert_not_null(thread_result(first));
    cr_assert_not_null(thread_result(second));
    cr_assert_eq(met_count, 2);
}

/* Two dtors that free each other's id at the same time. */
static void freeing_dtor(void *resource, void ***tsrm_ls)
{
    ts_rsrc_id other_id = **(ts_rsrc_id **)resource;

    (void)tsrm_ls;
    if (atomic_fetch_add(&destroyed_count, 1) < 2) {
        gate_rise(&meeting);
        gate_pass(&meeting, 2);
        ts_free_id(other_id);
    }
}

static void *free_the_id(void *arg)
{
    ts_free_id(*(ts_rsrc_id *)arg);
    return NULL;
}

Test(tsrm_recursion, dtors_that_free_each_other_s_ids_do_not_wait_for_ever)
{
    pthread_t first, second;

    cr_assert_neq(ts_allocate_id(&outer_id, sizeof(ts_rsrc_id *), NULL, freeing_dtor), 0);
    cr_assert_neq(ts_allocate_id(&inner_id, sizeof(ts_rsrc_id *), NULL, freeing_dtor), 0);
    *(ts_rsrc_id **)ts_resource(outer_id) = &inner_id;
    *(ts_rsrc_id **)ts_resource(inner_id) = &outer_id;
    first = thread_run(free_the_id, &outer_id);
    second = thread_run(free_the_id, &inner_id);
    thread_result(first);
    thread_result(second);
    cr_assert_eq(destroyed_count, 2);
    cr_assert_null(ts_resource(outer_id));
    cr_assert_null(ts_resource(inner_id));
}

/* ts_free_thread while another thread's ctor is at work in the entry that is to end. */
static void slow_ctor(void *resource, void ***tsrm_ls)
{
    if (tsrm_ls != tsrm_get_ls_cache()) {
        gate_open(&meeting, 1);
        gate_pass(&finish, 1);
    }
    *(int *)resource = 3;
    outer_count++;
}

static void slow_dtor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    cr_assert_eq(*(int *)resource, 3);
    destroyed_count++;
}

static void *end_during_ctor(void *arg)
{
    (void)arg;
    ts_resource(0);
    gate_rise(&started);
    gate_pass(&meeting, 1);
    gate_open(&finish, 1);
    ts_free_thread();
    return destroyed_count == 1 ? &outer_id : NULL;
}

Test(tsrm_recursion, ts_free_thread_waits_for_a_slot_that_another_thread_is_constructing)
{
    pthread_t thread = thread_run(end_during_ctor, NULL);

    gate_pass(&started, 1);
    cr_assert_neq(ts_allocate_id(&outer_id, sizeof(int), slow_ctor, slow_dtor), 0);
    cr_assert_not_null(thread_result(thread));
    cr_assert_eq(outer_count, 2);
}

static void *resource_from_outside(void *arg)
{
    (void)arg;
    gate_pass(&meeting, 1);
    gate_open(&finish, 1);
    /* Starts while slow_ctor is at work elsewhere: nothing here depends on that. */
    return ts_resource(outer_id);
}

Test(tsrm_recursion, a_thread_starts_while_a_ctor_is_at_work_for_another)
{
    pthread_t idle_thread = thread_run(idle, NULL);
    pthread_t starting;

    gate_pass(&started, 1);
    starting = thread_run(resource_from_outside, NULL);
    cr_assert_neq(ts_allocate_id(&outer_id, sizeof(int), slow_ctor, slow_dtor), 0);
    cr_assert_not_null(thread_result(starting));
    thread_result(idle_thread);
    cr_assert_eq(outer_count, 3);
}

static void apply_nested(void *resource)
{
    (void)resource;
    ts_free_id(outer_id);
    cr_assert_eq(destroyed_count, 0, "not while it is looked at");
}

Test(tsrm_recursion, an_id_freed_while_it_is_applied_is_destroyed_when_that_ends)
{
    cr_assert_neq(ts_allocate_id(&outer_id, 8, NULL, count_destroyed), 0);
    ts_apply_for_id(outer_id, apply_nested);
    cr_assert_eq(destroyed_count, 1);
    cr_assert_null(ts_resource(outer_id));
}
