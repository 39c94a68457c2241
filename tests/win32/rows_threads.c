/* rows_threads: rows about many threads, each with a heap of its own, and about how threads end.
 * Owns        the threads of its cases.
 * Thread      main starts and joins all others.
 * Invariants  what a thread found out is shown by main, in the order of the threads' numbers.
 * Failure     a case that failed.
 * Tests       tsrm/, alloc/globals.c, alloc/remote.c. */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/win32/rows.h"
#include "tests/win32/system.h"

#ifdef ZTS

enum {
    THREAD_COUNT = 4,
    REMOTE_COUNT = 2000,        /* blocks that another thread frees */
    CHURN_COUNT = 200,          /* threads that come and go */
    GROWTH_MAX = 16 << 20,      /* resident bytes that those may leave behind */
};

/* ---- threads that stop at known points ---- */

static atomic_int arrived;      /* atomic: any order; threads that have come to the gate */
static atomic_bool is_open;     /* atomic: any order; they may go on */

static void gate_close(void)
{
    arrived = 0;
    is_open = false;
}

static void gate_pass(void)
{
    arrived++;
    while (!is_open) {
        row_thread_yield();
    }
}

static void gate_await(int count)
{
    while (arrived < count) {
        row_thread_yield();
    }
}

/* ---- heaps of their own ---- */

typedef struct worker {
    row_thread *thread;
    size_t number;              /* from 1 */
    bool calls_ts_free_thread;
    zend_mm_heap *heap;         /* out, like all below */
    row_workload workload;
    size_t size, real_size, peak_size, size_at_end;
    row_log log;
    bool was_refused;           /* its request was left by zend_bailout() */
    void *blocks[REMOTE_COUNT];
    size_t remote_free_count;
} worker;

static worker workers[THREAD_COUNT];

static void worker_request(worker *worker)
{
    row_request_begin(&worker->log);
    TSRMLS_FETCH();
    worker->heap = zend_mm_get_heap();
    row_work(&worker->workload);
    worker->size = zend_memory_usage(0 TSRMLS_CC);
    worker->real_size = zend_memory_usage(1 TSRMLS_CC);
    worker->peak_size = zend_memory_peak_usage(0 TSRMLS_CC);
    gate_pass();
    row_request_end();
    worker->size_at_end = zend_memory_usage(0 TSRMLS_CC);
}

static void worker_end(const worker *worker)
{
    TSRMLS_FETCH();
    sapi_thread_end(TSRMLS_C);
    if (worker->calls_ts_free_thread) {
        ts_free_thread();
    }
}

static void worker_body(void *arg)
{
    worker *worker = arg;
    TSRMLS_FETCH();
    ROW_CHECK(tsrm_ls != NULL && !tsrm_is_main_thread());
    ROW_CHECK(sapi_thread_start(TSRMLS_C) == SUCCESS);
    worker_request(worker);
    worker_end(worker);
}

static void workers_start(void (*body)(void *arg))
{
    gate_close();
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        workers[index] = (worker){ .number = index + 1, .calls_ts_free_thread = index % 2 == 0 };
        workers[index].workload = (row_workload){ .seed = 100 + index, .operation_count = 20000,
            .size_max = 128 * 1024 };
        workers[index].thread = row_thread_start(body, &workers[index]);
    }
}

static void workers_join(void)
{
    is_open = true;
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        row_thread_join(workers[index].thread);
    }
}

static bool heaps_differ(void)
{
    for (size_t first = 0; first < THREAD_COUNT; first++) {
        for (size_t second = 0; second < first; second++) {
            if (workers[first].heap == workers[second].heap) {
                return false;
            }
        }
        if (workers[first].heap == zend_mm_get_heap()) {
            return false;
        }
    }
    return true;
}

static void show_worker(const worker *worker)
{
    char line[160];
    snprintf(line, sizeof line, "%zu live, size %zu, real size %zu, peak %zu, at the end %zu",
        worker->workload.live_count, worker->size, worker->real_size, worker->peak_size,
        worker->size_at_end);
    row_text("thread", line);
    ROW_CHECK(worker->workload.damaged_count == 0 && worker->log.count == 0);
}

/* ---- late ids ---- */

static atomic_int late_made, late_destroyed;    /* atomic: any order */

static void late_ctor(void *resource, void ***tsrm_ls)
{
    (void)resource, (void)tsrm_ls;
    late_made++;
}

static void late_dtor(void *resource, void ***tsrm_ls)
{
    (void)resource, (void)tsrm_ls;
    late_destroyed++;
}

static void rows_of_workers(void)
{
    ts_rsrc_id id;
    int destroyed_before = row_globals_destroyed();
    row_case("threads work at once, each in a heap of its own");
    workers_start(worker_body);
    gate_await(THREAD_COUNT);
    row_figure("threads with an entry", tsrm_thread_count());
    ROW_CHECK(heaps_differ());

    row_case("an id that is allocated late is constructed for every live thread");
    ROW_CHECK(ts_allocate_id(&id, 64, late_ctor, late_dtor) != 0);
    row_figure("constructed", (size_t)late_made);

    row_case("each thread's figures are its own");
    workers_join();
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        show_worker(&workers[index]);
    }

    row_case("a thread's resources end with it, whether it calls ts_free_thread or just ends");
    row_figure("threads with an entry", tsrm_thread_count());
    row_figure("late resources destroyed", (size_t)late_destroyed);
    row_figure("module globals destroyed", (size_t)(row_globals_destroyed() - destroyed_before));
    ts_free_id(id);
    row_figure("and those of the freed id", (size_t)late_destroyed);
    ROW_CHECK(late_made == late_destroyed);
}

/* ---- frees by another thread ---- */

static void giver_body(void *arg)
{
    worker *worker = arg;
    zend_mm_heap_statistics statistics;
    TSRMLS_FETCH();
    for (size_t index = 0; index < REMOTE_COUNT; index++) {
        size_t size = index % 100 == 0 ? 3 << 20 : index * 7 % 9000 + 1;
        worker->blocks[index] = emalloc(size);
        *(unsigned char *)worker->blocks[index] = (unsigned char)index;
    }
    worker->size = zend_memory_usage(0 TSRMLS_CC);
    gate_pass();
    (void)zend_mm_gc(zend_mm_get_heap());
    ROW_CHECK(zend_mm_heap_stats(NULL, &statistics));
    worker->size_at_end = statistics.size;
    worker->remote_free_count = statistics.remote_free_count;
}

static void row_of_remote_frees(void)
{
    static worker giver;
    bool are_intact = true;
    row_case("blocks that another thread frees go back to their heap");
    gate_close();
    giver = (worker){ .number = 1 };
    giver.thread = row_thread_start(giver_body, &giver);
    gate_await(1);
    for (size_t index = 0; index < REMOTE_COUNT; index++) {
        are_intact = are_intact
            && *(unsigned char *)giver.blocks[index] == (unsigned char)index;
        efree(giver.blocks[index]);
    }
    is_open = true;
    row_thread_join(giver.thread);
    ROW_CHECK(are_intact);
    row_figure("size before", giver.size);
    row_figure("size after", giver.size_at_end);
    row_figure("frees by the other thread", giver.remote_free_count);
}

/* ---- one thread's limit ---- */

static void limited_body(void *arg)
{
    worker *worker = arg;
    TSRMLS_FETCH();
    ROW_CHECK(sapi_thread_start(TSRMLS_C) == SUCCESS);
    row_request_begin(&worker->log);
    ROW_CHECK(zend_set_memory_limit((size_t)worker->number * 4 * 1024 * 1024));
    volatile bool was_refused = true;
    zend_try {
        for (size_t count = 0; count < 9 * 1024; count++) {
            memset(emalloc(1024), 'x', 1024);
        }
        was_refused = false;
    } zend_end_try();
    worker->was_refused = was_refused;
    gate_pass();
    row_request_end();
    worker_end(worker);
}

static void row_of_limits(void)
{
    row_case("a thread that comes to its memory limit takes no other with it");
    workers_start(limited_body);
    workers_join();
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        row_text("thread", workers[index].was_refused ? workers[index].log.message : "no error");
        ROW_CHECK(workers[index].was_refused == (index < 2));
    }
}

/* ---- contexts, and threads that come and go ---- */

static void row_of_contexts(void)
{
    row_case("an interpreter context has a heap of its own");
    zend_mm_heap *own_heap = zend_mm_get_heap();
    void *own_block = emalloc(100);
    void *context = tsrm_new_interpreter_context();
    ROW_CHECK(context != NULL);
    void *before = tsrm_set_interpreter_context(context);
    ROW_CHECK(zend_mm_get_heap() != own_heap);
    void *block = emalloc(100);
    ROW_CHECK(is_zend_ptr(block) && !is_zend_ptr(own_block));
    (void)tsrm_set_interpreter_context(before);
    tsrm_free_interpreter_context(context);
    ROW_CHECK(zend_mm_get_heap() == own_heap);
    efree(own_block);
}

static void passer_body(void *arg)
{
    size_t *size = arg;
    TSRMLS_FETCH();
    *(char *)emalloc(100000) = 'x';
    *size += zend_memory_usage(0 TSRMLS_CC);
}

static void row_of_churn(void)
{
    size_t size_sum = 0, before = 0;
    row_case("threads that come and go leave nothing behind");
    for (int count = 0; count < CHURN_COUNT; count++) {
        row_thread_join(row_thread_start(passer_body, &size_sum));
        if (count == CHURN_COUNT / 10) {
            before = row_resident_size();
        }
    }
    row_figure("sum of their sizes", size_sum);
    row_figure("threads with an entry", tsrm_thread_count());
    ROW_CHECK(row_resident_size() < before + GROWTH_MAX);
}

void rows_threads(void)
{
    rows_of_workers();
    row_of_remote_frees();
    row_of_limits();
    row_of_contexts();
    row_of_churn();
}

#else

void rows_threads(void)
{
    row_case("threads");
    row_skip("built without ZTS: there is one heap for the one thread");
}

#endif
