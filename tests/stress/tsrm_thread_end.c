/* The ends of threads under ThreadSanitizer's eyes: without ts_free_thread, with another key's
 * destructor that uses resources after ours, during another thread's ts_allocate_id, with a
 * context current, and after ts_free_worker_threads.
 *     tsrm_thread_end [rounds] */
#include "config.h"

#include <stdatomic.h>

#include "tests/support/check.h"
#include "tests/unit/tsrm_support.h"
#include "tsrm/os.h"

enum { THREAD_COUNT = 4 };

static pthread_key_t late_key; /* made after ours: its destructor runs after ours */
static ts_rsrc_id value_id;
static atomic_int ctor_count, dtor_count, late_count;
static struct gate workers_ready = GATE_INIT, workers_go = GATE_INIT;
static int round_count = 50;

struct value {
    int number;
    int rounds;
};

static void value_ctor(void *resource, void ***tsrm_ls)
{
    struct value *value = resource;

    (void)tsrm_ls;
    value->number = 7;
    ctor_count++;
}

static void value_dtor(void *resource, void ***tsrm_ls)
{
    struct value *value = resource;

    (void)tsrm_ls;
    CHECK(value->number == 7);
    value->number = 0;
    dtor_count++;
}

static void late_destructor(void *arg)
{
    struct value *value = ts_resource(value_id);

    CHECK(value == arg);
    if (CHECK(value != NULL) && CHECK(value->number == 7)) {
        late_count++;
        if (++value->rounds < tsrm_os_value_rounds - 1) {
            pthread_setspecific(late_key, value);
        }
    }
}

static void *end_with_late_key(void *arg)
{
    pthread_setspecific(late_key, ts_resource(value_id));
    return arg;
}

static void *end_with_context(void *context)
{
    struct value *value;

    ts_resource(0);
    tsrm_set_interpreter_context(context);
    value = ts_resource(value_id);
    CHECK(value != NULL && value->number == 7);
    return NULL;
}

static void *allocate_late_ids(void *arg)
{
    int i;

    for (i = 0; i < round_count; i++) {
        ts_rsrc_id id;

        CHECK(ts_allocate_id(&id, sizeof(struct value), value_ctor, value_dtor) != 0);
        ts_free_id(id);
    }
    return arg;
}

static void *idle_worker(void *arg)
{
    CHECK(ts_resource(value_id) != NULL);
    gate_rise(&workers_ready);
    gate_pass(&workers_go, 1);
    CHECK(ts_resource(value_id) == NULL);
    return arg;
}

static void end_threads_during_allocations(void)
{
    pthread_t allocator = thread_run(allocate_late_ids, NULL);
    int i, j;

    for (i = 0; i < round_count; i++) {
        pthread_t threads[THREAD_COUNT];

        for (j = 0; j < THREAD_COUNT; j++) {
            threads[j] = thread_run(end_with_late_key, NULL);
        }
        for (j = 0; j < THREAD_COUNT; j++) {
            thread_result(threads[j]);
        }
    }
    thread_result(allocator);
}

static void free_idle_workers(void)
{
    pthread_t threads[THREAD_COUNT];
    int i;

    for (i = 0; i < THREAD_COUNT; i++) {
        threads[i] = thread_run(idle_worker, NULL);
    }
    gate_pass(&workers_ready, THREAD_COUNT);
    ts_free_worker_threads();
    CHECK(tsrm_thread_count() == 1);
    gate_open(&workers_go, 1);
    for (i = 0; i < THREAD_COUNT; i++) {
        thread_result(threads[i]);
    }
}

int main(int argc, char **argv)
{
    void *context;

    if (argc > 1) {
        round_count = atoi(argv[1]);
    }
    tsrm_begin();
    CHECK_CASE("another key's destructor uses a thread's resources after ours in each round");
    CHECK(pthread_key_create(&late_key, late_destructor) == 0);
    CHECK(ts_allocate_id(&value_id, sizeof(struct value), value_ctor, value_dtor) != 0);
    end_threads_during_allocations();
    CHECK(late_count == round_count * THREAD_COUNT * (tsrm_os_value_rounds - 1));
    CHECK(tsrm_thread_count() == 1);

    CHECK_CASE("a thread that ends with a context frees its own entry only");
    context = tsrm_new_interpreter_context();
    CHECK(context != NULL);
    thread_result(thread_run(end_with_context, context));
    thread_result(thread_run(end_with_context, context));
    tsrm_free_interpreter_context(context);
    CHECK(ctor_count == dtor_count + 1);

    CHECK_CASE("idle workers are freed by another thread and end by themselves");
    free_idle_workers();
    CHECK(ctor_count == dtor_count + 1);
    CHECK(tsrm_shutdown() == 0);
    CHECK(ctor_count == dtor_count);
    return check_summary();
}
