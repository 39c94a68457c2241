/* tsrm_support: threads that stop at known points, for the tests of tsrm/.
 * A gate is a number that only rises; threads wait for it to reach a stage. */
#ifndef TSRMALLOC_TESTS_UNIT_TSRM_SUPPORT_H
#define TSRMALLOC_TESTS_UNIT_TSRM_SUPPORT_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tsrm/tsrm.h"

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t risen;
    int stage; /* under mutex */
};

#define GATE_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void gate_open(struct gate *gate, int stage)
{
    pthread_mutex_lock(&gate->mutex);
    if (gate->stage < stage) {
        gate->stage = stage;
    }
    pthread_cond_broadcast(&gate->risen);
    pthread_mutex_unlock(&gate->mutex);
}

static inline void gate_rise(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->stage++;
    pthread_cond_broadcast(&gate->risen);
    pthread_mutex_unlock(&gate->mutex);
}

static inline void gate_pass(struct gate *gate, int stage)
{
    pthread_mutex_lock(&gate->mutex);
    while (gate->stage < stage) {
        pthread_cond_wait(&gate->risen, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

static inline pthread_t thread_run(void *(*body)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, body, arg) != 0) {
        perror("pthread_create");
        abort();
    }
    return thread;
}

static inline void *thread_result(pthread_t thread)
{
    void *result = NULL;

    pthread_join(thread, &result);
    return result;
}

/* Starts TSRM and gives the caller an entry, or ends the test program. */
static inline void ***tsrm_begin(void)
{
    if (!tsrm_startup(1, 1, 0, NULL) || ts_resource(0) == NULL) {
        fprintf(stderr, "tsrm_startup failed\n");
        abort();
    }
    return (void ***)tsrm_get_ls_cache();
}

#endif
