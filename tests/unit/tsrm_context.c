/* Interpreter contexts, and who is told of a change of the current entry. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/context.h"
#include "tsrm/registry.h"

static ts_rsrc_id number_id;
static atomic_int ctor_count, dtor_count;

static void number_ctor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    *(int *)resource = ++ctor_count;
}

static void number_dtor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    cr_assert_neq(*(int *)resource, 0);
    dtor_count++;
}

static int number(void)
{
    return *(int *)ts_resource(number_id);
}

static void begin(void)
{
    tsrm_begin();
    cr_assert_neq(ts_allocate_id(&number_id, sizeof(int), number_ctor, number_dtor), 0);
}

static void end(void)
{
    cr_assert_eq(tsrm_shutdown(), 0);
    cr_assert_eq(ctor_count, dtor_count);
}

TestSuite(tsrm_context, .init = begin, .fini = end);

Test(tsrm_context, a_context_has_resources_of_its_own)
{
    void *home = ts_resource(0);
    void *context = tsrm_new_interpreter_context();

    cr_assert_not_null(context);
    cr_assert_eq(ts_resource(0), home);
    cr_assert_eq(number(), 1);
    cr_assert_eq(tsrm_set_interpreter_context(context), home);
    cr_assert_eq(ts_resource(0), context);
    cr_assert_eq(number(), 2);
    cr_assert_eq(tsrm_set_interpreter_context(home), context);
    cr_assert_eq(number(), 1);
    tsrm_free_interpreter_context(context);
    cr_assert_eq(dtor_count, 1);
}

Test(tsrm_context, a_late_id_is_constructed_in_contexts_too)
{
    void *context = tsrm_new_interpreter_context();
    ts_rsrc_id late_id;

    cr_assert_neq(ts_allocate_id(&late_id, sizeof(int), number_ctor, number_dtor), 0);
    cr_assert_eq(ctor_count, 4);
    tsrm_set_interpreter_context(context);
    cr_assert_eq(*(int *)(*(void ***)ts_resource(0))[late_id - 1], *(int *)ts_resource(late_id));
}

Test(tsrm_context, after_null_the_thread_goes_back_to_its_own_entry)
{
    void *home = ts_resource(0);
    void *context = tsrm_new_interpreter_context();

    tsrm_set_interpreter_context(context);
    cr_assert_eq(tsrm_set_interpreter_context(NULL), context);
    cr_assert_null(tsrm_get_ls_cache());
    cr_assert_eq(ts_resource(0), home);
    cr_assert_eq(ctor_count, 2);
}

Test(tsrm_context, freeing_the_current_context_leaves_none)
{
    void *home = ts_resource(0);
    void *context = tsrm_new_interpreter_context();

    tsrm_set_interpreter_context(context);
    tsrm_free_interpreter_context(context);
    cr_assert_null(tsrm_get_ls_cache());
    cr_assert_eq(dtor_count, 1);
    cr_assert_eq(ts_resource(0), home);
}

Test(tsrm_context, freeing_one_context_leaves_the_others)
{
    void *contexts[3];
    int i;

    for (i = 0; i < 3; i++) {
        contexts[i] = tsrm_new_interpreter_context();
    }
    tsrm_free_interpreter_context(contexts[1]);
    cr_assert_eq(dtor_count, 1);
    tsrm_set_interpreter_context(contexts[2]);
    cr_assert_eq(number(), 4);
    tsrm_free_interpreter_context(NULL);
}

Test(tsrm_context, a_thread_s_own_entry_is_not_freed_as_a_context)
{
    tsrm_free_interpreter_context(ts_resource(0));
    cr_assert_eq(dtor_count, 0);
    cr_assert_eq(number(), 1);
}

Test(tsrm_context, shutdown_destroys_the_contexts_that_are_left)
{
    cr_assert_not_null(tsrm_new_interpreter_context());
    cr_assert_not_null(tsrm_new_interpreter_context());
    cr_assert_eq(tsrm_shutdown(), 0);
    cr_assert_eq(dtor_count, 3);
}

static struct gate using_gate = GATE_INIT, done_gate = GATE_INIT;

static void *use_context(void *context)
{
    tsrm_set_interpreter_context(context);
    gate_rise(&using_gate);
    gate_pass(&done_gate, 1);
    return ts_resource(0) == context && number() == 2 ? context : NULL;
}

Test(tsrm_context, a_context_current_in_another_thread_is_not_freed)
{
    void *context = tsrm_new_interpreter_context();
    pthread_t thread = thread_run(use_context, context);

    gate_pass(&using_gate, 1);
    tsrm_free_interpreter_context(context);
    cr_assert_eq(dtor_count, 0);
    gate_open(&done_gate, 1);
    cr_assert_eq(thread_result(thread), context);
    /* The thread never had an entry of its own, but its end has put the context down. */
    tsrm_free_interpreter_context(context);
    cr_assert_eq(dtor_count, 1);
}

static void *leave_context_current(void *context)
{
    ts_resource(0);
    tsrm_set_interpreter_context(context);
    return NULL;
}

Test(tsrm_context, a_thread_that_ends_with_a_context_frees_its_own_entry_only)
{
    void *context = tsrm_new_interpreter_context();

    thread_result(thread_run(leave_context_current, context));
    cr_assert_eq(dtor_count, 1);
    cr_assert_eq(tsrm_thread_count(), 1);
    tsrm_set_interpreter_context(context);
    cr_assert_eq(number(), 2);
}

static void *inner_context;

static void freeing_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    if (inner_context != NULL) {
        tsrm_free_interpreter_context(inner_context);
        cr_assert_eq(dtor_count, 0, "put off until the ctor has returned");
        inner_context = NULL;
    }
}

Test(tsrm_context, a_context_freed_inside_a_ctor_is_destroyed_after_it)
{
    ts_rsrc_id id;

    inner_context = tsrm_new_interpreter_context();
    cr_assert_neq(ts_allocate_id(&id, 1, freeing_ctor, NULL), 0);
    cr_assert_eq(dtor_count, 1);
    cr_assert_eq(atomic_load(&tsrm_registry.deferred_count), 0);
}

static void freeing_own_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    if ((void *)tsrm_ls == inner_context) {
        tsrm_free_interpreter_context(inner_context);
        cr_assert_null(tsrm_get_ls_cache());
        cr_assert_eq(dtor_count, 0, "put off until the ctor has returned");
    }
}

Test(tsrm_context, a_current_context_freed_inside_its_ctor_is_no_longer_current_and_dies_after_it)
{
    ts_rsrc_id id;

    inner_context = tsrm_new_interpreter_context();
    tsrm_set_interpreter_context(inner_context);
    cr_assert_neq(ts_allocate_id(&id, 1, freeing_own_ctor, NULL), 0);
    cr_assert_eq(dtor_count, 1);
    cr_assert_eq(atomic_load(&tsrm_registry.deferred_count), 0);
    cr_assert_not_null(ts_resource(0), "the thread has its own entry still");
}

static int change_count;
static void *seen[16];

static void context_changed(void)
{
    seen[change_count++] = tsrm_get_ls_cache();
}

static void seeing_dtor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    cr_assert_eq(change_count, 1);
    cr_assert_eq(seen[0], tsrm_ls);
    cr_assert_eq(tsrm_get_ls_cache(), tsrm_ls);
}

static void *free_thread_watched(void *arg)
{
    ts_rsrc_id *id = arg;

    ts_resource(0);
    /* First made: nothing could be cached from before. */
    seen[15] = change_count == 0 ? id : NULL;
    ts_free_thread();
    return NULL;
}

Test(tsrm_context, the_change_handler_runs_before_the_dtors_and_after_the_entry_is_gone)
{
    ts_rsrc_id id;

    cr_assert_neq(ts_allocate_id(&id, 1, NULL, seeing_dtor), 0);
    tsrm_set_context_change_handler(context_changed);
    thread_result(thread_run(free_thread_watched, &id));
    tsrm_set_context_change_handler(NULL);
    cr_assert_not_null(seen[15]);
    cr_assert_eq(change_count, 2);
    cr_assert_null(seen[1]);
    ts_free_id(number_id);
    change_count = 1;
    seen[0] = ts_resource(0);
}

Test(tsrm_context, the_change_handler_runs_after_a_switch)
{
    void *home = ts_resource(0);
    void *context = tsrm_new_interpreter_context();

    tsrm_set_context_change_handler(context_changed);
    tsrm_set_interpreter_context(context);
    tsrm_set_interpreter_context(NULL);
    ts_resource(0);
    tsrm_set_context_change_handler(NULL);
    cr_assert_eq(change_count, 3);
    cr_assert_eq(seen[0], context);
    cr_assert_null(seen[1]);
    cr_assert_eq(seen[2], home);
}

static void *leave_watched(void *arg)
{
    ts_resource(0);
    return arg;
}

Test(tsrm_context, the_change_handler_runs_at_a_thread_s_exit_too)
{
    tsrm_set_context_change_handler(context_changed);
    thread_result(thread_run(leave_watched, NULL));
    tsrm_set_context_change_handler(NULL);
    cr_assert_eq(change_count, 2);
    cr_assert_not_null(seen[0]);
    cr_assert_null(seen[1]);
}
