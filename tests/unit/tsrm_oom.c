/* Failing memory: for n = 1, 2, ... the n-th allocation of a whole life of TSRM fails. Every
 * failure is clean, and the same call works when memory is back. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tsrm_support.h"
#include "tsrm/os.h"
#include "tsrm/registry.h"

static atomic_long allocations_left; /* the call that finds 0 fails */
static atomic_int failed_count;
static atomic_int ctor_count, dtor_count;

static bool fail_nth(size_t size)
{
    (void)size;
    if (atomic_fetch_sub(&allocations_left, 1) != 0) {
        return true;
    }
    failed_count++;
    return false;
}

static void ctor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    *(int *)resource = 1;
    ctor_count++;
}

static void dtor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    cr_assert_eq(*(int *)resource, 1);
    dtor_count++;
}

static ts_rsrc_id ids[3];
static size_t fast_offset;
static bool thread_is_good;

/* Each call below is made again when it fails, and must succeed then: at most one call fails. */
static bool once_more(bool succeeded, int failures_before)
{
    if (succeeded) {
        cr_assert_eq(failed_count, failures_before, "a failure was not reported");
    } else {
        cr_assert_eq(failed_count, failures_before + 1, "a failure without a cause");
    }
    return !succeeded;
}

#define RETRY(call)                                                                                \
    do {                                                                                           \
        int failures_before = failed_count;                                                        \
        if (once_more(call, failures_before)) {                                                    \
            cr_assert(call);                                                                       \
        }                                                                                          \
    } while (0)

static void *thread_body(void *arg)
{
    struct gate *gates = arg;
    int first_try = ts_resource(ids[0]) != NULL;

    thread_is_good = first_try || ts_resource(ids[0]) != NULL;
    thread_is_good = thread_is_good && ts_resource(0) != NULL;
    gate_open(&gates[0], 1);
    gate_pass(&gates[1], 1);
    thread_is_good = thread_is_good && ts_resource(ids[2]) != NULL;
    return NULL;
}

static bool allocate(ts_rsrc_id *id)
{
    ts_rsrc_id count_before = tsrm_id_count();

    if (ts_allocate_id(id, 100, ctor, dtor) != 0) {
        cr_assert_eq(*id, count_before + 1);
        return true;
    }
    cr_assert_eq(*id, 0);
    cr_assert_eq(tsrm_id_count(), count_before, "a failed allocation spends no id");
    return false;
}

/* True if the context could be made and was freed. */
static bool context_made(void)
{
    void *home = ts_resource(0);
    void *context = tsrm_new_interpreter_context();

    cr_assert_eq(ts_resource(0), home);
    if (context == NULL) {
        cr_assert_eq(ctor_count - dtor_count, 3 * 2, "what was constructed was destroyed");
        return false;
    }
    tsrm_free_interpreter_context(context);
    return true;
}

static bool mutex_made(void)
{
    MUTEX_T mutex = tsrm_mutex_alloc();

    tsrm_mutex_free(mutex);
    return mutex != NULL;
}

static void live_once(void)
{
    struct gate gates[2] = {GATE_INIT, GATE_INIT};
    pthread_t thread;

    RETRY(tsrm_startup(1, 1, 0, NULL) == 1);
    RETRY(allocate(&ids[0]));
    RETRY(ts_resource(0) != NULL);
    RETRY(allocate(&ids[1]));
    cr_assert(tsrm_reserve(16));
    RETRY(ts_allocate_fast_id(&ids[2], &fast_offset, 16, ctor, dtor) != 0);
    ts_free_id(ids[2]);
    thread = thread_run(thread_body, gates);
    gate_pass(&gates[0], 1);
    RETRY(allocate(&ids[2]));
    RETRY(context_made());
    RETRY(mutex_made());
    gate_open(&gates[1], 1);
    thread_result(thread);
    cr_assert(thread_is_good);
    cr_assert_eq(tsrm_shutdown(), 0);
    cr_assert_eq(ctor_count, dtor_count);
}

static int live_with_failure(long n)
{
    failed_count = 0;
    allocations_left = n;
    tsrm_os_set_alloc_hook(fail_nth);
    live_once();
    tsrm_os_set_alloc_hook(NULL);
    return failed_count;
}

enum { STATUS_FAILED_ONCE = 42, STATUS_NEVER_FAILED = 43 };

/* In a process of its own: keys, handlers and entries are made once per process. */
static int live_in_child(long n)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(live_with_failure(n) == 1 ? STATUS_FAILED_ONCE : STATUS_NEVER_FAILED);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(tsrm_oom, every_allocation_of_a_process_may_fail_once_and_a_retry_works, .timeout = 60)
{
    long n = 0;
    int status;

    while ((status = live_in_child(n)) == STATUS_FAILED_ONCE) {
        n++;
    }
    cr_assert_eq(status, STATUS_NEVER_FAILED);
    cr_assert_geq(n, 18, "the hook saw only %ld allocations", n);
}

Test(tsrm_oom, tsrm_starts_again_and_again_with_a_failure_in_each_life, .timeout = 60)
{
    long n = 0;

    while (live_with_failure(n) != 0) {
        n++;
    }
    cr_assert_geq(n, 10, "the hook saw only %ld allocations", n);
}

static bool fail_all(size_t size)
{
    (void)size;
    return false;
}

static void *start_without_memory(void *arg)
{
    void *without, *with;

    (void)arg;
    tsrm_os_set_alloc_hook(fail_all);
    without = ts_resource(0);
    cr_assert_eq(tsrm_is_managed_thread(), false);
    tsrm_os_set_alloc_hook(NULL);
    with = ts_resource(0);
    return without == NULL && with != NULL ? with : NULL;
}

Test(tsrm_oom, a_thread_without_memory_gets_null_and_may_try_again)
{
    tsrm_begin();
    cr_assert(allocate(&ids[0]));
    cr_assert_not_null(thread_result(thread_run(start_without_memory, NULL)));
    cr_assert_eq(tsrm_shutdown(), 0);
}

static void *give_up_without_memory(void *arg)
{
    void *without;

    (void)arg;
    allocations_left = 3;
    tsrm_os_set_alloc_hook(fail_nth);
    without = ts_resource(0);
    tsrm_os_set_alloc_hook(NULL);
    return without;
}

Test(tsrm_oom, a_thread_that_gave_up_half_way_is_cleaned_up_at_its_end)
{
    int i;

    tsrm_begin();
    for (i = 0; i < 3; i++) {
        cr_assert(allocate(&ids[i]));
    }
    /* Of entry and blocks the fourth fails: two ctors have run by then. */
    cr_assert_null(thread_result(thread_run(give_up_without_memory, NULL)));
    cr_assert_eq(ctor_count - dtor_count, 3);
    cr_assert_gt(dtor_count, 0);
    cr_assert_eq(tsrm_thread_count(), 1);
    cr_assert_eq(tsrm_shutdown(), 0);
}

enum { CROWD = 8 };     /* threads that fill the first look-up table, with the main one */

static struct gate crowd_arrived = GATE_INIT, crowd_may_go = GATE_INIT;

static void *be_there(void *arg)
{
    void *there = ts_resource(0);

    (void)arg;
    gate_rise(&crowd_arrived);
    gate_pass(&crowd_may_go, 1);
    return there;
}

/* For n = 1, 2, ... the n-th allocation of the start fails, until the start needs no n-th. */
static void *start_at_last(void *arg)
{
    int n = 0;
    void *there;

    (void)arg;
    do {
        cr_assert_not(tsrm_is_managed_thread());
        failed_count = 0;
        allocations_left = n++;
        tsrm_os_set_alloc_hook(fail_nth);
        there = ts_resource(0);
        tsrm_os_set_alloc_hook(NULL);
        cr_assert_eq(there == NULL, failed_count == 1);
    } while (there == NULL);
    cr_assert_gt(n, 2, "an entry, and a larger table");
    return there;
}

Test(tsrm_oom, a_thread_that_the_look_up_table_has_no_room_for_may_try_again)
{
    pthread_t crowd[CROWD];
    int i;

    tsrm_begin();
    for (i = 0; i < CROWD; i++) {
        crowd[i] = thread_run(be_there, NULL);
        gate_pass(&crowd_arrived, i + 1);
        if (i == CROWD - 2) {
            cr_assert_not_null(thread_result(thread_run(start_at_last, NULL)));
        }
    }
    gate_open(&crowd_may_go, 1);
    for (i = 0; i < CROWD; i++) {
        cr_assert_not_null(thread_result(crowd[i]));
    }
    cr_assert_eq(tsrm_thread_count(), 1);
    cr_assert_eq(tsrm_shutdown(), 0);
}
