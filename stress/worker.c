/* worker: one thread's operations in a mode, and what happens when something is wrong.
 * Owns        the process's error callback and its handlers of fatal signals.
 * Thread      each worker its own; stress_fail: any.
 * Invariants  I1  the line that repeats a fault is printed before anything else can go wrong
 * Failure     stress_fail(); the first fault ends the run.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress/stress.h"

#if STRESS_SANITIZED
/* Both sanitizers tell before they end the process. */
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

static _Thread_local stress_worker *current;

void stress_worker_enter(stress_worker *worker)
{
    current = worker;
}

stress_worker *stress_worker_current(void)
{
    return current;
}

/* ---- faults ---- */

static size_t format_position(char *text, size_t size, const stress_worker *worker)
{
    const stress_run *run = worker->run;
    uint64_t operation = atomic_load_explicit(&worker->operation, memory_order_relaxed);
    int length = snprintf(text, size,
        "reproduce with: tsrmalloc-stress --seed %" PRIu64 " --threads %u --mode %s --stop-at %"
        PRIu64 "\n", run->seed, run->thread_count, run->mode->name, operation);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

void stress_fail(stress_worker *worker, const char *what, ...)
{
    char text[512], position[256];
    stress_run *run = worker->run;
    if (atomic_fetch_add_explicit(&run->fault_count, 1, memory_order_relaxed) == 0) {
        va_list arguments;
        va_start(arguments, what);
        vsnprintf(text, sizeof text, what, arguments);
        va_end(arguments);
        format_position(position, sizeof position, worker);
        fprintf(stderr, "tsrmalloc-stress: mode %s, worker %u, operation %" PRIu64 ": %s\n%s",
            run->mode->name, worker->index,
            atomic_load_explicit(&worker->operation, memory_order_relaxed), text, position);
        fflush(stderr);
    }
}

bool stress_expect(stress_worker *worker, bool holds, const char *what)
{
    if (!holds) {
        stress_fail(worker, "%s", what);
    }
    return holds;
}

bool stress_stops(const stress_worker *worker)
{
    const stress_run *run = worker->run;
    return atomic_load_explicit(&run->stopping, memory_order_relaxed)
        || atomic_load_explicit(&run->fault_count, memory_order_relaxed) != 0;
}

/* ---- what ends the process ---- */

static void print_dying_position(void)
{
    char position[256];
    if (current != NULL) {
        size_t length = format_position(position, sizeof position, current);
        /* Nothing can be done when stderr is closed. */
        if (write(STDERR_FILENO, position, length) < 0) {
            return;
        }
    }
}

static void on_fatal_signal(int number)
{
    print_dying_position();
    /* SA_RESETHAND: now it ends the process. */
    raise(number);
}

static void handle(int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_fatal_signal;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(number, &action, NULL);
}

static void on_heap_error(zend_mm_error_kind kind, const char *message)
{
    stress_worker *worker = current;
    if (worker == NULL) {
        fprintf(stderr, "tsrmalloc-stress: %s\n", message);
        return;
    }
    worker->error.count++;
    worker->error.kind = kind;
    snprintf(worker->error.message, sizeof worker->error.message, "%s", message);
    if (worker->on_error != NULL) {
        worker->on_error(worker);
    }
}

void stress_worker_begin_process(void)
{
    handle(SIGABRT);
#if STRESS_SANITIZED
    __sanitizer_set_death_callback(print_dying_position);
#else
    handle(SIGSEGV);
    handle(SIGBUS);
    handle(SIGFPE);
    handle(SIGILL);
#endif
    zend_mm_set_error_callback(on_heap_error);
}

/* ---- life ---- */

bool stress_worker_init(stress_worker *worker, stress_run *run, unsigned int index)
{
    const size_t mib = 1024 * 1024;
    size_t share = 512 * mib / run->thread_count;
    memset(worker, 0, sizeof *worker);
    worker->run = run;
    worker->index = index;
    worker->random = stress_mix_bits(run->seed ^ stress_mix_bits(index + 1));
    worker->may_fail = run->mode->may_fail || run->options->memory_limit != SIZE_MAX;
    worker->counts_blocks = true;
    worker->fresh_size = run->fresh_size;
    worker->grow_chance = 60;
    worker->profile = (stress_profile){
        .count_max = 3000,
        .live_max = share < 6 * mib ? 6 * mib : share > 24 * mib ? 24 * mib : share,
        .size_max = 8 * mib,
        .huge_share = 3,
    };
    return stress_blocks_init(&worker->blocks, 4096);
}

bool stress_worker_init_child(stress_worker *worker, const stress_worker *parent, uint64_t seed,
    size_t count_max)
{
    memset(worker, 0, sizeof *worker);
    worker->run = parent->run;
    worker->index = parent->index;
    worker->operation = atomic_load_explicit(&parent->operation, memory_order_relaxed);
    worker->random = seed;
    worker->may_fail = parent->may_fail;
    worker->counts_blocks = true;
    worker->fresh_size = parent->fresh_size;
    worker->grow_chance = 65;
    worker->profile = parent->profile;
    worker->profile.count_max = count_max;
    worker->profile.live_max = parent->profile.live_max / 4;
    worker->profile.huge_share = 0;
    return stress_blocks_init(&worker->blocks, count_max + 16);
}

void stress_worker_free(stress_worker *worker)
{
    stress_blocks_end(&worker->blocks);
}

void stress_counters_add(stress_counters *sum, const stress_counters *more)
{
    sum->operation_count += more->operation_count;
    sum->allocation_count += more->allocation_count;
    sum->request_count += more->request_count;
    sum->thread_count += more->thread_count;
    sum->refusal_count += more->refusal_count;
    sum->remote_count += more->remote_count;
    sum->child_count += more->child_count;
}

void stress_end_request(stress_worker *worker)
{
    stress_reset_heap();
    worker->counters.request_count++;
    worker->blocks.count = 0;
    worker->blocks.size = 0;
    if (worker->run->exact) {
        stress_expect(worker, stress_usage(0) == 0, "after a reset the heap's size is not 0");
        stress_expect(worker, stress_usage(1) == worker->fresh_size,
            "after a reset the real size is not that of a fresh heap");
    }
}

bool stress_protected(stress_worker *worker, void (*body)(stress_worker *worker))
{
    volatile bool bailed_out = false;
    worker->error.count = 0;
    zend_try {
        body(worker);
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    return bailed_out;
}

/* An operation was left by zend_bailout(): all is as before the call that failed. */
static void bailed_out(stress_worker *worker)
{
    worker->counters.refusal_count++;
    if (worker->error.count == 0) {
        stress_fail(worker, "a bailout came without an error");
    } else if (!worker->may_fail) {
        stress_fail(worker, "%s", worker->error.message);
    }
    stress_check_everything(worker);
    while (worker->blocks.count > worker->profile.count_max / 2) {
        stress_mix_free(worker, worker->blocks.count - 1);
    }
}

static void operations(stress_worker *worker)
{
    const stress_run *run = worker->run;
    uint64_t done = 0;
    while (!stress_stops(worker)) {
        atomic_store_explicit(&worker->operation, ++done, memory_order_relaxed);
        if (stress_protected(worker, run->mode->operate)) {
            bailed_out(worker);
        }
        if (done == run->stop_at) {
            break;
        }
    }
    worker->counters.operation_count = done;
}

void stress_worker_run(stress_worker *worker)
{
    const stress_mode *mode = worker->run->mode;
    const stress_options *options = worker->run->options;
    stress_worker_enter(worker);
    if (options->memory_limit != SIZE_MAX && !zend_set_memory_limit(options->memory_limit)) {
        stress_fail(worker, "a fresh heap does not fit the limit of %zu bytes",
            options->memory_limit);
    }
    if (mode->enter == NULL || mode->enter(worker)) {
        operations(worker);
        stress_check_everything(worker);
        if (mode->leave != NULL) {
            mode->leave(worker);
        }
        stress_end_request(worker);
    }
    worker->counters.thread_count++;
    stress_worker_enter(NULL);
}
