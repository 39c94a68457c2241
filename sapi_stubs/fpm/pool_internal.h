/* pool_internal.h: the inside of a pool, for the control thread and its workers. */
#ifndef TSRMALLOC_FPM_POOL_INTERNAL_H
#define TSRMALLOC_FPM_POOL_INTERNAL_H

#include "fpm/budget.h"
#include "fpm/listener.h"
#include "fpm/log.h"
#include "fpm/pm.h"
#include "fpm/pool.h"

struct fpm_pool {
    fpm_pool *next;                     /* control thread */
    const fpm_conf_pool *conf;          /* const */
    fpm_listener *listener;             /* const */
    fpm_pool *about;                    /* const: whose status a hidden pool tells; else itself */
    fpm_worker *workers;                /* const: pm_max_children of them */
    unsigned int capacity;              /* const */
    time_t start_time;                  /* const */
    int ended_event;                    /* const: eventfd that a worker's end is written to */
    int access_file;                    /* const number, -1 = none; a reopen changes the file */
    int slow_file;                      /* the same */
    struct fpm_allowed *allowed;        /* const: who may connect; NULL = anyone */
    fpm_budget budget;                  /* of all requests; see its fields */
    fpm_pool_counters counters;
    fpm_pm_memory memory;               /* control thread */
    int children_max;                   /* control thread: pm.max_children, or what fpmctl set */
    uint64_t restart_before;            /* control thread: workers that started before are replaced;
                                         * nanoseconds, 0: none */
    _Atomic size_t memory_limit;        /* atomic: relaxed; of requests, the conf's or fpmctl's */
    bool is_leaving;                    /* control thread: no worker is started any more */
    uint64_t start_again_at;            /* control thread: after a failure; nanoseconds */
    unsigned int start_failure_count;   /* control thread: in a row */
};

/* NULL: logged. The workers are not started. Control thread, as all of these. */
fpm_pool *fpm_pool_new(const fpm_conf_pool *conf, fpm_listener *listener, int ended_event)
    __attribute__((warn_unused_result));
/* No worker may be left. */
void fpm_pool_free(fpm_pool *pool);
/* Open the log files again. false: logged. */
bool fpm_pool_reopen_logs(fpm_pool *pool);

/* Start up to `count` workers; returns how many were. */
unsigned int fpm_pool_start_workers(fpm_pool *pool, unsigned int count);
/* Join the threads that have ended. Returns how many had not been told to leave. */
unsigned int fpm_pool_collect(fpm_pool *pool);
/* Tell a worker, or all, to leave once the request it is in has ended. */
void fpm_pool_tell(fpm_pool *pool, fpm_worker *worker);
void fpm_pool_tell_all(fpm_pool *pool);
/* Tell all requests to stop. */
void fpm_pool_interrupt_all(fpm_pool *pool);
/* Threads that exist, leaving ones included. */
unsigned int fpm_pool_thread_count(const fpm_pool *pool);

/* Nanoseconds for which no worker has had a request; 0: one has. */
uint64_t fpm_pool_idle_time(const fpm_pool *pool, uint64_t now);

/* Go on with replacing workers, one at a time. */
void fpm_pool_go_on_restarting(fpm_pool *pool);

/* Once a second, and for ondemand when a connection waits. `room` is what process.max leaves. */
void fpm_pool_manage(fpm_pool *pool, unsigned int room);
/* request_terminate_timeout, request_slowlog_timeout, clients that are gone. */
void fpm_pool_check_requests(fpm_pool *pool, uint64_t now);

/* worker.c: the thread. */
void *fpm_worker_main(void *worker);
/* The signal that ends a worker's wait. */
int fpm_worker_wake_signal(void);
/* Install its handler. Main thread, once. false: errno says why. */
bool fpm_worker_setup(void) __attribute__((warn_unused_result));

/* What php-fpm's workers write to their stderr: with catch_workers_output it stands in the log as
 * what child `tid` said (0: the pool's first). Any thread. */
void fpm_worker_say(const fpm_pool *pool, uint64_t tid, fpm_log_level level,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Have the worker write its heap's map to `file`, which it closes, as soon as it can. */
void fpm_pool_ask_for_dump(fpm_worker *worker, int file);

/* slowlog.c */
/* A status_state in words. */
const char *fpm_slowlog_state_name(uint64_t state);
void fpm_slowlog_write(fpm_pool *pool, const fpm_worker *worker, const fpm_score *score,
    uint64_t duration);

/* allowed.c: listen.allowed_clients. NULL with *failed false: anyone. */
struct fpm_allowed *fpm_allowed_new(const char *list, const char *pool, bool *failed);
/* What is wrong in the pool's list, into the log. */
void fpm_allowed_report(const fpm_pool *pool);
void fpm_allowed_free(struct fpm_allowed *allowed);
bool fpm_allowed_has(const struct fpm_allowed *allowed, const char *address);

#endif
