/* mode_ids: resource ids come and go late, while all threads read their copies.
 * Owns        a board of ids that are in use now.
 * Thread      any worker puts an id on the board or takes one off; all read.
 * Invariants  I1  an id is freed when nobody reads it: a reader counts itself in before it looks at
 *                 the board, the freeing thread waits until it has seen none
 *             I2  constructed_count is 0 when all ids are freed and all threads ended
 * Failure     stress_fail(). A process has TSRM_RSRC_ID_MAX ids for its whole life: when this mode's
 *             part is used up, the ids that are left are read.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include "stress/stress.h"

#ifdef ZTS

#include <sched.h>
#include <stdlib.h>

enum { BOARD_SIZE = 64, ID_BUDGET = 6000, OPERATIONS_PER_CHANGE = 400, OPERATIONS_PER_THREAD = 800,
    STEPS_PER_OPERATION = 4 };

#define STAMP UINT64_C(0x5453524D20494453)

typedef struct resource {
    uint64_t stamp;
    void *self;
    void ***entry;
} resource;

typedef struct place {
    alignas(64) atomic_uint reader_count;       /* seq_cst with `id`: see I1 */
    _Atomic ts_rsrc_id id;                      /* 0: free; -1: being filled */
} place;

static struct {
    place board[BOARD_SIZE];
    atomic_int constructed_count;               /* relaxed: read when the threads are joined */
    atomic_int budget;
} ids;

static void construct(void *memory, void ***tsrm_ls)
{
    resource *copy = memory;
    copy->self = copy;
    copy->entry = tsrm_ls;
    copy->stamp = STAMP;
    atomic_fetch_add_explicit(&ids.constructed_count, 1, memory_order_relaxed);
}

static void destroy(void *memory, void ***tsrm_ls)
{
    resource *copy = memory;
    stress_worker *worker = stress_worker_current();
    bool right = copy->stamp == STAMP && copy->self == copy && copy->entry == tsrm_ls;
    if (!right && worker != NULL) {
        stress_fail(worker, "a destructor got a resource that was not constructed");
    }
    copy->stamp = 0;
    atomic_fetch_sub_explicit(&ids.constructed_count, right ? 1 : 0, memory_order_relaxed);
}

static bool spend_one(void)
{
    int left = atomic_load(&ids.budget);
    while (left > 0 && !atomic_compare_exchange_weak(&ids.budget, &left, left - 1)) {
    }
    return left > 0;
}

static void add_id(stress_worker *worker, place *chosen)
{
    ts_rsrc_id none = 0, id = 0;
    if (!atomic_compare_exchange_strong(&chosen->id, &none, -1)) {
        return;
    }
    if (spend_one()) {
        ts_rsrc_id given = ts_allocate_id(&id, sizeof(resource), construct, destroy);
        stress_expect(worker, given == id && id > 0, "ts_allocate_id gave no id");
    }
    atomic_store(&chosen->id, id);
}

static void remove_id(stress_worker *worker, place *chosen)
{
    ts_rsrc_id id = atomic_load(&chosen->id);
    if (id <= 0 || atomic_load(&ids.budget) == 0
            || !atomic_compare_exchange_strong(&chosen->id, &id, -1)) {
        return;
    }
    while (atomic_load(&chosen->reader_count) != 0) {
        sched_yield();
    }
    ts_free_id(id);
    stress_expect(worker, ts_resource(id) == NULL, "a freed id still has a resource");
    atomic_store(&chosen->id, 0);
}

static void read_id(stress_worker *worker, place *chosen)
{
    TSRMLS_FETCH();
    atomic_fetch_add(&chosen->reader_count, 1);
    ts_rsrc_id id = atomic_load(&chosen->id);
    if (id > 0) {
        const resource *copy = TSRMG_BULK(id, resource *);
        if (stress_expect(worker, copy != NULL, "an id in use has no resource here")) {
            stress_expect(worker, copy->stamp == STAMP && copy->self == copy,
                "a resource was not constructed");
            stress_expect(worker, copy->entry == tsrm_ls, "a resource belongs to another thread");
        }
    }
    atomic_fetch_sub(&chosen->reader_count, 1);
}

static void *child_main(void *argument)
{
    stress_worker *worker = argument;
    stress_worker_enter(worker);
    if (stress_expect(worker, ts_resource(0) != NULL, "a thread got no TSRM entry")) {
        for (size_t index = 0; index < BOARD_SIZE; index++) {
            read_id(worker, &ids.board[index]);
        }
        efree(emalloc(100));
    }
    worker->counters.thread_count++;
    return NULL;
}

static void run_child(stress_worker *worker)
{
    pthread_t thread;
    stress_worker child;
    if (!stress_worker_init_child(&child, worker, stress_random(&worker->random), 1)) {
        return;
    }
    if (pthread_create(&thread, NULL, child_main, &child) == 0) {
        pthread_join(thread, NULL);
        stress_counters_add(&worker->counters, &child.counters);
    }
    stress_worker_free(&child);
}

static void operate(stress_worker *worker)
{
    uint64_t *random = &worker->random;
    place *chosen = &ids.board[stress_below(random, BOARD_SIZE)];
    size_t dice = stress_below(random, OPERATIONS_PER_CHANGE);
    if (dice < 3) {
        add_id(worker, chosen);
    } else if (dice == 3) {
        remove_id(worker, chosen);
    } else {
        read_id(worker, chosen);
    }
    if (stress_once_in(random, OPERATIONS_PER_THREAD)) {
        run_child(worker);
    }
    stress_mix_steps(worker, STEPS_PER_OPERATION);
}

static bool begin(stress_run *run)
{
    static atomic_int left_of_process = ID_BUDGET;
    /* The warm-up and a run share the process's ids. */
    int part = atomic_load(&left_of_process);
    part = run->stop_at == 0 && part == ID_BUDGET ? part / 8 : part;
    atomic_fetch_sub(&left_of_process, part);
    atomic_store(&ids.budget, part);
    return true;
}

static void end(stress_run *run)
{
    for (size_t index = 0; index < BOARD_SIZE; index++) {
        ts_rsrc_id id = atomic_exchange(&ids.board[index].id, 0);
        if (id > 0) {
            ts_free_id(id);
        }
    }
    int left = atomic_exchange(&ids.constructed_count, 0);
    if (left != 0) {
        stress_fail(&run->workers[0], "%d resources were constructed and not destroyed", left);
    }
}

#else

static bool begin(stress_run *run)
{
    (void)run;
    return false;
}

static void end(stress_run *run)
{
    (void)run;
}

static void operate(stress_worker *worker)
{
    (void)worker;
}

#endif

const stress_mode stress_mode_ids = {
    .name = "ids",
    .summary = "resource ids come and go while all threads read",
    .need = STRESS_NEEDS_ZTS,
    .begin = begin,
    .end = end,
    .operate = operate,
};
