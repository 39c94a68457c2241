/* mode_oom: heaps on a storage that refuses at random: nothing is lost, nothing is left behind.
 * Owns        the storage handlers `stress`, and a heap of its own per worker.
 * Thread      each worker its own heap and storage.
 * Invariants  I1  given_size is what the storage gave and did not get back
 * Failure     stress_fail(); refusals are the point.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "stress/stress.h"

enum { CALLS_PER_OPERATION = 16, OPERATIONS_PER_REQUEST = 200, OPERATIONS_PER_HEAP = 1000,
    OPERATIONS_PER_MOOD = 60 };

typedef struct bad_storage {
    zend_mm_storage storage;        /* first: what the handlers get */
    stress_worker *worker;
    size_t one_in;                  /* of so many calls one is refused; 0: none */
    size_t given_size;
    size_t given_count;
    size_t refused_count;
    bool open;                      /* between init and dtor */
    zend_mm_heap *own_heap;         /* the thread's, before the mode */
    zend_mm_heap *heap;
} bad_storage;

static bool refuses(bad_storage *bad)
{
    bool refused = bad->one_in != 0 && stress_once_in(&bad->worker->random, bad->one_in);
    bad->refused_count += refused;
    return refused;
}

static zend_mm_storage *bad_init(void *params)
{
    bad_storage *bad = params;
    bad->open = true;
    return &bad->storage;
}

static void bad_dtor(zend_mm_storage *storage)
{
    bad_storage *bad = (bad_storage *)storage;
    stress_expect(bad->worker, bad->open, "the storage was ended twice");
    stress_expect(bad->worker, bad->given_size == 0 && bad->given_count == 0,
        "the heap has kept memory of its storage");
    bad->open = false;
}

static void *bad_alloc(zend_mm_storage *storage, size_t size)
{
    bad_storage *bad = (bad_storage *)storage;
    void *block = NULL;
    if (refuses(bad) || posix_memalign(&block, ZEND_MM_SEGMENT_SIZE, size) != 0) {
        return NULL;
    }
    bad->given_size += size;
    bad->given_count++;
    return block;
}

static void *bad_realloc(zend_mm_storage *storage, void *block, size_t old_size, size_t new_size)
{
    bad_storage *bad = (bad_storage *)storage;
    void *moved = stress_once_in(&bad->worker->random, 2) ? bad_alloc(storage, new_size) : NULL;
    if (moved != NULL) {
        memcpy(moved, block, old_size < new_size ? old_size : new_size);
        bad->given_size -= old_size;
        bad->given_count--;
        free(block);
    }
    return moved;
}

static void bad_free(zend_mm_storage *storage, void *block, size_t size)
{
    bad_storage *bad = (bad_storage *)storage;
    stress_expect(bad->worker, bad->given_count > 0 && bad->given_size >= size,
        "the storage got more back than it gave");
    bad->given_size -= size;
    bad->given_count--;
    free(block);
}

static const zend_mm_mem_handlers bad_handlers = {
    "stress", bad_init, bad_dtor, NULL, bad_alloc, bad_realloc, bad_free,
};

/* ---- heaps ---- */

static void make_heap(stress_worker *worker, bad_storage *bad)
{
    do {
        bad->one_in = 2 + stress_below(&worker->random, 3);
        bad->heap = zend_mm_startup_ex(&bad_handlers, ZEND_MM_SEGMENT_SIZE,
            stress_below(&worker->random, 3) * 8192, (int)stress_below(&worker->random, 2), bad);
        stress_expect(worker, bad->heap != NULL || bad->given_count == 0,
            "a heap that could not start has kept memory");
    } while (bad->heap == NULL);
    stress_set_heap(bad->heap);
}

static void end_heap(stress_worker *worker, bad_storage *bad)
{
    stress_check_everything(worker);
    stress_set_heap(bad->own_heap);
    zend_mm_shutdown(bad->heap, 1, 1);
    stress_expect(worker, !bad->open, "a heap has ended and its storage has not");
    worker->blocks.count = 0;
    worker->blocks.size = 0;
    worker->counters.request_count++;
}

static bool enter(stress_worker *worker)
{
    bad_storage *bad = calloc(1, sizeof *bad);
    if (!stress_expect(worker, bad != NULL, "no memory for a storage")) {
        return false;
    }
    bad->worker = worker;
    bad->storage.handlers = &bad_handlers;
    bad->own_heap = zend_mm_get_heap();
    worker->state = bad;
    worker->fresh_size = ZEND_MM_SEGMENT_SIZE;
    worker->profile.huge_share = 100;
    make_heap(worker, bad);
    return true;
}

static void leave(stress_worker *worker)
{
    bad_storage *bad = worker->state;
    end_heap(worker, bad);
    free(bad);
    worker->fresh_size = worker->run->fresh_size;
}

static void operate(stress_worker *worker)
{
    bad_storage *bad = worker->state;
    uint64_t *random = &worker->random;
    if (stress_once_in(random, OPERATIONS_PER_MOOD)) {
        bad->one_in = stress_below(random, 6);
    }
    if (stress_once_in(random, OPERATIONS_PER_REQUEST)) {
        stress_end_request(worker);
    }
    if (stress_once_in(random, OPERATIONS_PER_HEAP)) {
        end_heap(worker, bad);
        make_heap(worker, bad);
    }
    stress_mix_steps(worker, CALLS_PER_OPERATION);
}

const stress_mode stress_mode_oom = {
    .name = "oom",
    .summary = "a storage that refuses at random: nothing lost, nothing left behind",
    .may_fail = true,
    .enter = enter,
    .leave = leave,
    .operate = operate,
};
