/* run: one mode on all its threads, with a clock beside them.
 * Owns        the workers, and the clock's thread, which has no heap: a build without ZTS has it too.
 * Thread      main thread.
 * Invariants  I1  every worker that began has ended when stress_run_mode() returns
 * Failure     false, with a line on stderr, when the system refuses memory or a thread. Threads that
 *             do not end are a fault, and end the process.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stress/stress.h"

#define SECOND UINT64_C(1000000000)
/* A worker that has not ended so long after it was told to will not end any more. */
#define END_TIMEOUT ((STRESS_SANITIZED ? 300 : 120) * SECOND)

uint64_t stress_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

void stress_settle_malloc(void)
{
#if defined(__GLIBC__)
    mallopt(M_ARENA_MAX, 1);
#endif
}

static size_t resident_size(void)
{
    unsigned long mapped = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &mapped, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

size_t stress_resident_size(void)
{
    /* A limit that nothing fits empties the pools before it is refused. */
    (void)!zend_mm_set_process_limit(0);
    (void)!zend_mm_set_process_limit(SIZE_MAX);
#if defined(__GLIBC__) && !TSRMALLOC_SANITIZE_ADDRESS && !TSRMALLOC_SANITIZE_THREAD
    malloc_trim(0);
#endif
    return resident_size();
}

/* ---- the clock ---- */

typedef struct clock_thread {
    pthread_t thread;
    stress_run *run;
    uint64_t started;
    bool on_terminal;
    bool drawn;                 /* clock only */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ended;                 /* lock: mutex; all workers are joined */
} clock_thread;

static void draw(clock_thread *clock, uint64_t now)
{
    const stress_run *run = clock->run;
    double seconds = (double)(now - clock->started) / (double)SECOND;
    uint64_t operations = 0;
    size_t live = 0;
    for (unsigned int index = 0; index < run->thread_count; index++) {
        operations += atomic_load_explicit(&run->workers[index].operation, memory_order_relaxed);
        live += atomic_load_explicit(&run->workers[index].live_size, memory_order_relaxed);
    }
    fprintf(stderr, "\r\033[K%-10s %4.0f s  %9.0f operations/s  RSS %6.1f MiB  live %6.1f MiB  "
        "errors %u", run->mode->name, seconds, (double)operations / seconds,
        (double)resident_size() / 1048576, (double)live / 1048576,
        atomic_load_explicit(&run->fault_count, memory_order_relaxed));
    fflush(stderr);
    clock->drawn = true;
}

static void give_up(const clock_thread *clock)
{
    const stress_run *run = clock->run;
    uint64_t last = 0;
    for (unsigned int index = 0; index < run->thread_count; index++) {
        uint64_t done = atomic_load_explicit(&run->workers[index].operation, memory_order_relaxed);
        last = done > last ? done : last;
    }
    fprintf(stderr, "tsrmalloc-stress: mode %s: threads do not end\nreproduce with: "
        "tsrmalloc-stress --seed %" PRIu64 " --threads %u --mode %s --stop-at %" PRIu64 "\n",
        run->mode->name, run->seed, run->thread_count, run->mode->name, last);
    _exit(STRESS_EXIT_FAULT);
}

/* When the clock has something to do next; 0: never. */
static uint64_t next_event(const clock_thread *clock, uint64_t second)
{
    const stress_run *run = clock->run;
    uint64_t event = clock->on_terminal ? second : 0;
    uint64_t deadline = clock->started + run->duration;
    if (run->stop_at == 0 && !atomic_load_explicit(&run->stopping, memory_order_relaxed)
            && (event == 0 || deadline < event)) {
        event = deadline;
    }
    uint64_t last = deadline + END_TIMEOUT;
    return event == 0 && run->stop_at == 0 ? last : event;
}

static void look(clock_thread *clock, uint64_t *second)
{
    stress_run *run = clock->run;
    uint64_t now = stress_now();
    if (run->stop_at == 0 && now >= clock->started + run->duration) {
        atomic_store_explicit(&run->stopping, true, memory_order_relaxed);
        if (now >= clock->started + run->duration + END_TIMEOUT) {
            give_up(clock);
        }
    }
    if (clock->on_terminal && now >= *second) {
        draw(clock, now);
        *second = now + SECOND;
    }
}

static void *clock_main(void *argument)
{
    clock_thread *clock = argument;
    uint64_t second = clock->started + SECOND;
    pthread_mutex_lock(&clock->mutex);
    while (!clock->ended) {
        uint64_t event = next_event(clock, second);
        if (event == 0) {
            pthread_cond_wait(&clock->changed, &clock->mutex);
        } else {
            struct timespec until = { (time_t)(event / SECOND), (long)(event % SECOND) };
            pthread_cond_timedwait(&clock->changed, &clock->mutex, &until);
        }
        look(clock, &second);
    }
    pthread_mutex_unlock(&clock->mutex);
    if (clock->drawn) {
        fputs("\r\033[K", stderr);
    }
    return NULL;
}

static bool clock_start(clock_thread *clock, stress_run *run)
{
    pthread_condattr_t attributes;
    *clock = (clock_thread){ .run = run, .started = stress_now(),
        .on_terminal = isatty(STDERR_FILENO) != 0 };
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&clock->mutex, NULL);
    pthread_cond_init(&clock->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return pthread_create(&clock->thread, NULL, clock_main, clock) == 0;
}

static void clock_stop(clock_thread *clock)
{
    pthread_mutex_lock(&clock->mutex);
    clock->ended = true;
    pthread_cond_signal(&clock->changed);
    pthread_mutex_unlock(&clock->mutex);
    pthread_join(clock->thread, NULL);
    pthread_cond_destroy(&clock->changed);
    pthread_mutex_destroy(&clock->mutex);
}

/* ---- the workers ---- */

#ifdef ZTS
static void *worker_main(void *argument)
{
    stress_worker *worker = argument;
    if (stress_expect(worker, ts_resource(0) != NULL, "a thread got no TSRM entry")) {
        stress_worker_run(worker);
    }
    ts_free_thread();
    return NULL;
}

/* false: the system has no more threads. */
static bool run_workers(stress_run *run)
{
    pthread_t threads[STRESS_THREADS_MAX];
    unsigned int started = 0;
    while (started < run->thread_count && pthread_create(&threads[started], NULL, worker_main,
            &run->workers[started]) == 0) {
        started++;
    }
    bool complete = started == run->thread_count;
    if (!complete) {    /* those that run must not wait for those that do not */
        atomic_fetch_add_explicit(&run->fault_count, 1, memory_order_relaxed);
    }
    for (unsigned int index = 0; index < started; index++) {
        pthread_join(threads[index], NULL);
    }
    return complete;
}
#else
static bool run_workers(stress_run *run)
{
    stress_worker_run(&run->workers[0]);
    return true;
}
#endif

static bool make_workers(stress_run *run)
{
    size_t size = run->thread_count * sizeof *run->workers;
    run->workers = aligned_alloc(alignof(stress_worker), size);
    if (run->workers == NULL) {
        return false;
    }
    memset(run->workers, 0, size);
    for (unsigned int index = 0; index < run->thread_count; index++) {
        if (!stress_worker_init(&run->workers[index], run, index)) {
            return false;
        }
    }
    return true;
}

static void free_workers(stress_run *run)
{
    for (unsigned int index = 0; run->workers != NULL && index < run->thread_count; index++) {
        stress_worker_free(&run->workers[index]);
    }
    free(run->workers);
}

/* Does this heap count in sizes of blocks? Debugging modes add to blocks, or pass calls on. */
static void look_at_heap(stress_run *run)
{
    size_t before = stress_usage(0);
    void *block = emalloc(100);
    run->exact = stress_usage(0) - before == zend_mem_block_size(block)
        && zend_mem_block_size(block) == 112;
    efree(block);
    run->page_size = (size_t)sysconf(_SC_PAGESIZE);
    stress_reset_heap();
    run->fresh_size = stress_usage(1);
}

static void fill_result(const stress_run *run, uint64_t duration, stress_result *result)
{
    *result = (stress_result){ .mode = run->mode, .duration = duration };
    for (unsigned int index = 0; index < run->thread_count; index++) {
        stress_counters_add(&result->counters, &run->workers[index].counters);
    }
}

bool stress_run_mode(const stress_options *options, const stress_mode *mode, uint64_t seed,
    uint64_t duration, stress_result *result)
{
    stress_run run = { .options = options, .mode = mode, .seed = seed, .duration = duration,
        .stop_at = options->stop_at, .thread_count = options->thread_count };
    clock_thread clock;
    bool done = false;
    look_at_heap(&run);
    if (!make_workers(&run) || (mode->begin != NULL && !mode->begin(&run))) {
        fprintf(stderr, "tsrmalloc-stress: mode %s cannot begin\n", mode->name);
        goto free_workers;
    }
    if (!clock_start(&clock, &run)) {
        fputs("tsrmalloc-stress: no thread for the clock\n", stderr);
        goto end_mode;
    }
    done = run_workers(&run);
    clock_stop(&clock);
    fill_result(&run, stress_now() - clock.started, result);
    if (!done) {
        fprintf(stderr, "tsrmalloc-stress: mode %s: the system refuses a thread\n", mode->name);
    }
end_mode:
    if (mode->end != NULL) {
        mode->end(&run);
    }
free_workers:
    free_workers(&run);
    result->fault_count = atomic_load_explicit(&run.fault_count, memory_order_relaxed);
    result->resident_size = stress_resident_size();
    return done;
}
