/* worker.h: a thread that serves requests of one pool on a heap of its own. */
#ifndef TSRMALLOC_FPM_WORKER_H
#define TSRMALLOC_FPM_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "fpm/budget.h"
#include "fpm/conf.h"
#include "fpm/connection.h"
#include "fpm/request.h"
#include "fpm/scoreboard.h"

typedef struct fpm_pool fpm_pool;

typedef enum fpm_worker_life {
    FPM_WORKER_NONE,        /* no thread */
    FPM_WORKER_ALIVE,       /* started, not told to leave */
    FPM_WORKER_LEAVING,     /* told to leave */
} fpm_worker_life;

typedef struct fpm_worker {
    fpm_pool *pool;                     /* const while the thread runs */
    const fpm_conf_pool *conf;          /* const while the thread runs */
    unsigned int index;                 /* in the pool */
    fpm_score_slot score;

    /* The worker's own. */
    uint8_t *input;                     /* FPM_INPUT_SIZE bytes */
    fpm_request request;                /* the request side's; zeroed at thread start */
    uint64_t request_limit;             /* requests after which it ends; 0 = none */
    fpm_budget_part budget_part;        /* lock: the budget's mutex */

    /* The control thread's. */
    fpm_worker_life life;
    uint64_t started_at;                /* nanoseconds of CLOCK_MONOTONIC */
    bool is_replaced;                   /* another one is started as soon as it has left */
    pthread_t thread;

    _Atomic bool leave;                 /* atomic: relaxed, with a signal behind the store */
    /* atomic: who exchanges it owns the descriptor; -1: none. Where the heap's map goes. */
    _Atomic int dump_file;
    _Atomic bool has_ended;             /* atomic: release at the end, acquire before join */

    /* A request may be interrupted from outside only while it is known to be the one that was
     * meant: lock: guard, for the three below and for engine_interrupt(). */
    pthread_mutex_t guard;
    fpm_connection *serving;            /* NULL between requests */
    bool was_timed_out;
    bool was_slow;                      /* written to the slow log */
} fpm_worker;

/* The request side calls these around a request, so that it can be interrupted: from when its head
 * is read to when its answer is sent. */
void fpm_worker_request_begin(fpm_worker *worker, fpm_connection *connection);
void fpm_worker_request_end(fpm_worker *worker);

/* Write the heap's map to whoever has asked for it. false: nobody has. The worker itself, where no
 * allocation is going on. */
bool fpm_worker_answer_dump(fpm_worker *worker);

#endif
