/* The whole lifecycle on many threads at once; a plain program, so that it runs under TSan.
 * Every worker replays the same trace, some requests hit the limit, a module counts per thread. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef ZTS

#include <pthread.h>

#include "engine/engine.h"
#include "sapi.h"
#include "tests/support/check.h"

#define WORKER_COUNT 8
#define TURN_COUNT 20

typedef struct counters {
    int made;
    int rinit_count;
    int rshutdown_count;
} counters;

static ts_rsrc_id counters_id;
static atomic_int ctor_count;
static atomic_int dtor_count;
static atomic_int report_count;
static atomic_int thread_start_count;
static atomic_int thread_end_count;

static void counters_ctor(void *globals, void ***tsrm_ls)
{
    (void)tsrm_ls;
    memset(globals, 0, sizeof(counters));
    ((counters *)globals)->made = 1;
    atomic_fetch_add(&ctor_count, 1);
}

static void counters_dtor(void *globals, void ***tsrm_ls)
{
    (void)tsrm_ls;
    ((counters *)globals)->made = 0;
    atomic_fetch_add(&dtor_count, 1);
}

#define COUNTERS(member) TSRMG(counters_id, counters *, member)

static zend_result rinit(INIT_FUNC_ARGS)
{
    (void)type;
    (void)module_number;
    COUNTERS(rinit_count)++;
    /* Every fifth request has more in its heap than the others. */
    return COUNTERS(rinit_count) % 5 != 0 || emalloc(50000) != NULL ? SUCCESS : FAILURE;
}

static zend_result rshutdown(SHUTDOWN_FUNC_ARGS)
{
    (void)type;
    (void)module_number;
    COUNTERS(rshutdown_count)++;
    return SUCCESS;
}

static zend_module_entry module = {
    .name = "counting",
    .request_startup_func = rinit,
    .request_shutdown_func = rshutdown,
    .globals_size = sizeof(counters),
    .globals_id_ptr = &counters_id,
    .globals_ctor = counters_ctor,
    .globals_dtor = counters_dtor,
};

static void log_message(const char *message, int priority TSRMLS_DC)
{
    (void)priority;
    (void)tsrm_ls;
    CHECK(strncmp(message, "Allowed memory size of 8388608 bytes exhausted", 46) == 0);
    atomic_fetch_add(&report_count, 1);
}

static zend_result thread_start(TSRMLS_D)
{
    (void)tsrm_ls;
    atomic_fetch_add(&thread_start_count, 1);
    return SUCCESS;
}

static void thread_end(TSRMLS_D)
{
    (void)tsrm_ls;
    atomic_fetch_add(&thread_end_count, 1);
}

static zend_result startup(sapi_module_struct *self)
{
    return php_module_startup(self, &module, 1);
}

static sapi_module_struct sapi = {
    .name = "threads",
    .startup = startup,
    .thread_start = thread_start,
    .thread_end = thread_end,
    .log_message = log_message,
};

/* One request: returns its exit status. */
static int run_request(void *runner, size_t request_index TSRMLS_DC)
{
    CHECK(php_request_startup(TSRMLS_C) == SUCCESS);
    zend_try {
        CHECK(trace_engine.run(runner, request_index, NULL) == ENGINE_DONE);
    } zend_catch {
        SG(unclean_shutdown) = true;
    } zend_end_try();
    CHECK(!trace_engine.end_request(runner));
    int status = SG(exit_status);
    php_request_shutdown(TSRMLS_C);
    CHECK(zend_memory_usage(0 TSRMLS_CC) == 0);
    return status;
}

static void *worker(void *program)
{
    TSRMLS_FETCH();
    CHECK(tsrm_ls != NULL);
    CHECK(COUNTERS(made) == 1);
    CHECK(sapi_thread_start(TSRMLS_C) == SUCCESS);
    void *runner = trace_engine.runner_new(program, ENGINE_CHECK_CONTENT);
    CHECK(runner != NULL);
    int hit_count = 0;
    for (int turn = 0; turn < TURN_COUNT; turn++) {
        for (size_t index = 0; index < trace_engine.request_count(program); index++) {
            hit_count += run_request(runner, index TSRMLS_CC) == 255;
        }
    }
    CHECK(hit_count == TURN_COUNT);
    CHECK(COUNTERS(rinit_count) == TURN_COUNT * 3);
    CHECK(COUNTERS(rshutdown_count) == TURN_COUNT * 3);
    trace_engine.runner_free(runner);
    sapi_thread_end(TSRMLS_C);
    ts_free_thread();
    return NULL;
}

static void run_workers(void *program)
{
    pthread_t threads[WORKER_COUNT];
    for (int index = 0; index < WORKER_COUNT; index++) {
        CHECK(pthread_create(&threads[index], NULL, worker, program) == 0);
    }
    for (int index = 0; index < WORKER_COUNT; index++) {
        CHECK(pthread_join(threads[index], NULL) == 0);
    }
}

int main(void)
{
    char path[4096];
    char error[512];
    const char *directive_error = NULL;
    const char *source = getenv("abs_top_srcdir");
    snprintf(path, sizeof(path), "%s/tests/data/over_8m.zmt", source != NULL ? source : ".");

    CHECK_CASE("the process starts");
    const engine_script script = { .path = path, .file = -1 };
    void *program = trace_engine.load(&script, error, sizeof(error));
    if (!CHECK(program != NULL)) {
        puts(error);
        return check_summary();
    }
    CHECK(php_ini_set("memory_limit=8M", &directive_error));
    CHECK(tsrm_startup(1, 1, 0, NULL) && ts_resource(0) != NULL);
    CHECK(sapi_startup(&sapi) == SUCCESS);
    CHECK(sapi_module.startup(&sapi) == SUCCESS);

    for (int generation = 1; generation <= 3; generation++) {
        CHECK_CASE("workers start, serve requests with and without errors, and end");
        run_workers(program);
        CHECK(atomic_load(&ctor_count) == 1 + generation * WORKER_COUNT);
        CHECK(atomic_load(&dtor_count) == generation * WORKER_COUNT);
        CHECK(atomic_load(&report_count) == generation * WORKER_COUNT * TURN_COUNT);
        CHECK(atomic_load(&thread_start_count) == generation * WORKER_COUNT);
        CHECK(atomic_load(&thread_end_count) == generation * WORKER_COUNT);
    }

    CHECK_CASE("the process ends and nothing is left");
    TSRMLS_FETCH();
    php_module_shutdown(TSRMLS_C);
    sapi_shutdown();
    CHECK(tsrm_shutdown() == 0);
    CHECK(atomic_load(&dtor_count) == 1 + 3 * WORKER_COUNT);
    trace_engine.unload(program);
    return check_summary();
}

#else

#include "tests/support/check.h"

int main(void)
{
    CHECK_CASE("the lifecycle on many threads");
    CHECK_SKIP("this build has no threads (ZTS is off)");
    return check_summary();
}

#endif
