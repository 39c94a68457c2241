/* fork: a child of a process with threads goes on with its heap; the parent does not notice.
 *
 * Owns        the worker threads of the parent, which allocate while it forks.
 * Thread      main forks; in some cases a worker does.
 * Invariants  the child has one thread, and its heap as it was.
 * Failure     a CHECK; in the child: its exit status is the line that failed, modulo 200, plus 1.
 * Tests       alloc/segment_pool.c, alloc/globals.c */
#include "config.h"

#include <stdatomic.h>
#include <string.h>

#include "alloc/heap.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"
#include "tests/support/child.h"

#define CHILD_CHECK(condition) \
    if (!(condition)) { \
        fprintf(stderr, "in the child: failed: %s\n", #condition); \
        return __LINE__ % 200 + 1; \
    }

enum { WORKER_COUNT = 4, WORKER_BLOCK_COUNT = 50, FORK_COUNT = 20, SEGMENTS = 5 };

static bool ended_well(const child_end *end)
{
    if (end->exit_status != 0) {
        printf("child: exit status %d, signal %d, stderr:\n%s\n", end->exit_status, end->signal,
            end->output);
    }
    return end->exit_status == 0;
}

static bool is_valid(void)
{
    const char *what;
    if (zend_mm_heap_is_valid(zend_mm_get_heap(), &what)) {
        return true;
    }
    fprintf(stderr, "%s\n", what);
    return false;
}

/* Several segments, small and huge blocks; then the end of the request. */
static int use_heap(void)
{
    void *blocks[SEGMENTS];
    for (int round = 0; round < 3; round++) {
        for (int index = 0; index < SEGMENTS; index++) {
            blocks[index] = emalloc(ZEND_MM_SEGMENT_SIZE / 2 + 4096);
            memset(blocks[index], index, 4096);
            efree(emalloc(100));
        }
        void *huge = emalloc(3 * ZEND_MM_SEGMENT_SIZE);
        memset(huge, 1, 4096);
        CHILD_CHECK(is_valid());
        efree(blocks[0]);
        efree(huge);
        alloc_reset();
        CHILD_CHECK(alloc_usage(0) == 0);
        CHILD_CHECK(is_valid());
    }
    return 0;
}

static int keep_and_use(void *arg)
{
    char *kept = arg;
    CHILD_CHECK(strcmp(kept, "of the parent") == 0);
    efree(kept);
    return use_heap();
}

static void child_uses_its_copy(void)
{
    CHECK_CASE("a child frees the parent's block and ends requests; the parent keeps all");
    char *kept = estrdup("of the parent");
    size_t size = alloc_usage(0);
    child_end end = child_run(keep_and_use, kept);
    CHECK(ended_well(&end));
    CHECK(strcmp(kept, "of the parent") == 0);
    CHECK(alloc_usage(0) == size);
    CHECK(is_valid());
    efree(kept);
}

#ifdef ZTS

#include "tests/unit/tsrm_support.h"

typedef struct worker {
    pthread_t thread;
    void *blocks[WORKER_BLOCK_COUNT];   /* live; freed by the child, and by the parent's main */
} worker;

static worker workers[WORKER_COUNT];
static struct gate ready = GATE_INIT, finish = GATE_INIT;
static atomic_bool stop;

/* Takes segments from the pool and gives them back all the time, while the parent forks. */
static void *churn_body(void *arg)
{
    zend_mm_heap *own = zend_mm_get_heap();
    CHECK(own != NULL);
    gate_rise(&ready);
    while (!stop) {
        CHECK(use_heap() == 0);
    }
    return arg;
}

/* Waits with live blocks: they are still there in the child, and their owner is not. */
static void *waiting_body(void *arg)
{
    static const size_t sizes[] = { 8, 100, 3000, 20000, 3000000 };
    worker *worker = arg;
    for (int index = 0; index < WORKER_BLOCK_COUNT; index++) {
        worker->blocks[index] = emalloc(sizes[index % 5]);
    }
    gate_rise(&ready);
    gate_pass(&finish, 1);
    (void)zend_mm_gc(zend_mm_get_heap());
    CHECK(alloc_usage(0) == 0);
    CHECK(is_valid());
    return NULL;
}

static void start_workers(void *(*body)(void *))
{
    ready.stage = finish.stage = 0;
    stop = false;
    for (int index = 0; index < WORKER_COUNT; index++) {
        workers[index].thread = thread_run(body, &workers[index]);
    }
    gate_pass(&ready, WORKER_COUNT);
}

static void join_workers(void)
{
    stop = true;
    gate_open(&finish, 1);
    for (int index = 0; index < WORKER_COUNT; index++) {
        thread_result(workers[index].thread);
    }
}

static int use_heap_in_child(void *arg)
{
    (void)arg;
    return use_heap();
}

static void forks_while_others_use_the_pool(void)
{
    CHECK_CASE("children forked while other threads use the pool have a pool that works");
    start_workers(churn_body);
    for (int number = 0; number < FORK_COUNT; number++) {
        child_end end = child_run(use_heap_in_child, NULL);
        CHECK(ended_well(&end));
        CHECK(use_heap() == 0);
    }
    join_workers();
    CHECK(tsrm_thread_count() == 1);
}

static void free_blocks_of_others(void)
{
    for (int number = 0; number < WORKER_COUNT; number++) {
        for (int index = 0; index < WORKER_BLOCK_COUNT; index++) {
            efree(workers[number].blocks[index]);
        }
    }
}

static int free_remotely(void *arg)
{
    (void)arg;
    size_t size = alloc_usage(0);
    free_blocks_of_others();
    CHILD_CHECK(alloc_usage(0) == size);
    return use_heap();
}

static void child_frees_blocks_of_gone_threads(void)
{
    CHECK_CASE("a child frees blocks of threads it does not have; the parent's are as before");
    start_workers(waiting_body);
    child_end end = child_run(free_remotely, NULL);
    CHECK(ended_well(&end));
    free_blocks_of_others();
    join_workers();
}

static void *thread_of_child(void *arg)
{
    (void)arg;
    int line = use_heap();
    return (void *)(intptr_t)line;
}

static int start_threads(void *arg)
{
    pthread_t threads[WORKER_COUNT];
    (void)arg;
    zend_mm_heap *own = zend_mm_get_heap();
    for (int index = 0; index < WORKER_COUNT; index++) {
        threads[index] = thread_run(thread_of_child, NULL);
    }
    for (int index = 0; index < WORKER_COUNT; index++) {
        CHILD_CHECK(thread_result(threads[index]) == NULL);
    }
    CHILD_CHECK(zend_mm_get_heap() == own);
    int line = use_heap();
    CHILD_CHECK(line == 0);
    CHILD_CHECK(tsrm_shutdown() == 0);
    return 0;
}

static void child_starts_threads(void)
{
    CHECK_CASE("a child of a threaded process starts threads of its own and ends cleanly");
    if (TSRMALLOC_SANITIZE_THREAD) {
        CHECK_SKIP("ThreadSanitizer knows no threads of a child");
        return;
    }
    start_workers(churn_body);
    for (int number = 0; number < FORK_COUNT; number++) {
        child_end end = child_run(start_threads, NULL);
        CHECK(ended_well(&end));
    }
    join_workers();
}

/* A worker forks: its heap is the one that lives on. */
static void *forking_body(void *arg)
{
    (void)arg;
    char *kept = estrdup("of the parent");
    child_end end = child_run(keep_and_use, kept);
    CHECK(ended_well(&end));
    CHECK(strcmp(kept, "of the parent") == 0);
    efree(kept);
    CHECK(alloc_usage(0) == 0);
    ts_free_thread();
    return NULL;
}

static void a_worker_forks(void)
{
    CHECK_CASE("a child forked by a worker thread goes on with that thread's heap");
    for (int number = 0; number < FORK_COUNT / 4; number++) {
        thread_result(thread_run(forking_body, NULL));
    }
    CHECK(tsrm_thread_count() == 1);
}

static void test_threads(void)
{
    forks_while_others_use_the_pool();
    child_frees_blocks_of_gone_threads();
    child_starts_threads();
    a_worker_forks();
}

#else

static void test_threads(void)
{
    CHECK_CASE("children of a process with threads have heaps that work");
    CHECK_SKIP("built without ZTS: there is one thread");
}

#endif

int main(void)
{
    alloc_begin();
    child_uses_its_copy();
    test_threads();
    CHECK_CASE("after all forks the parent ends with nothing left");
    CHECK(alloc_usage(0) == 0);
    CHECK(is_valid());
    CHECK(alloc_end() == 0);
    return check_summary();
}
