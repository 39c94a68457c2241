/* flat: 100,000 thread lifetimes, 1,000,000 requests, 10^10 allocations: memory, heaps, ids and
 * tables are afterwards what they were after the first tenth of them.
 *     flat [PART]     this part of those numbers (0.001); `make check-long` runs 1
 * Owns        the threads of each case.
 * Thread      THREAD_COUNT at a time, each with its heap; without ZTS main alone.
 * Invariants  what is done does not depend on the machine's speed.
 * Failure     a CHECK.
 * Tests       tsrm/, alloc/ */
#include "config.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "tests/support/alloc_support.h"
#include "tests/support/check.h"
#include "stress/random.h"

enum { THREAD_COUNT = 8, BLOCK_COUNT = 512, TICKET = 100000, STACK_SIZE = 256 * 1024 };

#define MIB ((size_t)1024 * 1024)
/* Without ZTS all is done in main's heap, whose first segment stays as far as it was touched. */
#ifdef ZTS
# define TOUCHED_MAX (MIB / 8)
#else
# define TOUCHED_MAX ZEND_MM_SEGMENT_SIZE
#endif
/* A sanitizer's own memory is not flat. */
#define SEES_MEMORY (!TSRMALLOC_SANITIZE_ADDRESS && !TSRMALLOC_SANITIZE_THREAD)

/* ---- what has to be flat ---- */

typedef struct state {
    size_t heap_count, usage;           /* of the process; bytes, without what is pooled */
    size_t thread_count;
    int next_id;                        /* what TSRM gives to who asks */
    size_t mapped, resident;            /* bytes */
} state;

static state look(void)
{
    state now = { .heap_count = zend_mm_process_stats(NULL, NULL, 0), .thread_count = 1 };
    /* A limit that nothing fits empties the pools, then is refused or not: both will do. */
    (void)!zend_mm_set_process_limit(0);
    (void)!zend_mm_set_process_limit(SIZE_MAX);
    now.usage = zend_mm_process_usage();
#ifdef ZTS
    ts_rsrc_id id;
    now.next_id = ts_allocate_id(&id, 16, NULL, NULL);
    ts_free_id(id);
    now.thread_count = tsrm_thread_count();
#endif
    malloc_trim(0);
    alloc_process_size(&now.mapped, &now.resident);
    return now;
}

static void check_flat(const state *before, const state *after)
{
    CHECK(after->heap_count == before->heap_count);
    CHECK(after->usage == before->usage);
    CHECK(after->thread_count == before->thread_count);
    CHECK(after->next_id == before->next_id + (before->next_id != 0));
    if (SEES_MEMORY) {
        CHECK(after->mapped <= before->mapped + MIB);
        CHECK(after->resident <= before->resident + before->resident / 20 + TOUCHED_MAX);
    }
    printf("    before: %zu heaps, %.2f MiB held, %.2f mapped, %.2f resident\n"
        "    after:  %zu heaps, %.2f MiB held, %.2f mapped, %.2f resident\n", before->heap_count,
        (double)before->usage / MIB, (double)before->mapped / MIB, (double)before->resident / MIB,
        after->heap_count, (double)after->usage / MIB, (double)after->mapped / MIB,
        (double)after->resident / MIB);
}

/* ---- work ---- */

typedef struct work {
    void (*one)(uint64_t *seed);        /* one unit of it */
    atomic_ullong left;                 /* relaxed: units that nobody has taken */
} work;

static bool take(work *work)
{
    unsigned long long left = atomic_load_explicit(&work->left, memory_order_relaxed);
    while (left > 0 && !atomic_compare_exchange_weak_explicit(&work->left, &left, left - 1,
            memory_order_relaxed, memory_order_relaxed)) {
    }
    return left > 0;
}

static size_t random_size(uint64_t *seed)
{
    uint64_t dice = stress_random(seed);
    if (dice % 64 != 0) {
        return dice >> 32 & 511;
    }
    size_t most = dice / 64 % 64 != 0 ? 8192 : dice / 4096 % 64 != 0 ? 300000 : 3 * MIB;
    return (size_t)(dice >> 32) % most;
}

/* The first and the last byte tell whose the block is. */
static unsigned char *make(size_t size)
{
    unsigned char *block = emalloc(size + 1);
    block[0] = block[size] = (unsigned char)size;
    return block;
}

static void request(uint64_t *seed)
{
    unsigned char *blocks[64] = { NULL };
    size_t length[64] = { 0 };
    for (int step = 0; step < 100; step++) {
        size_t place = stress_random(seed) % 64;
        if (blocks[place] != NULL) {
            CHECK(blocks[place][0] == (unsigned char)length[place]);
            CHECK(blocks[place][length[place]] == (unsigned char)length[place]);
            efree(blocks[place]);
        }
        length[place] = random_size(seed);
        blocks[place] = make(length[place]);
    }
    alloc_reset();
    CHECK(alloc_usage(0) == 0);
}

static void allocations(uint64_t *seed)
{
    unsigned char *blocks[BLOCK_COUNT] = { NULL };
    for (int number = 0; number < TICKET; number++) {
        size_t place = stress_random(seed) % BLOCK_COUNT;
        efree(blocks[place]);
        blocks[place] = make(random_size(seed));
    }
    for (size_t place = 0; place < BLOCK_COUNT; place++) {
        efree(blocks[place]);
    }
    CHECK(alloc_usage(0) == 0);
}

/* ---- threads ---- */

static atomic_ullong next_seed = 1;     /* relaxed */

#ifdef ZTS

static void *do_work(void *argument)
{
    work *shared = argument;
    uint64_t seed = atomic_fetch_add_explicit(&next_seed, 1, memory_order_relaxed);
    while (take(shared)) {
        shared->one(&seed);
    }
    ts_free_thread();
    return NULL;
}

/* A thread's whole life: some end without a word, some with a request that has not ended. */
static void *live(void *argument)
{
    (void)argument;
    uint64_t seed = atomic_fetch_add_explicit(&next_seed, 1, memory_order_relaxed);
    CHECK(ts_resource(0) != NULL);
    request(&seed);
    if (stress_random(&seed) % 2 == 0) {
        (void)!make(random_size(&seed));
    }
    if (stress_random(&seed) % 2 == 0) {
        ts_free_thread();
    }
    return NULL;
}

static void run_threads(void *(*body)(void *), void *argument)
{
    pthread_t threads[THREAD_COUNT];
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0);
    for (int index = 0; index < THREAD_COUNT; index++) {
        if (pthread_create(&threads[index], &attributes, body, argument) != 0) {
            perror("pthread_create");
            abort();
        }
    }
    for (int index = 0; index < THREAD_COUNT; index++) {
        pthread_join(threads[index], NULL);
    }
    pthread_attr_destroy(&attributes);
}

static void run_lives(unsigned long long count)
{
    for (unsigned long long done = 0; done < count; done += THREAD_COUNT) {
        run_threads(live, NULL);
    }
}

static void run_work(work *work)
{
    run_threads(do_work, work);
}

#else

static void run_work(work *work)
{
    uint64_t seed = atomic_fetch_add_explicit(&next_seed, 1, memory_order_relaxed);
    while (take(work)) {
        work->one(&seed);
    }
}

#endif

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void test_work(void (*one)(uint64_t *seed), unsigned long long count)
{
    work first = { one, count / 10 + 1 }, rest = { one, count };
    double start = now();
    run_work(&first);
    alloc_reset();
    state before = look();
    run_work(&rest);
    alloc_reset();
    state after = look();
    check_flat(&before, &after);
    printf("    %llu units of work in %.0f s\n", count, now() - start);
}

static void test_lives(unsigned long long count)
{
#ifdef ZTS
    double start = now();
    run_lives(count / 10 + 1);
    state before = look();
    run_lives(count);
    state after = look();
    check_flat(&before, &after);
    printf("    %llu threads in %.0f s\n", count, now() - start);
#else
    (void)count;
    CHECK_SKIP("built without ZTS: there is one thread");
#endif
}

int main(int argc, char **argv)
{
    char *end = NULL;
    double part = argc > 1 ? strtod(argv[1], &end) : 0.001;
    if (!(part > 0 && part <= 1000) || (argc > 1 && *end != '\0')) {
        fprintf(stderr, "flat: '%s': expected a number above 0\n", argv[1]);
        return 64;
    }
    mallopt(M_ARENA_MAX, 1);    /* the C library's arenas are not what is looked at */
    alloc_begin();
    CHECK_CASE("after 100,000 thread lifetimes memory, heaps, ids and tables are as before");
    test_lives((unsigned long long)(100000 * part));
    CHECK_CASE("after 1,000,000 requests memory, heaps, ids and tables are as before");
    test_work(request, (unsigned long long)(1000000 * part));
    CHECK_CASE("after 10^10 allocations memory, heaps, ids and tables are as before");
    test_work(allocations, (unsigned long long)(1e10 * part) / TICKET);
    CHECK_CASE("everything ends");
    CHECK(alloc_end() == 0);
    return check_summary();
}
