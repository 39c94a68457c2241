/* mode_churn: threads begin and end while others run; some say so with ts_free_thread(), some just
 * end, some come back after it, some never touch the heap.
 * Owns        up to CHILD_COUNT short-lived threads per worker.
 * Thread      each worker starts and joins its own.
 * Invariants  I1  a worker leaves when its children have ended
 * Failure     stress_fail(); a thread that the system refuses is passed over.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include "stress/stress.h"

#ifdef ZTS

#include <semaphore.h>
#include <stdlib.h>

enum { CHILD_COUNT = 4, MOST_BLOCKS = 200, MOST_CALLS = 400, STACK_SIZE = 512 * 1024 };

typedef struct child {
    pthread_t thread;
    bool running;
    bool complete;                  /* it had memory for its list of blocks */
    stress_worker worker;
} child;

static void use_heap(stress_worker *worker)
{
    stress_mix_steps(worker, stress_below(&worker->random, MOST_CALLS));
    if (stress_once_in(&worker->random, 3)) {
        stress_check_everything(worker);
        stress_end_request(worker);
        stress_mix_steps(worker, stress_below(&worker->random, MOST_CALLS));
    }
    stress_check_everything(worker);
}

static void live(stress_worker *worker)
{
    size_t limit = worker->run->options->memory_limit;
    if (!stress_expect(worker, ts_resource(0) != NULL, "a thread got no TSRM entry")) {
        return;
    }
    if (limit != SIZE_MAX) {
        stress_expect(worker, zend_set_memory_limit(limit), "a fresh heap is above the limit");
    }
    if (stress_protected(worker, use_heap)) {
        worker->counters.refusal_count++;
        if (!worker->may_fail) {
            stress_fail(worker, "%s", worker->error.message);
        }
    }
    /* The thread's end is the end of these. */
    worker->blocks.count = 0;
    worker->blocks.size = 0;
}

static void *child_main(void *argument)
{
    stress_worker *worker = argument;
    stress_worker_enter(worker);
    size_t dice = stress_below(&worker->random, 8);
    if (dice > 0) {
        live(worker);
    }
    if (dice > 4) {
        ts_free_thread();
    }
    if (dice == 7) {            /* once more, with a new entry and a new heap */
        live(worker);
    }
    worker->counters.thread_count++;
    return NULL;
}

static void join(stress_worker *worker, child *child)
{
    pthread_join(child->thread, NULL);
    child->running = false;
    stress_counters_add(&worker->counters, &child->worker.counters);
    stress_worker_free(&child->worker);
}

static void start(stress_worker *worker, child *child)
{
    pthread_attr_t attributes;
    uint64_t seed = stress_random(&worker->random);
    if (!stress_worker_init_child(&child->worker, worker, seed, MOST_BLOCKS)) {
        return;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    child->running = pthread_create(&child->thread, &attributes, child_main, &child->worker) == 0;
    pthread_attr_destroy(&attributes);
    if (!child->running) {
        stress_worker_free(&child->worker);
    }
}

static bool enter(stress_worker *worker)
{
    child *children = aligned_alloc(alignof(child), CHILD_COUNT * sizeof *children);
    for (int index = 0; children != NULL && index < CHILD_COUNT; index++) {
        children[index].running = false;
    }
    worker->state = children;
    return stress_expect(worker, children != NULL, "no memory for threads");
}

static void leave(stress_worker *worker)
{
    child *children = worker->state;
    for (int index = 0; index < CHILD_COUNT; index++) {
        if (children[index].running) {
            join(worker, &children[index]);
        }
    }
    free(children);
}

static void operate(stress_worker *worker)
{
    child *chosen = (child *)worker->state + stress_below(&worker->random, CHILD_COUNT);
    if (chosen->running) {
        join(worker, chosen);
    } else {
        start(worker, chosen);
    }
    stress_mix_steps(worker, 8);
    stress_expect(worker,
        tsrm_thread_count() <= 1 + (size_t)worker->run->thread_count * (1 + CHILD_COUNT),
        "TSRM has more entries than there are threads");
}

/* ---- as many threads at once as there can be ---- */

typedef struct crowd {
    sem_t arrived, leave;
} crowd;

static void *crowd_main(void *argument)
{
    crowd *crowd = argument;
    if (ts_resource(0) != NULL) {
        efree(emalloc(1));
    }
    sem_post(&crowd->arrived);
    while (sem_wait(&crowd->leave) != 0) {      /* a signal */
    }
    ts_free_thread();
    return NULL;
}

/* Entries and heap structs are recycled and never unmapped. Most of them come here, so that the
 * resident size after a run does not depend on how many threads once happened to live together. */
static bool begin(stress_run *run)
{
    crowd crowd;
    size_t most = (size_t)run->thread_count * (1 + CHILD_COUNT), count = 0;
    pthread_t *threads = calloc(most, sizeof *threads);
    pthread_attr_t attributes;
    if (threads == NULL) {
        return false;
    }
    sem_init(&crowd.arrived, 0, 0);
    sem_init(&crowd.leave, 0, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    while (count < most && pthread_create(&threads[count], &attributes, crowd_main, &crowd) == 0) {
        count++;
    }
    pthread_attr_destroy(&attributes);
    for (size_t index = 0; index < count; index++) {
        while (sem_wait(&crowd.arrived) != 0) {
        }
    }
    for (size_t index = 0; index < count; index++) {
        sem_post(&crowd.leave);
    }
    for (size_t index = 0; index < count; index++) {
        pthread_join(threads[index], NULL);
    }
    free(threads);
    return true;
}

static void end(stress_run *run)
{
    if (tsrm_thread_count() != 1) {
        stress_fail(&run->workers[0], "all threads have ended, TSRM has %zu entries",
            tsrm_thread_count());
    }
}

#else

static bool enter(stress_worker *worker)
{
    return stress_expect(worker, false, "without ZTS there are no threads");
}

static void leave(stress_worker *worker)
{
    (void)worker;
}

static void operate(stress_worker *worker)
{
    (void)worker;
}

static bool begin(stress_run *run)
{
    (void)run;
    return true;
}

static void end(stress_run *run)
{
    (void)run;
}

#endif

const stress_mode stress_mode_churn = {
    .name = "churn",
    .summary = "threads begin and end while others run",
    .need = STRESS_NEEDS_ZTS,
    .begin = begin,
    .end = end,
    .enter = enter,
    .leave = leave,
    .operate = operate,
};
