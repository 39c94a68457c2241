/* pool_threads: many heaps grow by segments, give them back at request end, and take them again.
 *     pool_threads [requests per thread]
 *
 * Owns        nothing shared but the barriers: the pool under test is the process's.
 * Thread      workers run requests and meet between them; main counts while they wait.
 * Invariants  a segment is in one heap or in the pool; the pool keeps no more than is expected.
 * Failure     a CHECK.
 * Tests       alloc/segment_pool.c, alloc/heap_pages.c, alloc/heap.c */
#include "config.h"

#include <string.h>

#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

#ifdef ZTS

#include "alloc/heap.h"
#include "alloc/segment_pool.h"
#include "stress/random.h"
#include "tests/unit/tsrm_support.h"

enum {
    THREAD_COUNT = 8,
    SEGMENTS_MAX = 12,      /* of one request */
    REQUESTS_PER_ROUND = 10,
    MAPPED_GROWTH_MAX = 64 << 20,
};

#define LARGE_SIZE (ZEND_MM_SEGMENT_SIZE / 2 + 100000)    /* one per segment */

typedef struct worker {
    pthread_t thread;
    uint64_t random;
    int round_count;
    size_t segment_count;   /* of its heap, at the last meeting */
    uint32_t expected_segments;
} worker;

static worker workers[THREAD_COUNT];
static pthread_barrier_t meeting, parting;

/* ---- workers ---- */

/* One request: `count` segments, each marked with who uses it and checked before the end. */
static void request(worker *worker, size_t count)
{
    uint64_t *blocks[SEGMENTS_MAX];
    uint64_t mark = stress_random(&worker->random);
    for (size_t index = 0; index < count; index++) {
        blocks[index] = emalloc(LARGE_SIZE);
        for (size_t offset = 0; offset < LARGE_SIZE / 8; offset += 4096 / 8) {
            blocks[index][offset] = mark + index;
        }
    }
    for (size_t index = 0; index < count; index++) {
        size_t wrong = 0;
        for (size_t offset = 0; offset < LARGE_SIZE / 8; offset += 4096 / 8) {
            wrong += blocks[index][offset] != mark + index;
        }
        CHECK(wrong == 0);
    }
    CHECK(zend_mm_get_heap()->segment_count >= count);
    alloc_reset();
    CHECK(zend_mm_get_heap()->segment_count == 1);
}

static void meet(worker *worker)
{
    worker->segment_count = zend_mm_get_heap()->segment_count;
    worker->expected_segments = zend_mm_get_heap()->expected_segments;
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&parting);
}

static void *worker_body(void *arg)
{
    worker *worker = arg;
    CHECK(ts_resource(0) != NULL);
    for (int round = 0; round < worker->round_count; round++) {
        for (int number = 0; number < REQUESTS_PER_ROUND; number++) {
            request(worker, 1 + stress_below(&worker->random, SEGMENTS_MAX));
        }
        meet(worker);
    }
    if (stress_below(&worker->random, 2) == 0) {
        ts_free_thread();
    }
    return NULL;
}

static void start_workers(int round_count, uint64_t seed)
{
    for (int index = 0; index < THREAD_COUNT; index++) {
        workers[index] = (worker){ .random = seed + (uint64_t)index, .round_count = round_count };
        workers[index].thread = thread_run(worker_body, &workers[index]);
    }
}

static void join_workers(void)
{
    for (int index = 0; index < THREAD_COUNT; index++) {
        thread_result(workers[index].thread);
    }
    CHECK(tsrm_thread_count() == 1);
}

/* ---- counts, while nobody works ---- */

/* Segments of heaps and segments in the pool are all there are, and no more than expected. */
static void check_counts(size_t in_use, int64_t expected)
{
    zend_mm_segment_pool *pool = &zend_mm_mmap_anon_pool;
    int64_t existing = pool->existing;
    CHECK(pool->expected == expected);
    CHECK(existing == (int64_t)in_use + zend_mm_pool_size(pool));
    int64_t most = (expected + ZEND_MM_POOL_FRACTION - 1) / ZEND_MM_POOL_FRACTION + 1;
    if (!CHECK(existing <= most + (int64_t)in_use)) {
        printf("%lld segments exist, %zu in use, %lld/256 expected\n", (long long)existing, in_use,
            (long long)expected);
    }
}

static void check_meeting(void)
{
    size_t in_use = zend_mm_get_heap()->segment_count;
    int64_t expected = zend_mm_get_heap()->expected_segments;
    for (int index = 0; index < THREAD_COUNT; index++) {
        in_use += workers[index].segment_count;
        expected += workers[index].expected_segments;
    }
    check_counts(in_use, expected);
}

static void check_alone(void)
{
    check_counts(zend_mm_get_heap()->segment_count, zend_mm_get_heap()->expected_segments);
}

static void run_round_trip(int round_count, uint64_t seed)
{
    start_workers(round_count, seed);
    for (int round = 0; round < round_count; round++) {
        pthread_barrier_wait(&meeting);
        check_meeting();
        pthread_barrier_wait(&parting);
    }
    join_workers();
}

/* ---- cases ---- */

/* First the one with large requests ends, then the others with theirs, one after the other. */
static void *large_request_body(void *arg)
{
    worker *worker = arg;
    CHECK(ts_resource(0) != NULL);
    request(worker, SEGMENTS_MAX);
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&parting);
    ts_free_thread();
    return NULL;
}

static void threads_end_after_large_requests(void)
{
    CHECK_CASE("when threads that used much have ended, the pool keeps what the rest expects");
    for (int index = 0; index < THREAD_COUNT; index++) {
        workers[index] = (worker){ .random = (uint64_t)index };
        workers[index].thread = thread_run(large_request_body, &workers[index]);
    }
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&parting);
    join_workers();
    check_alone();
}

static void one_heap_shrinks(void)
{
    CHECK_CASE("when a heap's requests become small, the pool keeps less and less");
    worker worker = { .random = 1 };
    request(&worker, SEGMENTS_MAX);
    check_alone();
    for (int number = 0; number < 20; number++) {
        request(&worker, 1);
        check_alone();
    }
    CHECK(zend_mm_mmap_anon_pool.existing <= 4);
}

static void mappings_come_back(int round_count)
{
    size_t before, after, resident;
    CHECK_CASE("many round trips leave the process's mappings as they were");
    alloc_process_size(&before, &resident);
    for (int trip = 0; trip < 10; trip++) {
        run_round_trip(1 + round_count / 10, (uint64_t)trip * 100);
    }
    alloc_process_size(&after, &resident);
    if (TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD) {
        CHECK_SKIP("the sanitizer maps memory of its own");
    } else if (before == 0) {
        CHECK_SKIP("this system does not tell the mapped size");
    } else {
        printf("mapped: %zu bytes, then %zu\n", before, after);
        CHECK(after < before + MAPPED_GROWTH_MAX);
    }
    check_alone();
}

int main(int argc, char **argv)
{
    int round_count = (argc > 1 ? atoi(argv[1]) : 200) / REQUESTS_PER_ROUND;
    unsetenv("ZEND_MM_SEG_SIZE");
    setenv("ZEND_MM_MEM_TYPE", "mmap_anon", 1);
    pthread_barrier_init(&meeting, NULL, THREAD_COUNT + 1);
    pthread_barrier_init(&parting, NULL, THREAD_COUNT + 1);
    alloc_begin();
    CHECK_CASE("threads that grow by segments and reset share a pool that stays within bounds");
    run_round_trip(round_count, 1);
    CHECK_CASE("after all threads have ended, the pool keeps what the one left may need");
    check_alone();
    threads_end_after_large_requests();
    one_heap_shrinks();
    mappings_come_back(round_count);
    CHECK(alloc_end() == 0);
    CHECK_CASE("after the last heap has ended the pool keeps nothing");
    CHECK(zend_mm_mmap_anon_pool.expected == 0);
    CHECK(zend_mm_mmap_anon_pool.existing == 0);
    CHECK(zend_mm_pool_size(&zend_mm_mmap_anon_pool) == 0);
    pthread_barrier_destroy(&meeting);
    pthread_barrier_destroy(&parting);
    return check_summary();
}

#else

int main(void)
{
    CHECK_CASE("threads share a pool of segments");
    CHECK_SKIP("built without ZTS: there is one heap");
    return check_summary();
}

#endif
