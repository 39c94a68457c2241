/* crew: the worker threads together: all start, one gate, all end.
 * Owns        the gate and the threads.
 * Thread      cli_crew_run: main thread; thread_main: each worker.
 * Invariants  I1  no worker runs a request before all are up
 *             I2  every thread that was started is joined
 * Failure     0; workers that had started end without a request.
 * Tests       tests/cli/run.sh, tests/cli/startup_trace.sh */
#include "config.h"

#include "cli.h"

#include <stdlib.h>
#include <string.h>

#ifdef ZTS

typedef enum gate_state { GATE_CLOSED, GATE_OPEN, GATE_CANCELLED } gate_state;

/* All fields: lock: mutex. */
typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    gate_state state;
    unsigned int up_count;          /* workers at the gate, also those that will not run */
} gate;

typedef struct member {
    gate *gate;
    cli_worker *worker;
    pthread_t thread;
} member;

/* A worker is up; returns what the gate says once it is not closed any more. */
static gate_state gate_wait(gate *self)
{
    pthread_mutex_lock(&self->mutex);
    self->up_count++;
    pthread_cond_broadcast(&self->changed);
    while (self->state == GATE_CLOSED) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    gate_state state = self->state;
    pthread_mutex_unlock(&self->mutex);
    return state;
}

static void gate_set(gate *self, gate_state state)
{
    pthread_mutex_lock(&self->mutex);
    self->state = state;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void *thread_main(void *argument)
{
    member *self = argument;
    cli_worker *worker = self->worker;
    cli_startup_tree_name_thread(worker->index);
    void ***tsrm_ls = ts_resource(0);
    if (tsrm_ls == NULL) {
        fprintf(stderr, "tsrmalloc-cli: worker %u: no memory for its resources\n", worker->index);
        worker->status = CLI_EXIT_SYSTEM;
        (void)gate_wait(self->gate);
        return NULL;
    }
    SG(server_context) = worker;
    zend_result started = sapi_thread_start(TSRMLS_C);
    gate_state state = gate_wait(self->gate);
    if (started == FAILURE) {
        worker->status = CLI_EXIT_SYSTEM;
    } else if (state == GATE_OPEN) {
        cli_worker_run(worker TSRMLS_CC);
    }
    if (started == SUCCESS) {
        sapi_thread_end(TSRMLS_C);
    }
    ts_free_thread();
    return NULL;
}

static void gate_init(gate *self)
{
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->state = GATE_CLOSED;
    self->up_count = 0;
}

/* Returns how many could be started; an error is said on stderr. */
static unsigned int start_threads(gate *self, member *members, cli_worker *workers,
    unsigned int count)
{
    for (unsigned int index = 0; index < count; index++) {
        members[index] = (member){ .gate = self, .worker = &workers[index] };
        int error = pthread_create(&members[index].thread, NULL, thread_main, &members[index]);
        if (error != 0) {
            fprintf(stderr, "tsrmalloc-cli: worker %u: cannot start its thread: %s\n", index,
                strerror(error));
            return index;
        }
    }
    return count;
}

static void gate_wait_until_up(gate *self, unsigned int count)
{
    pthread_mutex_lock(&self->mutex);
    while (self->up_count < count) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
}

uint64_t cli_crew_run(cli_worker *workers, unsigned int count)
{
    gate entry;
    member *members = calloc(count, sizeof(*members));
    if (members == NULL) {
        fputs("tsrmalloc-cli: no memory for the workers\n", stderr);
        return 0;
    }
    gate_init(&entry);
    unsigned int started = start_threads(&entry, members, workers, count);
    bool complete = started == count;
    if (complete) {
        gate_wait_until_up(&entry, count);
    }
    uint64_t begin = cli_now();
    gate_set(&entry, complete ? GATE_OPEN : GATE_CANCELLED);
    cli_progress_start(workers, complete ? count : 0);
    for (unsigned int index = 0; index < started; index++) {
        pthread_join(members[index].thread, NULL);
    }
    uint64_t duration = cli_now() - begin;
    cli_progress_stop();
    pthread_cond_destroy(&entry.changed);
    pthread_mutex_destroy(&entry.mutex);
    free(members);
    return complete ? duration : 0;
}

#else /* not ZTS: the one worker is the main thread */

uint64_t cli_crew_run(cli_worker *workers, unsigned int count)
{
    (void)count;
    uint64_t begin = cli_now();
    SG(server_context) = workers;
    cli_progress_start(workers, 1);
    if (sapi_thread_start() == FAILURE) {
        workers->status = CLI_EXIT_SYSTEM;
    } else {
        cli_worker_run(workers);
        sapi_thread_end();
    }
    uint64_t duration = cli_now() - begin;
    cli_progress_stop();
    SG(server_context) = NULL;
    return duration;
}

#endif
