/* The child of a fork: only the forking thread's entry is left, and nothing is locked. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/registry.h"

static ts_rsrc_id number_id, late_id;
static atomic_int ctor_count, dtor_count;
static struct gate started = GATE_INIT, finish = GATE_INIT;

static void number_ctor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    *(int *)resource = ++ctor_count;
}

static void number_dtor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    dtor_count++;
}

static void begin(void)
{
    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&number_id, sizeof(int), number_ctor, number_dtor), 0);
}

static void end(void)
{
    cr_assert_eq(tsrm_shutdown(), 0);
}

TestSuite(tsrm_fork, .init = begin, .fini = end, .timeout = 60);

static void *idle(void *arg)
{
    (void)arg;
    ts_resource(0);
    gate_rise(&started);
    gate_pass(&finish, 1);
    return NULL;
}

/* The exit status of `child`, run in a child process: the line of the first failure, or 0. */
static int in_child(int (*child)(void *arg), void *arg)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(child(arg));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define CHILD_CHECK(condition)                                                                     \
    if (!(condition)) {                                                                            \
        return __LINE__ % 200 + 1;                                                                 \
    }

static void *start_and_leave(void *arg)
{
    (void)arg;
    return ts_resource(number_id);
}

static int only_forking_thread_is_left(void *arg)
{
    THREAD_T *other = arg;
    ts_rsrc_id id;

    CHILD_CHECK(tsrm_thread_count() == 1);
    CHILD_CHECK(*(int *)ts_resource(number_id) == 1);
    CHILD_CHECK(ts_resource_ex(0, other) == NULL);
    CHILD_CHECK(tsrm_is_main_thread());
    /* One ctor, for the one thread; the dead threads' entries are left alone. */
    ctor_count = 100;
    CHILD_CHECK(ts_allocate_id(&id, sizeof(int), number_ctor, number_dtor) == 2);
    CHILD_CHECK(ctor_count == 101);
    CHILD_CHECK(thread_result(thread_run(start_and_leave, NULL)) != NULL);
    CHILD_CHECK(ctor_count == 103);
    CHILD_CHECK(tsrm_shutdown() == 0);
    CHILD_CHECK(dtor_count == 4);
    CHILD_CHECK(tsrm_startup(1, 1, 0, NULL) == 1);
    CHILD_CHECK(ts_resource(0) != NULL);
    return 0;
}

Test(tsrm_fork, only_the_forking_thread_s_entry_is_left_in_the_child)
{
    pthread_t threads[3];
    int i;

    for (i = 0; i < 3; i++) {
        threads[i] = thread_run(idle, NULL);
    }
    gate_pass(&started, 3);
    cr_assert_eq(in_child(only_forking_thread_is_left, &threads[1]), 0);
    cr_assert_eq(tsrm_thread_count(), 4);
    gate_open(&finish, 1);
    for (i = 0; i < 3; i++) {
        thread_result(threads[i]);
    }
    cr_assert_eq(dtor_count, 3);
}

static int worker_continues(void *arg)
{
    CHILD_CHECK(ts_resource(0) == arg);
    CHILD_CHECK(*(int *)ts_resource(number_id) == 2);
    CHILD_CHECK(tsrm_thread_count() == 1);
    ts_free_thread();
    CHILD_CHECK(dtor_count == 1);
    CHILD_CHECK(tsrm_thread_count() == 0);
    CHILD_CHECK(ts_resource(number_id) != NULL);
    return 0;
}

static void *fork_in_worker(void *arg)
{
    (void)arg;
    return in_child(worker_continues, ts_resource(0)) == 0 ? &number_id : NULL;
}

Test(tsrm_fork, a_worker_that_forks_goes_on_in_the_child_with_its_resources)
{
    cr_assert_not_null(thread_result(thread_run(fork_in_worker, NULL)));
}

/* Stops in the entry of the main thread, which forks meanwhile. */
static void stopping_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    if (tsrm_ls != tsrm_get_ls_cache()) {
        gate_open(&started, 1);
        gate_pass(&finish, 1);
    }
}

static void *allocate_late(void *arg)
{
    (void)arg;
    ts_resource(0);
    ts_allocate_id(&late_id, sizeof(int), stopping_ctor, NULL);
    return NULL;
}

static int ends_although_a_ctor_was_running(void *arg)
{
    (void)arg;
    /* Whoever was constructing it is not here; the child makes it anew. */
    CHILD_CHECK(ts_resource(late_id) != NULL);
    CHILD_CHECK(ts_allocate_id(&number_id, 8, NULL, NULL) == 3);
    CHILD_CHECK(tsrm_shutdown() == 0);
    return 0;
}

Test(tsrm_fork, a_slot_that_a_lost_thread_was_constructing_does_not_block_the_child)
{
    pthread_t thread = thread_run(allocate_late, NULL);

    gate_pass(&started, 1);
    cr_assert_eq(in_child(ends_although_a_ctor_was_running, NULL), 0);
    gate_open(&finish, 1);
    thread_result(thread);
}

static int env_lock_is_free(void *arg)
{
    (void)arg;
    tsrm_env_lock();
    tsrm_env_unlock();
    return 0;
}

static void *hold_env_lock(void *arg)
{
    (void)arg;
    tsrm_env_lock();
    gate_open(&started, 1);
    gate_pass(&finish, 1);
    tsrm_env_unlock();
    return NULL;
}

Test(tsrm_fork, the_environment_s_lock_is_free_in_the_child)
{
    pthread_t thread = thread_run(hold_env_lock, NULL);

    gate_pass(&started, 1);
    cr_assert_eq(in_child(env_lock_is_free, NULL), 0);
    gate_open(&finish, 1);
    thread_result(thread);
}

static int contexts_are_kept(void *context)
{
    tsrm_set_interpreter_context(context);
    CHILD_CHECK(*(int *)ts_resource(number_id) == 2);
    CHILD_CHECK(tsrm_shutdown() == 0);
    CHILD_CHECK(dtor_count == 2);
    return 0;
}

Test(tsrm_fork, contexts_are_kept_in_the_child)
{
    void *context = tsrm_new_interpreter_context();

    cr_assert_not_null(context);
    cr_assert_eq(in_child(contexts_are_kept, context), 0);
}

/* ---- forks inside a callback ---- */

static void *context;
static bool is_first_call;

static int own_close_is_still_put_off(void *arg)
{
    (void)arg;
    CHILD_CHECK(atomic_load(&tsrm_registry.deferred_count) == 1);
    CHILD_CHECK(tsrm_thread_count() == 1);
    return 0;
}

static void free_context_and_fork(void *resource)
{
    (void)resource;
    tsrm_free_interpreter_context(context);
    cr_assert_eq(in_child(own_close_is_still_put_off, NULL), 0);
}

Test(tsrm_fork, a_close_that_the_forking_thread_has_put_off_is_still_put_off_in_the_child)
{
    context = tsrm_new_interpreter_context();
    ts_apply_for_id(number_id, free_context_and_fork);
    cr_assert_eq(atomic_load(&tsrm_registry.deferred_count), 0);
    cr_assert_eq(dtor_count, 1);
}

static void free_context_and_stay(void *resource)
{
    (void)resource;
    if (is_first_call) {
        is_first_call = false;
        tsrm_free_interpreter_context(context);
        gate_rise(&started);
        gate_pass(&finish, 1);
    }
}

static void *apply_and_stay(void *arg)
{
    ts_apply_for_id(number_id, free_context_and_stay);
    return arg;
}

static int nothing_of_the_other_thread_is_left(void *arg)
{
    (void)arg;
    CHILD_CHECK(atomic_load(&tsrm_registry.deferred_count) == 0);
    ts_free_id(number_id);      /* would wait for ever if the slot were still in use */
    CHILD_CHECK(dtor_count == 1);
    return 0;
}

Test(tsrm_fork, what_another_thread_was_inside_of_is_over_in_the_child)
{
    pthread_t other;

    context = tsrm_new_interpreter_context();
    is_first_call = true;
    other = thread_run(apply_and_stay, NULL);
    gate_pass(&started, 1);
    cr_assert_eq(in_child(nothing_of_the_other_thread_is_left, NULL), 0);
    gate_open(&finish, 1);
    thread_result(other);
    cr_assert_eq(atomic_load(&tsrm_registry.deferred_count), 0);
}
