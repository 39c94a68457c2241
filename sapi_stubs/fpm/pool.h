/* pool.h: the workers of one pool, and what they have counted. */
#ifndef TSRMALLOC_FPM_POOL_H
#define TSRMALLOC_FPM_POOL_H

#include "fpm/conf.h"
#include "fpm/status.h"
#include "fpm/worker.h"

/* All atomic: relaxed adds by workers, relaxed reads by anyone. */
typedef struct fpm_pool_counters {
    _Atomic uint64_t accepted, requests, limit_hits, timeouts, aborts, queue_timeouts, slow;
    _Atomic uint64_t children_max_reached, worker_starts, worker_ends;
    _Atomic uint64_t memory_peak, active_max, queue_max;
    _Atomic uint64_t request_time[STATUS_BUCKET_COUNT], request_time_sum;
    _Atomic uint64_t queue_time[STATUS_BUCKET_COUNT], queue_time_sum;
    _Atomic uint64_t reset_time[STATUS_BUCKET_COUNT], reset_time_sum;
} fpm_pool_counters;

/* Fill a snapshot of a pool; hidden status pools give the pool they are about. `workers` has room
 * for `capacity` rows whose texts lie in `scores`, with as much room; none with a capacity of 0.
 * Any thread of the pool, and the control thread. */
void fpm_pool_status(fpm_pool *pool, status_pool *status, status_worker *workers,
    fpm_score *scores, size_t capacity);
/* Rows that fpm_pool_status() may need. */
size_t fpm_pool_capacity(const fpm_pool *pool);
/* The pool's name for logs. */
const char *fpm_pool_name(const fpm_pool *pool);
fpm_pool_counters *fpm_pool_count(fpm_pool *pool);
/* Of a request that begins now; SIZE_MAX = none. */
size_t fpm_pool_memory_limit(const fpm_pool *pool);
/* pm.memory_budget: wait until the worker's request may begin. false: go_on() has said so. Nothing
 * to wait for without a budget. The worker itself, as both. */
bool fpm_pool_enter_budget(fpm_worker *worker, const char *script, bool (*go_on)(void *context),
    void *context);
void fpm_pool_leave_budget(fpm_worker *worker, size_t peak);
/* Count a duration in a histogram of the counters. */
void fpm_pool_observe(_Atomic uint64_t *buckets, _Atomic uint64_t *sum, uint64_t nanoseconds);

/* Write a line to the pool's access log, which is open when conf->access_format_compiled is set. */
void fpm_pool_access_log(fpm_pool *pool, const char *line, size_t size);

/* Add the frames of a worker's script to the entry in the slow log. The worker itself. */
void fpm_slowlog_write_frames(fpm_pool *pool, const fpm_worker *worker, const char *frames);

/* 200 while some worker is idle or may still be started, else 503: for /readyz. */
bool fpm_pool_is_ready(fpm_pool *pool);

#endif
