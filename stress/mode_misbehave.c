/* mode_misbehave: callbacks that do what callbacks are warned of: constructors that call TSRM and
 * allocate, destructors that free, error callbacks that allocate, are refused or bail out, and
 * pthread destructors that free when the thread's function has long returned.
 * Owns        three resource ids and a pthread key, while it runs.
 * Thread      each worker its own; its short-lived threads, too.
 * Invariants  I1  a note is freed, or forgotten, before the request that it belongs to ends
 *             I2  made_count is 0 when all threads have ended and the ids are freed
 * Failure     stress_fail().
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "stress/stress.h"

enum { MOST_BLOCKS = 100, NOTE_SIZE = 200, CALLBACK_BLOCKS = 60, ROOM = 3 * 1024 * 1024 };

/* ---- error callbacks ---- */

static void allocate_and_free(stress_worker *worker)
{
    void *blocks[CALLBACK_BLOCKS];
    for (size_t index = 0; index < CALLBACK_BLOCKS; index++) {
        size_t size = 16 + index * 300;
        blocks[index] = emalloc(size);
        memset(blocks[index], (int)index, size);
    }
    for (size_t index = 0; index < CALLBACK_BLOCKS; index++) {
        efree(blocks[index]);
    }
    stress_check_accounting(worker, 0);
}

static void bail_out_itself(stress_worker *worker)
{
    allocate_and_free(worker);
    zend_bailout();
}

/* What is refused inside the callback is refused quietly. */
static void fail_again(stress_worker *worker)
{
    stress_expect(worker, zend_mm_try_alloc(zend_mm_get_heap(), SIZE_MAX / 2) == NULL,
        "more bytes than there are were allocated");
    stress_expect(worker, worker->error.count == 1, "a recoverable call reported an error");
}

static void exceed_limit(stress_worker *worker)
{
    size_t most = worker->run->options->memory_limit;
    size_t limit = worker->fresh_size + ROOM;
    stress_expect(worker, zend_set_memory_limit(limit < most ? limit : most),
        "a limit above the real size was refused");
    for (size_t size = 1000;; size += 100) {
        if (worker->blocks.count == worker->profile.count_max) {
            stress_mix_free(worker, 0);
        }
        stress_blocks_add(worker, emalloc(size), size);
    }
}

static void misuse_error_callback(stress_worker *worker)
{
    static void (*const callbacks[])(stress_worker *) = {
        allocate_and_free, bail_out_itself, fail_again,
    };
    if (!worker->run->exact) {      /* calls are passed on: there is no limit to hit */
        return;
    }
    worker->on_error = callbacks[stress_below(&worker->random, 3)];
    stress_expect(worker, stress_protected(worker, exceed_limit), "the limit was not hit");
    stress_expect(worker, worker->error.count > 0, "a bailout came without an error");
    worker->on_error = NULL;
    worker->counters.refusal_count++;
    stress_check_everything(worker);
    stress_check_accounting(worker, 0);
}

#ifdef ZTS

/* ---- constructors and destructors ---- */

typedef struct note {
    char *text;                 /* on the heap of the thread it belongs to; NULL: none */
} note;

static struct {
    ts_rsrc_id outer_id, inner_id, note_id;     /* const while workers run */
    pthread_key_t key;                          /* const while workers run */
    atomic_int made_count;                      /* relaxed: read when the threads are joined */
} shared;

static void count_made(void *resource, void ***tsrm_ls)
{
    (void)resource, (void)tsrm_ls;
    atomic_fetch_add_explicit(&shared.made_count, 1, memory_order_relaxed);
}

static void count_destroyed(void *resource, void ***tsrm_ls)
{
    (void)resource, (void)tsrm_ls;
    ts_free_thread();           /* here: an error that does nothing */
    atomic_fetch_sub_explicit(&shared.made_count, 1, memory_order_relaxed);
}

/* The first one allocates another id. */
static void construct_outer(void *resource, void ***tsrm_ls)
{
    count_made(resource, tsrm_ls);
    if (shared.inner_id == 0) {
        ts_allocate_id(&shared.inner_id, 100, count_made, count_destroyed);
    }
}

/* Looks at other resources, and allocates if the heap is the thread's own. */
static void construct_note(void *resource, void ***tsrm_ls)
{
    note *own = resource;
    count_made(resource, tsrm_ls);
    if (ts_resource(shared.outer_id) != NULL && tsrm_get_ls_cache() == (void *)tsrm_ls) {
        own->text = emalloc(NOTE_SIZE);
        memset(own->text, 'n', NOTE_SIZE);
    }
}

static void destroy_note(void *resource, void ***tsrm_ls)
{
    note *own = resource;
    stress_worker *worker = stress_worker_current();
    if (own->text != NULL) {
        if (own->text[NOTE_SIZE - 1] != 'n' && worker != NULL) {
            stress_fail(worker, "a constructor's block has lost its contents");
        }
        efree(own->text);
        own->text = NULL;
    }
    count_destroyed(resource, tsrm_ls);
}

static void free_late(void *block)
{
    efree(block);
}

static void forget_note(void)
{
    note *own = ts_resource(shared.note_id);
    if (own != NULL && own->text != NULL) {
        efree(own->text);
        own->text = NULL;
    }
}

static void *child_main(void *argument)
{
    stress_worker *worker = argument;
    stress_worker_enter(worker);
    if (stress_expect(worker, ts_resource(0) != NULL, "a thread got no TSRM entry")) {
        const note *own = ts_resource(shared.note_id);
        stress_expect(worker, own != NULL && own->text != NULL && own->text[0] == 'n',
            "a constructor's block is not there");
        stress_mix_steps(worker, 50);
        if (stress_once_in(&worker->random, 2)) {
            pthread_setspecific(shared.key, emalloc(300));
        } else if (stress_once_in(&worker->random, 2)) {
            ts_free_thread();
        }
    }
    worker->counters.thread_count++;
    return NULL;
}

static void run_child(stress_worker *worker)
{
    pthread_t thread;
    stress_worker child;
    if (!stress_worker_init_child(&child, worker, stress_random(&worker->random), MOST_BLOCKS)) {
        return;
    }
    /* The blocks' sum does not count the constructors' block: contents are checked, sums are not. */
    child.counts_blocks = false;
    if (pthread_create(&thread, NULL, child_main, &child) == 0) {
        pthread_join(thread, NULL);
        stress_counters_add(&worker->counters, &child.counters);
    }
    stress_worker_free(&child);
}

static bool begin(stress_run *run)
{
    (void)run;
    atomic_store(&shared.made_count, 0);
    shared.inner_id = 0;
    return ts_allocate_id(&shared.outer_id, 100, construct_outer, count_destroyed) != 0
        && ts_allocate_id(&shared.note_id, sizeof(note), construct_note, destroy_note) != 0
        && shared.inner_id != 0 && pthread_key_create(&shared.key, free_late) == 0;
}

static void end(stress_run *run)
{
    ts_free_id(shared.note_id);
    ts_free_id(shared.inner_id);
    ts_free_id(shared.outer_id);
    pthread_key_delete(shared.key);
    if (atomic_load(&shared.made_count) != 0) {
        stress_fail(&run->workers[0], "%d resources were constructed and not destroyed",
            atomic_load(&shared.made_count));
    }
}

#else

static bool begin(stress_run *run)
{
    (void)run;
    return true;
}

static void end(stress_run *run)
{
    (void)run;
}

static void forget_note(void)
{
}

static void run_child(stress_worker *worker)
{
    stress_mix_steps(worker, 50);
}

#endif

static bool enter(stress_worker *worker)
{
    (void)worker;
    forget_note();
    return true;
}

static void operate(stress_worker *worker)
{
    if (stress_once_in(&worker->random, 2)) {
        run_child(worker);
    } else {
        misuse_error_callback(worker);
    }
    stress_end_request(worker);
}

static void leave(stress_worker *worker)
{
    stress_expect(worker, zend_set_memory_limit(SIZE_MAX), "the limit cannot be lifted");
}

const stress_mode stress_mode_misbehave = {
    .name = "misbehave",
    .summary = "callbacks that allocate, fail, free and call TSRM",
    .may_fail = true,
    .begin = begin,
    .end = end,
    .enter = enter,
    .leave = leave,
    .operate = operate,
};
