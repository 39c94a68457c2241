/* malloc_program: a program that knows nothing of this library, and uses malloc() in every way a
 * threaded program may. malloc_shim.sh runs it with the shim preloaded.
 * Owns        its blocks; each is filled with a pattern that follows from its size.
 * Thread      main; up to THREAD_COUNT others at a time.
 * Invariants  what one thread allocates, any other may use, resize and free, also after the first
 *             has ended, and in a child of fork().
 * Failure     a CHECK.
 * Tests       tests/support/malloc_shim.c */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

enum { THREAD_COUNT = 4, BLOCK_COUNT = 64, LIFETIMES = 200, MIB = 1024 * 1024 };

typedef struct block {
    unsigned char *address;
    size_t size;
} block;

static const size_t sizes[] = { 0, 1, 8, 16, 24, 40, 100, 1000, 3056, 3057, 5000, 70000,
    2 * MIB - 4096, 2 * MIB, 5 * MIB };
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static void fill(block *block)
{
    memset(block->address, (int)(block->size % 251), block->size);
}

static bool is_intact(const unsigned char *address, size_t length, size_t size)
{
    return length == 0
        || (address[0] == size % 251 && memcmp(address, address + 1, length - 1) == 0);
}

static void make(block *block, size_t size)
{
    block->size = size;
    block->address = malloc(size);
    if (CHECK(block->address != NULL)) {
        CHECK((uintptr_t)block->address % 16 == 0);
        CHECK(malloc_usable_size(block->address) >= size);
        fill(block);
    }
}

static void resize(block *block, size_t size)
{
    size_t kept = size < block->size ? size : block->size;
    unsigned char *moved = realloc(block->address, size);
    if (CHECK(moved != NULL)) {
        CHECK((uintptr_t)moved % 16 == 0);
        CHECK(is_intact(moved, kept, block->size));
        block->address = moved;
        block->size = size;
        fill(block);
    }
}

static void end(block *block)
{
    CHECK(is_intact(block->address, block->size, block->size));
    free(block->address);
}

/* ---- one thread ---- */

static void every_size(void)
{
    CHECK_CASE("blocks of all sizes are 16-aligned and keep their bytes, however they are resized");
    for (size_t from = 0; from < SIZE_COUNT; from++) {
        for (size_t to = 1; to < SIZE_COUNT; to++) {
            block one;
            make(&one, sizes[from]);
            resize(&one, sizes[to]);
            end(&one);
        }
    }
}

/* The compiler must not see what is wrong with these. */
static size_t volatile no_power = 48, too_large = PTRDIFF_MAX, half = (size_t)1 << 33;

static void every_alignment(void)
{
    CHECK_CASE("aligned blocks are aligned up to 2 MiB, and free and realloc take them");
    for (size_t alignment = sizeof(void *); alignment <= 2 * MIB; alignment *= 2) {
        void *address = NULL;
        CHECK(posix_memalign(&address, alignment, 100) == 0);
        CHECK((uintptr_t)address % alignment == 0);
        block one = { address, 100 };
        fill(&one);
        resize(&one, 9000);
        end(&one);
        address = aligned_alloc(alignment, 3 * alignment);
        CHECK((uintptr_t)address % alignment == 0);
        free(address);
    }
    void *page = pvalloc(1), *wanted = valloc(10), *odd = memalign(no_power, 7);
    CHECK((uintptr_t)page % (size_t)sysconf(_SC_PAGESIZE) == 0);
    CHECK(malloc_usable_size(page) >= (size_t)sysconf(_SC_PAGESIZE));
    CHECK((uintptr_t)wanted % (size_t)sysconf(_SC_PAGESIZE) == 0);
    CHECK((uintptr_t)odd % 64 == 0);
    free(page);
    free(wanted);
    free(odd);
}

static void zeroed(void)
{
    CHECK_CASE("calloc gives zeroes where a freed block was");
    for (size_t index = 1; index < SIZE_COUNT; index++) {
        block dirty;
        make(&dirty, sizes[index]);
        end(&dirty);
        unsigned char *clean = calloc(sizes[index], 1);
        CHECK(clean != NULL && is_intact(clean, sizes[index], 0));
        free(clean);
    }
}

static void refusals(void)
{
    CHECK_CASE("what cannot be is NULL and ENOMEM or EINVAL, and the old block stays");
    block kept;
    make(&kept, 1000);
    void *address = &kept;
#define CHECK_ENOMEM(call) errno = 0, CHECK((call) == NULL && errno == ENOMEM)
    CHECK_ENOMEM(malloc(too_large));
    CHECK_ENOMEM(calloc(half, half));
    CHECK_ENOMEM(aligned_alloc(64, too_large));
    CHECK_ENOMEM(pvalloc(too_large));
    CHECK_ENOMEM(realloc(kept.address, too_large));
    CHECK_ENOMEM(reallocarray(kept.address, half, half));
    errno = 7;
    CHECK(posix_memalign(&address, 64, too_large) == ENOMEM);
    CHECK(posix_memalign(&address, 24, 1) == EINVAL);
    CHECK(posix_memalign(&address, 4, 1) == EINVAL);
    CHECK(address == &kept);
    CHECK(errno == 7);
    end(&kept);
    free(NULL);
    CHECK(realloc(malloc(10), 0) == NULL);
    CHECK(errno == 7);
}

static void the_limit(void)
{
    CHECK_CASE("at the limit malloc gives NULL, and works again after a free");
    static void *blocks[4096];
    size_t count = 0;
    errno = 0;
    while (count < 4096 && (blocks[count] = malloc(50000)) != NULL) {
        memset(blocks[count++], 1, 50000);
    }
    if (getenv("MALLOC_SHIM_LIMIT") == NULL) {
        CHECK_SKIP("there is none in this run");
    } else {
        CHECK(count > 10 && count < 4096 && errno == ENOMEM);
        CHECK(malloc(50000) == NULL);
        free(blocks[--count]);
        void *again = malloc(50000);
        CHECK(again != NULL);
        free(again);
    }
    while (count > 0) {
        free(blocks[--count]);
    }
}

/* ---- threads ---- */

static block shared[THREAD_COUNT][BLOCK_COUNT];
static pthread_barrier_t all_here;

static void *make_blocks(void *own)
{
    block *blocks = own;
    for (size_t index = 0; index < BLOCK_COUNT; index++) {
        make(&blocks[index], sizes[index % (SIZE_COUNT - 2)]);
    }
    return NULL;
}

/* Each thread resizes and frees what another has made, while that one does the same. */
static void *trade(void *own)
{
    size_t number = (size_t)((block (*)[BLOCK_COUNT])own - shared);
    for (int round = 0; round < 20; round++) {
        make_blocks(own);
        pthread_barrier_wait(&all_here);
        block *others = shared[(number + 1) % THREAD_COUNT];
        for (size_t index = 0; index < BLOCK_COUNT; index++) {
            if (index % 3 == 0) {
                resize(&others[index], sizes[1 + index % (SIZE_COUNT - 3)]);
            }
            end(&others[index]);
        }
        pthread_barrier_wait(&all_here);
    }
    return NULL;
}

static void run_threads(void *(*body)(void *))
{
    pthread_t threads[THREAD_COUNT];
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        if (pthread_create(&threads[index], NULL, body, shared[index]) != 0) {
            perror("pthread_create");       /* the others would wait for ever */
            abort();
        }
    }
    for (size_t index = 0; index < THREAD_COUNT; index++) {
        pthread_join(threads[index], NULL);
    }
}

static void blocks_travel(void)
{
    CHECK_CASE("threads resize and free each other's blocks");
    CHECK(pthread_barrier_init(&all_here, NULL, THREAD_COUNT) == 0);
    run_threads(trade);
    pthread_barrier_destroy(&all_here);
}

static void end_all(void)
{
    for (size_t number = 0; number < THREAD_COUNT; number++) {
        for (size_t index = 0; index < BLOCK_COUNT; index++) {
            end(&shared[number][index]);
        }
    }
}

static void blocks_outlive_threads(void)
{
    CHECK_CASE("the blocks of ended threads live on, while new threads use their heaps");
    run_threads(make_blocks);
    block before[THREAD_COUNT][BLOCK_COUNT];
    memcpy(before, shared, sizeof before);
    run_threads(make_blocks);
    end_all();
    memcpy(shared, before, sizeof before);
    end_all();
}

static pthread_key_t key;

/* Runs in every round of destructors, behind and before those of others. */
static void in_destructor(void *value)
{
    int *rounds = value;
    block one;
    make(&one, 200);
    resize(&one, 4000);
    end(&one);
    if (++*rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(key, rounds);
    } else {
        free(rounds);
    }
}

static void *live_shortly(void *unused)
{
    (void)unused;
    int *rounds = calloc(1, sizeof *rounds);
    CHECK(rounds != NULL && pthread_setspecific(key, rounds) == 0);
    return malloc(100);
}

/* Heaps of the process; 0: the shim is not there. */
static size_t heap_count(void)
{
    size_t (*count)(void *, void *, size_t) =
        (size_t (*)(void *, void *, size_t))dlsym(RTLD_DEFAULT, "zend_mm_process_stats");
    return count != NULL ? count(NULL, NULL, 0) : 0;
}

static void lifetimes(void)
{
    CHECK_CASE("a thread gets the heap of one that has ended, destructors allocate to the last");
    CHECK(pthread_key_create(&key, in_destructor) == 0);
    size_t before = heap_count();
    CHECK(before > 0);
    for (int number = 0; number < LIFETIMES; number++) {
        pthread_t threads[2];
        for (int index = 0; index < 2; index++) {
            CHECK(pthread_create(&threads[index], NULL, live_shortly, NULL) == 0);
        }
        for (int index = 0; index < 2; index++) {
            void *left = NULL;
            CHECK(pthread_join(threads[index], &left) == 0);
            free(left);
        }
    }
    CHECK(heap_count() <= before);
}

/* ---- fork ---- */

static atomic_bool is_over;

static void *work_on(void *own)
{
    while (!is_over) {
        block blocks[BLOCK_COUNT];
        make_blocks(blocks);
        for (size_t index = 0; index < BLOCK_COUNT; index++) {
            end(&blocks[index]);
        }
    }
    return own;
}

static int be_child(void)
{
    end_all();
    run_threads(make_blocks);
    end_all();
    return atomic_load(&check_state.failure_count) == 0 ? 0 : 1;
}

static void children(void)
{
    CHECK_CASE("a child of a threaded process frees blocks of all threads, and starts its own");
    pthread_t threads[2];
    run_threads(make_blocks);
    for (int index = 0; index < 2; index++) {
        CHECK(pthread_create(&threads[index], NULL, work_on, NULL) == 0);
    }
    for (int number = 0; number < 8; number++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            _exit(be_child());
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    atomic_store(&is_over, true);
    for (int index = 0; index < 2; index++) {
        pthread_join(threads[index], NULL);
    }
    end_all();
}

int main(void)
{
    every_size();
    every_alignment();
    zeroed();
    refusals();
    the_limit();
    blocks_travel();
    blocks_outlive_threads();
    lifetimes();
    children();
    return check_summary();
}
