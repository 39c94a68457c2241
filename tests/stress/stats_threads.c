/* Threads work, meet their limit, end requests, end and start anew, free each other's blocks; one looks
 * at all heaps meanwhile. What it reads of a heap was true of it at one moment.
 *     stats_threads [requests per thread [seed]]
 *
 * Owns        nothing shared but what the workers post.
 * Thread      workers use their heaps; main reads until all have ended.
 * Failure     a CHECK.
 * Tests       alloc/process_stats.c, alloc/heap_registry.c */
#include "config.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

#ifdef ZTS

#include "stress/random.h"
#include "tests/unit/tsrm_support.h"

#define MIB ((size_t)1024 * 1024)

enum {
    THREAD_COUNT = 6,
    BLOCK_COUNT = 100,
    REQUESTS_PER_LIFE = 8,      /* then the thread's heap ends, and another begins */
    HEAP_MAX = THREAD_COUNT + 8,
};

/* Even multiples of these are nobody's limit: one that was read half is seen. */
static const size_t limits[] = { 8 * MIB, 24 * MIB };

typedef struct worker {
    pthread_t thread;
    uint64_t random;
    int request_count;
    _Atomic(void *) posted;     /* atomic: a block that others may free; TAKEN while one does; or NULL */
} worker;

static char taken;
#define TAKEN ((void *)&taken)

static worker workers[THREAD_COUNT];
static atomic_int ended_count;
/* atomic: relaxed, counted by all threads, read after their end. */
static atomic_uint remote_count, error_count;

static void hear(zend_mm_error_kind kind, const char *message)
{
    (void)kind, (void)message;
    atomic_fetch_add_explicit(&error_count, 1, memory_order_relaxed);
}

/* ---- workers ---- */

/* Free what another thread has posted, if there is something. */
static void free_posted(worker *other)
{
    void *block = atomic_load(&other->posted);
    if (block != NULL && block != TAKEN
            && atomic_compare_exchange_strong(&other->posted, &block, TAKEN)) {
        efree(block);
        atomic_store(&other->posted, NULL);
        atomic_fetch_add_explicit(&remote_count, 1, memory_order_relaxed);
    }
}

/* A block may not outlive its owner's request: nobody frees it from here on. */
static void take_back(worker *worker)
{
    void *block = atomic_load(&worker->posted);
    if (block != TAKEN && atomic_compare_exchange_strong(&worker->posted, &block, NULL)) {
        efree(block);
        return;
    }
    while (atomic_load(&worker->posted) != NULL) {
        sched_yield();
    }
}

static void request(worker *worker)
{
    (void)zend_set_memory_limit(limits[stress_below(&worker->random, 2)]);
    atomic_store(&worker->posted, emalloc(64));
    for (volatile int number = 0; number < BLOCK_COUNT; number++) {
        static const size_t ceilings[] = { 100, 3000, 200000, 3 * MIB };
        size_t size = stress_below(&worker->random, ceilings[stress_below(&worker->random, 4)]) + 1;
        zend_try {
            void *block = emalloc(size);
            memset(block, number, size < 100 ? size : 100);
            if (stress_below(&worker->random, 3) == 0) {
                efree(block);
            }
        } zend_end_try();
        size_t other = stress_below(&worker->random, THREAD_COUNT);
        if (&workers[other] != worker) {
            free_posted(&workers[other]);
        }
    }
    take_back(worker);
    (void)zend_mm_gc(zend_mm_get_heap());
}

static void *worker_body(void *arg)
{
    worker *worker = arg;
    for (int number = 0; number < worker->request_count; number++) {
        if (number % REQUESTS_PER_LIFE == 0) {
            CHECK(ts_resource(0) != NULL);
        }
        request(worker);
        alloc_reset();
        if (number % REQUESTS_PER_LIFE == REQUESTS_PER_LIFE - 1) {
            ts_free_thread();
        }
    }
    ts_free_thread();
    atomic_fetch_add(&ended_count, 1);
    return NULL;
}

/* Publish in turn that nothing is live under the one limit, and that a block is under the other: what
 * comes between the two publications is not published. */
static void *toggling_body(void *arg)
{
    worker *worker = arg;
    CHECK(ts_resource(0) != NULL);
    efree(emalloc(100));
    for (int number = 0; number < worker->request_count; number++) {
        (void)zend_set_memory_limit(limits[0]);
        void *block = emalloc(100);
        (void)zend_set_memory_limit(limits[1]);
        efree(block);
    }
    ts_free_thread();
    atomic_fetch_add(&ended_count, 1);
    return NULL;
}

/* ---- who looks on ---- */

static bool is_sound(const zend_mm_process_heap *heap)
{
    bool is_idle = heap->state == ZEND_MM_HEAP_IDLE;
    return CHECK(heap->size <= heap->real_size)
        && CHECK(heap->size <= heap->peak)
        && CHECK(heap->real_size <= heap->real_peak)
        && CHECK(heap->cached_size < heap->real_size)
        && CHECK(heap->real_size % 4096 == 0 && heap->real_size >= 2 * MIB)
        && CHECK(heap->state == ZEND_MM_HEAP_REPORTING || is_idle == (heap->size == 0))
        && CHECK(heap->limit == SIZE_MAX || heap->limit == limits[0] || heap->limit == limits[1])
        && CHECK(heap->reset_count <= REQUESTS_PER_LIFE)
        && CHECK(heap->thread != 0);
}

static void look_at_requests(void)
{
    zend_mm_process_heap heaps[HEAP_MAX];
    zend_mm_process_statistics process;
    size_t count = zend_mm_process_stats(&process, heaps, HEAP_MAX);
    CHECK(count >= 1 && count <= THREAD_COUNT + 1 && count == process.heap_count);
    for (size_t number = 0; number < count; number++) {
        CHECK(number == 0 || heaps[number].heap_index > heaps[number - 1].heap_index);
        if (!is_sound(&heaps[number])) {
            return;
        }
    }
}

static void look_at_toggling(void)
{
    zend_mm_process_heap heaps[HEAP_MAX];
    size_t count = zend_mm_process_stats(NULL, heaps, HEAP_MAX);
    for (size_t number = 0; number < count; number++) {
        const zend_mm_process_heap *heap = &heaps[number];
        CHECK(heap->limit == SIZE_MAX || (heap->size != 0) == (heap->limit == limits[1]));
        CHECK((heap->state == ZEND_MM_HEAP_IN_REQUEST) == (heap->size != 0));
    }
}

/* Nobody works: the parts are the whole, to the byte. */
static void check_sum(void)
{
    zend_mm_process_heap heaps[HEAP_MAX];
    zend_mm_process_statistics process;
    size_t count = zend_mm_process_stats(&process, heaps, HEAP_MAX), sum = process.pooled_size;
    for (size_t number = 0; number < count; number++) {
        sum += heaps[number].real_size;
    }
    CHECK(count == 1);
    CHECK(sum == process.usage);
}

/* Start the workers, and look until the last of them has ended. */
static void run(void *(*body)(void *), size_t worker_count, int request_count, void (*look)(void))
{
    unsigned int look_count = 0;
    atomic_store(&ended_count, 0);
    for (size_t index = 0; index < worker_count; index++) {
        workers[index].request_count = request_count;
        workers[index].thread = thread_run(body, &workers[index]);
    }
    while (atomic_load(&ended_count) < (int)worker_count) {
        look();
        look_count++;
    }
    for (size_t index = 0; index < worker_count; index++) {
        thread_result(workers[index].thread);
    }
    printf("    %u looks\n", look_count);
    CHECK(look_count > 0);
}

int main(int argc, char **argv)
{
    int request_count = argc > 1 ? atoi(argv[1]) : 120;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20261129;
    alloc_begin();
    zend_mm_set_error_callback(hear);
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        workers[index].random = seed + index;
    }
    CHECK_CASE("what is read of a heap that runs was true of it at one moment");
    run(worker_body, THREAD_COUNT, request_count, look_at_requests);
    printf("    %u errors, %u remote frees\n", error_count, remote_count);
    CHECK_CASE("the threads met their limits and freed each other's blocks meanwhile");
    CHECK(error_count > 0);
    CHECK(remote_count > 0);
    CHECK_CASE("of two publications no mixture is read");
    run(toggling_body, 1, request_count * 20000, look_at_toggling);
    CHECK_CASE("when the threads are gone the heaps and the pool are all that is held");
    check_sum();
    CHECK(alloc_end() == 0);
    return check_summary();
}

#else

int main(void)
{
    CHECK_CASE("one thread reads the statistics of the heaps of others");
    CHECK_SKIP("built without ZTS: there is one heap");
    return check_summary();
}

#endif
