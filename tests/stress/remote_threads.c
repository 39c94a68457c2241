/* remote_threads: blocks of one thread's heap freed by other threads.
 *     remote_threads [blocks per producer]
 *
 * Owns        mailboxes: lists under a mutex that carry blocks from thread to thread.
 * Thread      producers allocate, consumers check and free; main counts.
 * Invariants  every block carries its size and a pattern; it is freed once, by another thread.
 * Failure     a CHECK, or a child that does not end as it must.
 * Tests       alloc/remote.c, alloc/heap_alloc.c, alloc/heap.c */
#include "config.h"

#include <string.h>

#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

#ifdef ZTS

#include "alloc/heap.h"
#include "tests/support/child.h"
#include "tests/support/model.h"
#include "stress/random.h"
#include "tests/unit/tsrm_support.h"

enum { THREADS_MAX = 4, BATCH = 64, HUGE_EVERY = 700 };

static size_t block_count = 40000;     /* per producer */

/* ---- mailboxes ---- */

typedef struct parcel {
    struct parcel *next;
    size_t size;
    unsigned char bytes[];
} parcel;

typedef struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    parcel *parcels;            /* under mutex */
    bool closed;                /* under mutex: nothing more will come */
} mailbox;

static void post(mailbox *box, parcel *first, parcel *last)
{
    pthread_mutex_lock(&box->mutex);
    last->next = box->parcels;
    box->parcels = first;
    pthread_cond_signal(&box->changed);
    pthread_mutex_unlock(&box->mutex);
}

static void close_mailbox(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    box->closed = true;
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->mutex);
}

/* All parcels, as a list; NULL: closed and empty. */
static parcel *collect(mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    while (box->parcels == NULL && !box->closed) {
        pthread_cond_wait(&box->changed, &box->mutex);
    }
    parcel *parcels = box->parcels;
    box->parcels = NULL;
    pthread_mutex_unlock(&box->mutex);
    return parcels;
}

/* ---- parcels: blocks whose first and last bytes tell their size ---- */

static parcel *new_parcel(uint64_t *random, size_t number)
{
    size_t size = sizeof(parcel) + 1 + stress_below(random, 500);
    if (number % 50 == 0) {
        size += 4096 + stress_below(random, 60000);
    }
    if (number % HUGE_EVERY == 0) {
        size = ZEND_MM_SEGMENT_SIZE + stress_below(random, 100000);
    }
    parcel *parcel = emalloc(size);
    parcel->next = NULL;
    parcel->size = size;
    ((unsigned char *)parcel)[size - 1] = (unsigned char)size;
    return parcel;
}

static size_t free_parcels(parcel *parcel)
{
    size_t count = 0;
    while (parcel != NULL) {
        struct parcel *next = parcel->next;
        CHECK(((unsigned char *)parcel)[parcel->size - 1] == (unsigned char)parcel->size);
        efree(parcel);
        parcel = next;
        count++;
    }
    return count;
}

/* ---- producers and consumers ---- */

static struct gate produced = GATE_INIT, consumed = GATE_INIT;
static mailbox boxes[THREADS_MAX];
static int box_count;

typedef struct producer {
    pthread_t thread;
    uint64_t seed;
    size_t sent_count;
} producer;

static void produce(producer *producer)
{
    uint64_t random = producer->seed;
    parcel *first = NULL, *last = NULL;
    for (size_t number = 1; number <= block_count; number++) {
        parcel *parcel = new_parcel(&random, number);
        parcel->next = first;
        last = first == NULL ? parcel : last;
        first = parcel;
        if (number % BATCH == 0 || number == block_count) {
            post(&boxes[stress_below(&random, (size_t)box_count)], first, last);
            first = NULL;
        }
        producer->sent_count++;
    }
}

/* After all was freed by others: the statistics say so, a drain brings the size back to 0. */
static void check_producer(const producer *producer)
{
    zend_mm_heap_statistics stats;
    const char *what;
    zend_mm_heap *heap = zend_mm_get_heap();
    CHECK(zend_mm_heap_stats(NULL, &stats));
    CHECK(stats.remote_free_count == producer->sent_count);
    (void)zend_mm_gc(heap);
    CHECK(zend_mm_heap_stats(NULL, &stats));
    CHECK(stats.size == 0);
    CHECK(stats.huge_count == 0);
    CHECK(zend_mm_heap_is_valid(heap, &what));
    CHECK(stats.real_size == ZEND_MM_SEGMENT_SIZE);
}

static void *producer_body(void *arg)
{
    producer *producer = arg;
    CHECK(ts_resource(0) != NULL);
    produce(producer);
    gate_rise(&produced);
    gate_pass(&consumed, 1);
    check_producer(producer);
    ts_free_thread();
    return NULL;
}

static void *consumer_body(void *arg)
{
    mailbox *box = arg;
    size_t count = 0;
    parcel *parcels;
    CHECK(ts_resource(0) != NULL);
    while ((parcels = collect(box)) != NULL) {
        /* A consumer's own blocks lie between the others' on its heap. */
        void *own = emalloc(200);
        count += free_parcels(parcels);
        efree(own);
    }
    CHECK(alloc_usage(0) == 0);
    ts_free_thread();
    return (void *)count;
}

static void reset_stage(struct gate *gate)
{
    gate->stage = 0;
}

static void exchange(int producer_count, int consumer_count)
{
    producer producers[THREADS_MAX] = { 0 };
    pthread_t consumers[THREADS_MAX];
    size_t freed_count = 0;
    reset_stage(&produced);
    reset_stage(&consumed);
    box_count = consumer_count;
    for (int index = 0; index < consumer_count; index++) {
        boxes[index] = (mailbox){ PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
            NULL, false };
        consumers[index] = thread_run(consumer_body, &boxes[index]);
    }
    for (int index = 0; index < producer_count; index++) {
        producers[index].seed = (uint64_t)index;
        producers[index].thread = thread_run(producer_body, &producers[index]);
    }
    gate_pass(&produced, producer_count);
    for (int index = 0; index < consumer_count; index++) {
        close_mailbox(&boxes[index]);
    }
    for (int index = 0; index < consumer_count; index++) {
        freed_count += (size_t)thread_result(consumers[index]);
    }
    gate_open(&consumed, 1);
    for (int index = 0; index < producer_count; index++) {
        thread_result(producers[index].thread);
    }
    CHECK(freed_count == (size_t)producer_count * block_count);
}

/* ---- the owner's request and thread end while blocks are on their way ---- */

enum { LEFT_COUNT = 300, LEFT_ROUND_COUNT = 30 };

typedef struct left {
    void *blocks[LEFT_COUNT];
    struct gate filled, freed;
} left;

static void *free_left(void *arg)
{
    left *left = arg;
    for (int round = 1; round <= LEFT_ROUND_COUNT; round++) {
        gate_pass(&left->filled, round);
        for (int index = 0; index < LEFT_COUNT; index++) {
            efree(left->blocks[index]);
        }
        gate_open(&left->freed, round);
    }
    ts_free_thread();
    return NULL;
}

static void fill_left(left *left)
{
    static const size_t sizes[] = { 8, 100, 3000, 5000, 300000 };
    for (int index = 0; index < LEFT_COUNT; index++) {
        size_t size = index == 0 ? 3 * ZEND_MM_SEGMENT_SIZE : sizes[index % 5];
        left->blocks[index] = emalloc(size);
        memset(left->blocks[index], index, size < 64 ? size : 64);
    }
}

/* A block on the list and freed twice would come out of the heap twice. */
static void check_blocks_differ(void)
{
    model model = { 0 };
    for (int index = 0; index < 4 * LEFT_COUNT; index++) {
        model_add(&model, emalloc(100), 100);
    }
    CHECK(model_is_disjoint(&model));
    CHECK(model_all_match(&model));
    for (size_t index = 0; index < model.count; index++) {
        efree(model.blocks[index].address);
    }
    model_end(&model);
}

static void reset_with_a_full_list(void)
{
    static left left = { .filled = GATE_INIT, .freed = GATE_INIT };
    CHECK_CASE("a request end drops the remote list: no block of it is freed twice");
    pthread_t helper = thread_run(free_left, &left);
    for (int round = 1; round <= LEFT_ROUND_COUNT; round++) {
        const char *what;
        fill_left(&left);
        gate_open(&left.filled, round);
        gate_pass(&left.freed, round);
        CHECK(!zend_mm_remote_is_empty(&zend_mm_get_heap()->remote));
        alloc_reset();
        CHECK(zend_mm_remote_is_empty(&zend_mm_get_heap()->remote));
        CHECK(alloc_usage(0) == 0);
        CHECK(zend_mm_heap_is_valid(zend_mm_get_heap(), &what));
        check_blocks_differ();
        CHECK(alloc_usage(0) == 0);
    }
    thread_result(helper);
}

typedef struct ending {
    left left;
    bool ends_by_itself;
    zend_mm_heap *heap;
} ending;

static void *owner_body(void *arg)
{
    ending *ending = arg;
    CHECK(ts_resource(0) != NULL);
    ending->heap = zend_mm_get_heap();
    for (int round = 1; round <= LEFT_ROUND_COUNT; round++) {
        fill_left(&ending->left);
        gate_open(&ending->left.filled, round);
        gate_pass(&ending->left.freed, round);
    }
    CHECK(!zend_mm_remote_is_empty(&ending->heap->remote));
    if (!ending->ends_by_itself) {
        ts_free_thread();
    }
    return NULL;
}

static void end_with_a_full_list(bool ends_by_itself)
{
    ending ending = { .left = { .filled = GATE_INIT, .freed = GATE_INIT },
        .ends_by_itself = ends_by_itself };
    pthread_t owner = thread_run(owner_body, &ending);
    pthread_t helper = thread_run(free_left, &ending.left);
    thread_result(helper);
    thread_result(owner);
    CHECK(tsrm_thread_count() == 1);
    for (int index = 0; index < LEFT_COUNT; index++) {
        CHECK(zend_mm_owner_of(ending.left.blocks[index]) == ZEND_MM_OWNER_NONE);
    }
}

/* ---- misuse, in children ---- */

static void *leave_block(void *arg)
{
    void **block = arg;
    *block = emalloc(ZEND_MM_SEGMENT_SIZE + 1);
    ts_free_thread();
    return NULL;
}

static int free_dead_block(void *block)
{
    efree(block);
    return 0;
}

static void free_after_the_owner_ended(void)
{
    void *block = NULL;
    CHECK_CASE("a free of a block whose owner has ended is caught");
    thread_result(thread_run(leave_block, &block));
    child_end end = child_run(free_dead_block, block);
    CHECK(child_panicked(&end, "free of an address that belongs to no heap"));
}

/* The program anew, with ZEND_MM_REMOTE_FREE=panic. */
static int free_with_panic_policy(void)
{
    static left left = { .filled = GATE_INIT, .freed = GATE_INIT };
    setenv("ZEND_MM_REMOTE_FREE", "panic", 1);
    alloc_begin();
    void *own = emalloc(100);
    efree(own);
    fill_left(&left);
    gate_open(&left.filled, 1);
    thread_result(thread_run(free_left, &left));
    return 0;
}

static void panic_policy_aborts(void)
{
    char name[] = "remote_threads", argument[] = "--panic";
    char *arguments[] = { name, argument, NULL };
    CHECK_CASE("with ZEND_MM_REMOTE_FREE=panic a remote free ends the process");
    child_end end = child_exec(arguments);
    CHECK(child_panicked(&end, "free of a block of another thread's heap"));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--panic") == 0) {
        return free_with_panic_policy();
    }
    block_count = argc > 1 ? (size_t)atol(argv[1]) : block_count;
    alloc_begin();
    panic_policy_aborts();
    CHECK_CASE("one producer's blocks are all freed by one consumer");
    exchange(1, 1);
    CHECK_CASE("four producers' blocks are all freed by one consumer");
    exchange(4, 1);
    CHECK_CASE("one producer's blocks are all freed by four consumers");
    exchange(1, 4);
    CHECK_CASE("three producers' blocks are all freed by four consumers");
    exchange(3, 4);
    reset_with_a_full_list();
    CHECK_CASE("a thread ends by ts_free_thread with a full remote list");
    end_with_a_full_list(false);
    CHECK_CASE("a thread ends by itself with a full remote list");
    end_with_a_full_list(true);
    free_after_the_owner_ended();
    CHECK(alloc_end() == 0);
    return check_summary();
}

#else

int main(void)
{
    CHECK_CASE("blocks are freed by other threads");
    CHECK_SKIP("built without ZTS: there is one heap");
    return check_summary();
}

#endif
