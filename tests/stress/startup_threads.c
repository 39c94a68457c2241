/* startup_threads: the start-up flow with N threads: each has a heap of its own, made by its own
 * call of alloc_globals_ctor, on the storage the environment names; whatever way threads end.
 *     startup_threads [threads to start and end]
 *
 * Owns        the environment's USE_ZEND_ALLOC and ZEND_MM_*, the start-up trace.
 * Thread      main starts all others.
 * Invariants  one heap per thread; none is left when its thread is gone.
 * Failure     a CHECK.
 * Tests       alloc/globals.c with tsrm/. */
#include "config.h"

#include <stdatomic.h>
#include <string.h>

#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

#ifdef ZTS

#include "alloc/segment_map.h"
#include "tests/unit/tsrm_support.h"
#include "tsrm/os.h"

enum { THREAD_COUNT = 16, AT_ONCE = 8, RSS_GROWTH_MAX = 8 << 20 };

/* ---- the trace: how often a step ran ---- */

static atomic_int ctor_count;               /* of alloc_globals_ctor, over all threads */
static _Thread_local int own_ctor_count;    /* those that this thread ran */

static void count_step(const tsrm_startup_event *event, void *arg)
{
    (void)arg;
    if (!event->leaving && strcmp(event->function, "alloc_globals_ctor") == 0) {
        ctor_count++;
        own_ctor_count++;
    }
}

/* ---- workers ---- */

typedef enum ending { ENDS_BY_CALL, ENDS_BY_ITSELF } ending;

typedef struct worker {
    pthread_t thread;
    ending ending;
    zend_mm_heap *heap;
    char *block;                /* of its heap */
    zend_mm_heap_statistics stats;
    int ctor_count;             /* calls in its thread */
    THREAD_T id;
} worker;

static struct gate ready = GATE_INIT, go = GATE_INIT, done = GATE_INIT, finish = GATE_INIT;
static worker workers[THREAD_COUNT];

static void reset_gates(void)
{
    ready.stage = go.stage = done.stage = finish.stage = 0;
}

/* The heap's facts, in the thread that owns it. */
static void look(worker *worker)
{
    worker->heap = zend_mm_get_heap();
    CHECK(zend_mm_heap_stats(NULL, &worker->stats));
    worker->block = emalloc(100);
    memset(worker->block, 'w', 100);
    CHECK(zend_mm_get_heap() == worker->heap);
}

static void leave(worker *worker)
{
    efree(worker->block);
    if (worker->ending == ENDS_BY_CALL) {
        ts_free_thread();
    }
}

static void *worker_body(void *arg)
{
    worker *worker = arg;
    own_ctor_count = 0;
    CHECK(ts_resource(0) != NULL);
    worker->ctor_count = own_ctor_count;
    look(worker);
    gate_rise(&done);
    gate_pass(&finish, 1);
    leave(worker);
    return NULL;
}

static void start_workers(void *(*body)(void *))
{
    memset(workers, 0, sizeof workers);
    reset_gates();
    for (int index = 0; index < THREAD_COUNT; index++) {
        workers[index].ending = index % 2 == 0 ? ENDS_BY_CALL : ENDS_BY_ITSELF;
        workers[index].thread = thread_run(body, &workers[index]);
    }
}

static void end_workers(void)
{
    gate_open(&finish, 1);
    for (int index = 0; index < THREAD_COUNT; index++) {
        thread_result(workers[index].thread);
    }
    CHECK(tsrm_thread_count() == 1);
}

static void check_heaps_differ(void)
{
    for (int index = 0; index < THREAD_COUNT; index++) {
        CHECK(workers[index].heap != NULL);
        CHECK(workers[index].heap != zend_mm_get_heap());
        for (int other = 0; other < index; other++) {
            CHECK(workers[index].heap != workers[other].heap);
        }
    }
}

/* ---- per storage ---- */

static void set_environment(const char *storage)
{
    if (strcmp(storage, "none (USE_ZEND_ALLOC=0)") == 0) {
        setenv("USE_ZEND_ALLOC", "0", 1);
        unsetenv("ZEND_MM_MEM_TYPE");
    } else {
        unsetenv("USE_ZEND_ALLOC");
        setenv("ZEND_MM_MEM_TYPE", storage, 1);
    }
}

static void check_workers(const char *storage)
{
    bool built_in = strcmp(storage, "none (USE_ZEND_ALLOC=0)") != 0;
    check_heaps_differ();
    for (int index = 0; index < THREAD_COUNT; index++) {
        const worker *worker = &workers[index];
        CHECK(worker->ctor_count == 1);
        CHECK(strcmp(worker->stats.storage, storage) == 0);
        if (built_in) {
            CHECK(worker->stats.real_size == ZEND_MM_SEGMENT_SIZE);
            CHECK(worker->stats.size == 0);
            CHECK(zend_mm_owner_of(worker->block) == worker->stats.heap_index);
        } else {
            CHECK(zend_mm_owner_of(worker->block) == ZEND_MM_OWNER_NONE);
        }
    }
}

static void each_thread_has_its_own_heap(const char *storage, const char *sentence)
{
    CHECK_CASE(sentence);
    set_environment(storage);
    ctor_count = 0;
    tsrm_set_startup_trace(count_step, NULL);
    alloc_begin();
    CHECK(ctor_count == 1);
    CHECK(is_zend_mm() == (strcmp(storage, "none (USE_ZEND_ALLOC=0)") != 0));
    start_workers(worker_body);
    gate_pass(&done, THREAD_COUNT);
    check_workers(storage);
    CHECK(ctor_count == 1 + THREAD_COUNT);
    end_workers();
    CHECK(alloc_end() == 0);
    tsrm_set_startup_trace(NULL, NULL);
}

/* ---- a late start_memory_manager ---- */

static void *late_body(void *arg)
{
    worker *worker = arg;
    CHECK(ts_resource(0) != NULL);
    gate_rise(&ready);
    gate_pass(&go, 1);
    own_ctor_count = 0;
    look(worker);
    worker->ctor_count = own_ctor_count;
    gate_rise(&done);
    gate_pass(&finish, 1);
    leave(worker);
    return NULL;
}

static void running_threads_get_heaps(void)
{
    CHECK_CASE("a late start_memory_manager makes a heap for each running thread, in the caller");
    set_environment("mmap_anon");
    ctor_count = own_ctor_count = 0;
    tsrm_set_startup_trace(count_step, NULL);
    CHECK(tsrm_startup(1, 1, 0, NULL) == 1);
    CHECK(ts_resource(0) != NULL);
    start_workers(late_body);
    gate_pass(&ready, THREAD_COUNT);
    start_memory_manager(tsrm_get_ls_cache());
    CHECK(ctor_count == 1 + THREAD_COUNT);
    CHECK(own_ctor_count == 1 + THREAD_COUNT);
    gate_open(&go, 1);
    gate_pass(&done, THREAD_COUNT);
    check_heaps_differ();
    for (int index = 0; index < THREAD_COUNT; index++) {
        CHECK(workers[index].ctor_count == 0);
        CHECK(zend_mm_owner_of(workers[index].block) == workers[index].stats.heap_index);
    }
    end_workers();
    tsrm_set_startup_trace(NULL, NULL);
    CHECK(alloc_end() == 0);
}

/* ---- a key destructor that frees after ours ---- */

static pthread_key_t late_key;      /* made after TSRM's: its destructor runs after TSRM's */
static atomic_int freed_count;

/* Frees one block per round, and allocates the next round's; in the last round TSRM's destructor,
 * which is called before, has nothing left to wait for and ends the heap. */
static void free_late(void *arg)
{
    char *block = arg;
    int rounds = block[0];
    CHECK(block[99] == 'k');
    efree(block);
    freed_count++;
    if (rounds + 1 < tsrm_os_value_rounds - 1) {
        char *next = emalloc(100);
        next[0] = (char)(rounds + 1);
        next[99] = 'k';
        pthread_setspecific(late_key, next);
    }
}

static void *late_key_body(void *arg)
{
    char *block = emalloc(100);
    block[0] = 0;
    block[99] = 'k';
    pthread_setspecific(late_key, block);
    return arg;
}

static void late_destructors_free_blocks(void)
{
    enum { ROUND_COUNT = 20 };
    CHECK_CASE("another key's destructor frees and allocates after ours, in each round");
    set_environment("mmap_anon");
    alloc_begin();
    CHECK(pthread_key_create(&late_key, free_late) == 0);
    freed_count = 0;
    for (int round = 0; round < ROUND_COUNT; round++) {
        pthread_t threads[AT_ONCE];
        for (int index = 0; index < AT_ONCE; index++) {
            threads[index] = thread_run(late_key_body, NULL);
        }
        for (int index = 0; index < AT_ONCE; index++) {
            thread_result(threads[index]);
        }
    }
    CHECK(freed_count == ROUND_COUNT * AT_ONCE * (tsrm_os_value_rounds - 1));
    CHECK(tsrm_thread_count() == 1);
    pthread_key_delete(late_key);
    CHECK(alloc_end() == 0);
}

/* ---- many threads, one after the other ---- */

static atomic_uint highest_index;

static void *short_body(void *ends_by_itself)
{
    zend_mm_heap_statistics stats;
    char *small = emalloc(24), *large = emalloc(20000);
    memset(small, 's', 24);
    memset(large, 'l', 20000);
    CHECK(zend_mm_heap_stats(NULL, &stats));
    unsigned int highest = highest_index;
    while (stats.heap_index > highest
            && !atomic_compare_exchange_weak(&highest_index, &highest, stats.heap_index)) {
    }
    efree(small);
    if (ends_by_itself == NULL) {
        efree(large);
        ts_free_thread();
    }
    return NULL;
}

static void churn(int count)
{
    pthread_t threads[AT_ONCE];
    for (int ended = 0; ended < count; ended += AT_ONCE) {
        for (int index = 0; index < AT_ONCE; index++) {
            threads[index] = thread_run(short_body, index % 2 == 0 ? NULL : &highest_index);
        }
        for (int index = 0; index < AT_ONCE; index++) {
            thread_result(threads[index]);
        }
    }
}

static void many_threads_leave_nothing(int count)
{
    size_t mapped, before, after;
    set_environment("mmap_anon");
    alloc_begin();
    churn(AT_ONCE * 20);
    alloc_process_size(&mapped, &before);
    CHECK_CASE("thread starts and ends leave the number of heaps flat");
    highest_index = 0;
    churn(count);
    alloc_process_size(&mapped, &after);
    printf("%d threads, highest heap index %u\n", count, highest_index);
    CHECK(highest_index >= 2 && highest_index <= 1 + AT_ONCE);
    CHECK(tsrm_thread_count() == 1);

    CHECK_CASE("thread starts and ends leave RSS flat");
    if (TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD) {
        CHECK_SKIP("the sanitizer keeps memory of ended threads");
    } else if (before == 0) {
        CHECK_SKIP("this system does not tell the resident size");
    } else {
        printf("resident: %zu bytes, then %zu\n", before, after);
        CHECK(after < before + RSS_GROWTH_MAX);
    }
    CHECK(alloc_end() == 0);
}

int main(int argc, char **argv)
{
    int default_count = TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD ? 1000 : 10000;
    unsetenv("ZEND_MM_SEG_SIZE");
    unsetenv("ZEND_MM_COMPACT");
    each_thread_has_its_own_heap("malloc", "16 threads have heaps of their own on malloc");
    each_thread_has_its_own_heap("mmap_anon", "16 threads have heaps of their own on mmap_anon");
    each_thread_has_its_own_heap("mmap_zero", "16 threads have heaps of their own on mmap_zero");
    each_thread_has_its_own_heap("none (USE_ZEND_ALLOC=0)",
        "16 threads have heaps of their own that pass calls on");
    running_threads_get_heaps();
    late_destructors_free_blocks();
    many_threads_leave_nothing(argc > 1 ? atoi(argv[1]) : default_count);
    return check_summary();
}

#else

int main(void)
{
    CHECK_CASE("N threads have heaps of their own");
    CHECK_SKIP("built without ZTS: there is one heap");
    return check_summary();
}

#endif
