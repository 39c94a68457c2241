/* worker: the requests of one thread.
 * Owns        a cli_worker while its thread runs.
 * Thread      the worker itself; init and free: main thread.
 * Invariants  I1  each request is started and ended once, whatever happens in it
 *             I2  a request that hit its limit does not keep the next from running
 * Failure     noted in `status`, with a line on stderr.
 * Tests       tests/cli/run.sh, tests/cli/limit.sh */
#include "config.h"

#include "cli.h"

#include <stdlib.h>
#include <string.h>

size_t cli_job_request_count(const cli_job *job)
{
    size_t sum = 0;
    for (size_t index = 0; index < job->program_count; index++) {
        size_t count = job->engine->request_count(job->programs[index]);
        if (__builtin_mul_overflow(count, job->repeat_count, &count)
            || __builtin_add_overflow(sum, count, &sum)) {
            return SIZE_MAX;
        }
    }
    return sum;
}

bool cli_worker_init(cli_worker *worker, const cli_job *job, unsigned int index)
{
    memset(worker, 0, sizeof(*worker));
    size_t capacity = cli_job_request_count(job);
    if (capacity > CLI_RESET_SAMPLES_MAX) {
        capacity = CLI_RESET_SAMPLES_MAX;
    }
    worker->job = job;
    worker->index = index;
    cli_request_init(worker);
    worker->reset_sample_capacity = capacity;
    worker->reset_samples = calloc(capacity, sizeof(*worker->reset_samples));
    return worker->reset_samples != NULL;
}

void cli_worker_free(cli_worker *worker)
{
    free(worker->reset_samples);
    worker->reset_samples = NULL;
}

/* A request that failed does not hide a worse one: 255 stands above 70 and 71. */
static void note_status(cli_worker *worker, int status)
{
    if (status > worker->status) {
        worker->status = status;
    }
}

/* A run that was left by zend_bailout() has been reported already. */
static engine_result run_protected(cli_worker *worker, void *runner, size_t request_index TSRMLS_DC)
{
    volatile engine_result result = ENGINE_NO_MEMORY;
    zend_try {
        result = worker->job->engine->run(runner, request_index, &worker->request);
    } zend_catch {
        SG(unclean_shutdown) = true;
    } zend_end_try();
    return result;
}

/* The exit status for a run that was not left by zend_bailout(). */
static int status_of(engine_result result, int exit_status)
{
    switch (result) {
    case ENGINE_DONE:
        return exit_status;
    case ENGINE_NO_FILE:
        return CLI_EXIT_FILE;
    case ENGINE_CORRUPT:
        return CLI_EXIT_SOFTWARE;
    case ENGINE_FAILED:
    case ENGINE_STOPPED:
    case ENGINE_NO_MEMORY:
        break;
    }
    return CLI_EXIT_FATAL;
}

static void note_result(cli_worker *worker, const void *runner, engine_result result TSRMLS_DC)
{
    const sapi_engine *engine = worker->job->engine;
    if (SG(unclean_shutdown)) {
        note_status(worker, SG(exit_status));
        return;
    }
    if (result != ENGINE_DONE) {
        sapi_report(SAPI_LOG_ERROR, "%s", engine->runner_error(runner));
    }
    note_status(worker, status_of(result, engine->exit_status(runner)));
}

static void end_protected(const sapi_engine *engine, void *runner TSRMLS_DC)
{
    SG(heap_is_kept) = false;
    zend_try {
        SG(heap_is_kept) = engine->end_request(runner);
    } zend_catch {
        SG(unclean_shutdown) = true;
    } zend_end_try();
}

static void add_request(cli_worker *worker, uint64_t run_duration TSRMLS_DC)
{
    uint64_t number = atomic_load_explicit(&worker->request_count, memory_order_relaxed);
    worker->reset_samples[number % worker->reset_sample_capacity] = SG(reset_duration);
    worker->duration += run_duration + SG(reset_duration);
    worker->growth += SG(heap_is_kept) ? SG(heap_growth) : 0;
    atomic_store_explicit(&worker->request_count, number + 1, memory_order_relaxed);
}

/* false: this worker stops. */
static bool run_request(cli_worker *worker, void *runner, size_t request_index TSRMLS_DC)
{
    const sapi_engine *engine = worker->job->engine;
    if (php_request_startup(TSRMLS_C) == FAILURE) {
        note_status(worker, CLI_EXIT_SYSTEM);
        return false;
    }
    uint64_t begin = cli_now();
    engine_result result = run_protected(worker, runner, request_index TSRMLS_CC);
    uint64_t run_duration = cli_now() - begin;
    worker->operation_count += engine->operation_count(runner);
    note_result(worker, runner, result TSRMLS_CC);
    end_protected(engine, runner TSRMLS_CC);
    php_request_shutdown(TSRMLS_C);
    add_request(worker, run_duration TSRMLS_CC);
    return result != ENGINE_CORRUPT;
}

/* false: this worker stops. */
static bool run_program(cli_worker *worker, const void *program TSRMLS_DC)
{
    const cli_job *job = worker->job;
    size_t request_count = job->engine->request_count(program);
    void *runner = job->engine->runner_new(program, job->flags);
    if (runner == NULL) {
        sapi_report(SAPI_LOG_ERROR, "no memory for the table of blocks");
        note_status(worker, CLI_EXIT_SYSTEM);
        return false;
    }
    bool go_on = true;
    for (size_t turn = 0; go_on && turn < job->repeat_count; turn++) {
        for (size_t index = 0; go_on && index < request_count; index++) {
            go_on = run_request(worker, runner, index TSRMLS_CC);
        }
    }
    job->engine->runner_free(runner);
    return go_on;
}

void cli_worker_run(cli_worker *worker TSRMLS_DC)
{
    const cli_job *job = worker->job;
    cli_startup_tree_serving(true);
    for (size_t index = 0; index < job->program_count; index++) {
        zend_mm_set_script_name(job->files != NULL ? job->files[index] : job->script);
        if (!run_program(worker, job->programs[index] TSRMLS_CC)) {
            break;
        }
    }
    cli_startup_tree_serving(false);
    worker->statistics = *cli_statistics_get(TSRMLS_C);
    zend_mm_heap_statistics heap;
    if (zend_mm_heap_stats(NULL, &heap)) {
        worker->remote_free_count = heap.remote_free_count;
    }
}
