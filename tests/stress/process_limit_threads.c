/* N threads, each with its heap, race to the process's limit: it is never exceeded by a byte, and each
 * error is reported from the reserve of the thread that met it, whatever the others hold.
 * Options: the number of rounds per thread, the seed. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "alloc/os.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"
#include "stress/random.h"

#define MIB ((size_t)1024 * 1024)
#define THREAD_COUNT 8
#define BLOCK_COUNT 64
#define LIMIT ((THREAD_COUNT * 4 + 11) * MIB + 4096)

/* A storage that counts for itself, to be compared with what the library says. */
static atomic_size_t stored_size, most_stored_size;

/* atomic: relaxed, counted by all threads, read after their end. */
static atomic_uint error_count, process_error_count, starved_count;
static atomic_bool is_over;
static pthread_barrier_t all_have_heaps;

static zend_mm_storage *counting_init(void *params)
{
    (void)params;
    return calloc(1, sizeof(zend_mm_storage));
}

static void counting_dtor(zend_mm_storage *storage)
{
    free(storage);
}

static void count(size_t size)
{
    size_t now = atomic_fetch_add(&stored_size, size) + size;
    size_t most = atomic_load(&most_stored_size);
    while (now > most && !atomic_compare_exchange_weak(&most_stored_size, &most, now)) {
    }
}

static void *counting_alloc(zend_mm_storage *storage, size_t size)
{
    (void)storage;
    void *block = zend_mm_os_map(size, ZEND_MM_OS_NO_FILE);
    if (block != NULL) {
        count(size);
    }
    return block;
}

static void *counting_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    (void)storage;
    void *resized = zend_mm_os_remap(block, old_size, new_size, ZEND_MM_OS_NO_FILE);
    if (resized != NULL && new_size > old_size) {
        count(new_size - old_size);
    } else if (resized != NULL) {
        atomic_fetch_sub(&stored_size, old_size - new_size);
    }
    return resized;
}

static void counting_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)storage;
    atomic_fetch_sub(&stored_size, size);
    zend_mm_os_unmap(block, size);
}

static const zend_mm_mem_handlers counting_handlers = {
    "counting", counting_init, counting_dtor, NULL, counting_alloc, counting_realloc,
    counting_free,
};

/* ---- what each thread does ---- */

/* An error handler needs some memory to say what is wrong. */
static void report(zend_mm_error_kind kind, const char *message)
{
    atomic_fetch_add(&error_count, 1);
    if (kind == ZEND_MM_ERROR_PROCESS_LIMIT) {
        atomic_fetch_add(&process_error_count, 1);
    }
    void *copy = zend_mm_try_alloc(zend_mm_get_heap(), strlen(message) + 1);
    void *text = zend_mm_try_alloc(zend_mm_get_heap(), 3000);
    if (copy == NULL || text == NULL) {
        atomic_fetch_add(&starved_count, 1);
    } else {
        memset(text, 1, 3000);
    }
    efree(copy);
    efree(text);
}

typedef struct worker {
    uint64_t seed;
    size_t round_count;
    bool counts;            /* on the counting storage, else on mmap_anon with its pool */
} worker;

static size_t random_size(uint64_t *seed)
{
    static const size_t ceilings[] = { 3000, 100000, MIB, 5 * MIB };
    return (size_t)(stress_random(seed) % ceilings[stress_random(seed) % 4]) + 1;
}

static void one_round(uint64_t *seed)
{
    void *volatile blocks[BLOCK_COUNT] = { NULL };
    for (volatile size_t index = 0; index < BLOCK_COUNT; index++) {
        size_t size = random_size(seed);
        bool grows = index > 0 && stress_random(seed) % 4 == 0;
        zend_try {
            if (grows) {
                blocks[index - 1] = erealloc(blocks[index - 1], size);
            } else {
                blocks[index] = emalloc(size);
            }
        } zend_end_try();
    }
    for (size_t index = 0; index < BLOCK_COUNT; index += 2) {
        efree(blocks[index]);
    }
}

static void *work(void *argument)
{
    worker *self = argument;
    zend_mm_heap *heap = NULL, *before = NULL;
#ifdef ZTS
    (void)ts_resource(0);
#endif
    if (self->counts) {
        heap = zend_mm_startup_ex(&counting_handlers, 2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0,
            NULL);
        before = alloc_set_heap(heap);
    }
    CHECK(zend_mm_get_heap() != NULL);
    (void)pthread_barrier_wait(&all_have_heaps);    /* there is room for these at least */
    for (size_t round = 0; round < self->round_count; round++) {
        one_round(&self->seed);
        alloc_reset();
    }
    if (self->counts) {
        (void)alloc_set_heap(before);
        zend_mm_shutdown(heap, 1, 1);
    }
#ifdef ZTS
    ts_free_thread();
#endif
    return NULL;
}

/* Looks on: what is held is at no moment above the limit. */
static void *watch(void *most)
{
    while (!atomic_load(&is_over)) {
        size_t now = zend_mm_process_usage();
        if (now > *(size_t *)most) {
            *(size_t *)most = now;
        }
    }
    return NULL;
}

static void race(worker *workers)
{
    pthread_t threads[THREAD_COUNT], watcher;
    size_t most = 0;
    CHECK(pthread_barrier_init(&all_have_heaps, NULL, THREAD_COUNT) == 0);
    atomic_store(&is_over, false);
    atomic_store(&error_count, 0);
    atomic_store(&process_error_count, 0);
    atomic_store(&starved_count, 0);
    CHECK(zend_mm_set_process_limit(LIMIT));
    bool watched = CHECK(pthread_create(&watcher, NULL, watch, &most) == 0);
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        if (pthread_create(&threads[index], NULL, work, &workers[index]) != 0) {
            perror("pthread_create");       /* the others would wait for ever */
            abort();
        }
    }
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        (void)pthread_join(threads[index], NULL);
    }
    atomic_store(&is_over, true);
    if (watched) {
        (void)pthread_join(watcher, NULL);
    }
    (void)pthread_barrier_destroy(&all_have_heaps);
    CHECK(most <= LIMIT);
    CHECK(atomic_load(&process_error_count) > 0);
    CHECK(atomic_load(&process_error_count) == atomic_load(&error_count));
    CHECK(atomic_load(&starved_count) == 0);
    printf("    %u errors, most %zu of %zu bytes held\n", atomic_load(&error_count), most, LIMIT);
}

int main(int argc, char **argv)
{
    size_t round_count = argc > 1 ? strtoul(argv[1], NULL, 10) : 60;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20261123;
    worker workers[THREAD_COUNT];

#ifndef ZTS
    (void)round_count, (void)seed, (void)workers, (void)race, (void)report, (void)watch;
    CHECK_CASE("threads race to the process's limit");
    CHECK_SKIP("built without ZTS: one thread, one heap");
    return check_summary();
#else
    alloc_begin();
    zend_mm_set_error_callback(report);
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        workers[index] = (worker){ seed + index, round_count, true };
    }
    CHECK_CASE("on a storage that counts, the limit is never exceeded and no callback starves");
    race(workers);
    CHECK(atomic_load(&most_stored_size) <= LIMIT - 2 * MIB);   /* the main thread's heap is no part */
    CHECK(atomic_load(&stored_size) == 0);

    for (size_t index = 0; index < THREAD_COUNT; index++) {
        workers[index].counts = false;
    }
    CHECK_CASE("with the pool between the heaps it is not exceeded either");
    race(workers);

    CHECK_CASE("when the threads are gone nothing but this heap and the pool is held");
    CHECK(zend_mm_set_process_limit(alloc_usage(1)));
    CHECK(zend_mm_process_usage() == alloc_usage(1));
    CHECK(zend_mm_set_process_limit(SIZE_MAX));
    (void)alloc_end();
    return check_summary();
#endif
}
