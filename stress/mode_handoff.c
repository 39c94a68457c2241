/* mode_handoff: blocks travel through boxes to other threads, which check and free them.
 * Owns        a box for each worker, and each worker's letters.
 * Thread      a box: many put, its worker takes; a letter: its owner writes it while it is at home,
 *             its holder while it is away.
 * Invariants  I1  a block is freed before its owner's request ends: the owner waits for its letters,
 *                 and empties its own box meanwhile
 *             I2  a worker leaves when no worker sends any more and no letter is away
 * Failure     stress_fail(); then nobody waits any more.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <ck_stack.h>
#include <sched.h>
#include <stdlib.h>

#include "stress/stress.h"
#include "tsan.h"

enum { LETTER_COUNT = 200, OPERATIONS_PER_REQUEST = 400, MOST_STOPS = 4 };

typedef struct letter {
    ck_stack_entry_t link;              /* first: a letter is found by it */
    stress_block block;
    unsigned int owner;                 /* worker index */
    unsigned int stop_count;            /* its holder's: boxes it has been through */
    uint64_t remaining;                 /* its holder's: chooses where it goes */
    atomic_bool away;                   /* release when freed, acquire by its owner */
} letter;

typedef struct post_box {
    alignas(64) ck_stack_t arrived;     /* atomic: upmc push by any worker, batch pop by this one */
    alignas(64) _Atomic uint64_t freed_count;   /* relaxed: blocks of this worker freed elsewhere */
    letter *letters;                    /* the worker's own */
    unsigned int next_letter;           /* owner only */
} post_box;

typedef struct post_office {
    atomic_uint sender_count;           /* workers that may still send */
    _Atomic size_t away_count;          /* letters in boxes or in a worker's hand */
    post_box boxes[];
} post_office;

static void end(stress_run *run)
{
    post_office *office = run->state;
    for (unsigned int index = 0; index < run->thread_count; index++) {
        free(office->boxes[index].letters);
    }
    free(office);
}

static bool begin(stress_run *run)
{
    size_t size = sizeof(post_office) + run->thread_count * sizeof(post_box);
    size = (size + 63) & ~(size_t)63;
    post_office *office = aligned_alloc(64, size);
    if (office == NULL) {
        return false;
    }
    atomic_init(&office->sender_count, run->thread_count);
    atomic_init(&office->away_count, 0);
    bool complete = true;
    for (unsigned int index = 0; index < run->thread_count; index++) {
        post_box *box = &office->boxes[index];
        ck_stack_init(&box->arrived);
        atomic_init(&box->freed_count, 0);
        box->next_letter = 0;
        box->letters = calloc(LETTER_COUNT, sizeof *box->letters);
        complete = complete && box->letters != NULL;
    }
    run->state = office;
    if (!complete) {
        end(run);
    }
    return complete;
}

/* A stack, since nobody waits for anybody there: each producer of a ck_ring waits for the one before, which
 * may have lost its time slice. */
static void put(post_box *box, letter *letter)
{
    zend_mm_tsan_release(letter);
    ck_stack_push_upmc(&box->arrived, &letter->link);
}

/* The journey's end: look at the block and free it. */
static void deliver(stress_worker *worker, letter *letter)
{
    post_office *office = worker->run->state;
    const stress_block *block = &letter->block;
    if (!stress_block_matches(block, block->address, block->size)) {
        stress_fail(worker, "a block of %zu bytes of worker %u has lost its contents on its way",
            block->asked_size, letter->owner);
    }
    if (letter->owner != worker->index) {
        atomic_fetch_add_explicit(&office->boxes[letter->owner].freed_count, 1,
            memory_order_relaxed);
        worker->counters.remote_count++;
    }
    efree(block->address);
    atomic_store_explicit(&letter->away, false, memory_order_release);
    atomic_fetch_sub_explicit(&office->away_count, 1, memory_order_release);
}

static void send_on(stress_worker *worker, letter *letter)
{
    post_office *office = worker->run->state;
    size_t to = stress_below(&letter->remaining, worker->run->thread_count);
    letter->stop_count++;
    put(&office->boxes[to], letter);
}

static void empty_own_box(stress_worker *worker)
{
    post_office *office = worker->run->state;
    letter *taken = (letter *)ck_stack_batch_pop_upmc(&office->boxes[worker->index].arrived);
    while (taken != NULL) {
        zend_mm_tsan_acquire(taken);
        letter *next = (letter *)CK_STACK_NEXT(&taken->link);
        if (taken->stop_count < taken->remaining % MOST_STOPS) {
            send_on(worker, taken);
        } else {
            deliver(worker, taken);
        }
        taken = next;
    }
}

static void send(stress_worker *worker, size_t index)
{
    post_office *office = worker->run->state;
    post_box *box = &office->boxes[worker->index];
    letter *letter = &box->letters[box->next_letter++ % LETTER_COUNT];
    if (atomic_load_explicit(&letter->away, memory_order_acquire)) {
        stress_mix_free(worker, index);
        return;
    }
    letter->block = stress_blocks_take(worker, index);
    letter->owner = worker->index;
    letter->stop_count = 0;
    letter->remaining = letter->block.pattern;
    atomic_fetch_add_explicit(&office->away_count, 1, memory_order_relaxed);
    atomic_store_explicit(&letter->away, true, memory_order_relaxed);
    send_on(worker, letter);
}

/* ---- request end ---- */

static bool has_letters_away(const post_box *box)
{
    for (size_t index = 0; index < LETTER_COUNT; index++) {
        if (atomic_load_explicit(&box->letters[index].away, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

static bool has_failed(const stress_worker *worker)
{
    return atomic_load_explicit(&worker->run->fault_count, memory_order_relaxed) != 0;
}

/* Everything that others have freed is known to the heap, to the byte and to the block. */
static void check_nothing_lost(stress_worker *worker)
{
    const post_office *office = worker->run->state;
    zend_mm_heap_statistics stats;
    (void)zend_mm_gc(zend_mm_get_heap());
    stress_check_accounting(worker, 0);
    if (worker->run->exact && zend_mm_heap_stats(NULL, &stats)) {
        stress_expect(worker, stats.remote_free_count == atomic_load_explicit(
            &office->boxes[worker->index].freed_count, memory_order_relaxed),
            "the heap counted other remote frees than there were");
    }
}

static void end_request(stress_worker *worker)
{
    const post_office *office = worker->run->state;
    while (has_letters_away(&office->boxes[worker->index]) && !has_failed(worker)) {
        empty_own_box(worker);
        sched_yield();
    }
    if (has_failed(worker)) {
        return;
    }
    if (stress_once_in(&worker->random, 2)) {
        check_nothing_lost(worker);
    }
    stress_check_everything(worker);
    stress_end_request(worker);
}

static void operate(stress_worker *worker)
{
    empty_own_box(worker);
    for (int call = 0; call < 8; call++) {
        stress_mix_step(worker);
    }
    if (worker->blocks.count > 0) {
        send(worker, stress_below(&worker->random, worker->blocks.count));
    }
    if (stress_once_in(&worker->random, OPERATIONS_PER_REQUEST)) {
        end_request(worker);
    }
}

static void leave(stress_worker *worker)
{
    post_office *office = worker->run->state;
    atomic_fetch_sub(&office->sender_count, 1);
    /* A letter may be sent on as long as one is away: only then is the own box empty for good. */
    while ((atomic_load(&office->sender_count) != 0 || atomic_load(&office->away_count) != 0)
            && !has_failed(worker)) {
        empty_own_box(worker);
        sched_yield();
    }
    if (!has_failed(worker)) {
        check_nothing_lost(worker);
    }
}

const stress_mode stress_mode_handoff = {
    .name = "handoff",
    .summary = "blocks travel between threads and are freed elsewhere",
    .need = STRESS_NEEDS_ZTS,
    .begin = begin,
    .end = end,
    .leave = leave,
    .operate = operate,
};
