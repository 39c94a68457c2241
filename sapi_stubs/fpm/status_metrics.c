/* status_metrics: what php-fpm tells a monitoring system, and what we tell it.
 * Owns        the names of the metrics.
 * Thread      any.
 * Invariants  I1  each of our metrics is named once, then written for each pool, worker or state
 * Failure     none.
 * Tests       tests/fpm/status.c, tests/fpm/status_formats.sh
 */
#include "config.h"

#include <stddef.h>

#include "fpm/status_writer.h"

/* ---- php-fpm's ---- */

static void put_phpfpm(status_writer *writer, const char *name, const char *type,
    const char *help, uint64_t value)
{
    status_put(writer, "# HELP phpfpm_%s %s\n# TYPE phpfpm_%s %s\nphpfpm_%s %llu\n", name, help,
        name, type, name, (unsigned long long)value);
}

void status_write_phpfpm(status_writer *writer, const status_pool *pool)
{
    uint64_t age = pool->now > pool->start_time ? (uint64_t)(pool->now - pool->start_time) : 0;
    status_put(writer, "# HELP phpfpm_up Could pool ");
    status_put_escaped(writer, STATUS_ESCAPE_LABEL, pool->name);
    status_put(writer, " using a %s PM on PHP-FPM be reached?\n# TYPE phpfpm_up gauge\n"
        "phpfpm_up 1\n", pool->process_manager);
    put_phpfpm(writer, "start_since", "counter", "The number of seconds since FPM has started.",
        age);
    put_phpfpm(writer, "accepted_connections", "counter",
        "The number of requests accepted by the pool.", pool->accepted_count);
    put_phpfpm(writer, "listen_queue", "gauge",
        "The number of requests in the queue of pending connections.", pool->listen_queue);
    put_phpfpm(writer, "max_listen_queue", "counter", "The maximum number of requests in the "
        "queue of pending connections since FPM has started.", pool->listen_queue_max);
    /* Its type in front of its help, as there. */
    status_put(writer, "# TYPE phpfpm_listen_queue_length gauge\n"
        "# HELP phpfpm_listen_queue_length The size of the socket queue of pending connections.\n"
        "phpfpm_listen_queue_length %llu\n", (unsigned long long)pool->listen_queue_size);
    put_phpfpm(writer, "idle_processes", "gauge", "The number of idle processes.",
        pool->idle_count);
    put_phpfpm(writer, "active_processes", "gauge", "The number of active processes.",
        pool->active_count);
    put_phpfpm(writer, "total_processes", "gauge", "The number of idle + active processes.",
        pool->total_count);
    put_phpfpm(writer, "max_active_processes", "counter",
        "The maximum number of active processes since FPM has started.", pool->active_count_max);
    put_phpfpm(writer, "max_children_reached", "counter", "The number of times, the process limit "
        "has been reached, when pm tries to start more children (works only for pm 'dynamic' and "
        "'ondemand').", pool->children_max_reached);
    put_phpfpm(writer, "slow_requests", "counter", "The number of requests that exceeded your "
        "'request_slowlog_timeout' value.", pool->slow_count);
    status_put(writer, "# EOF\n");
}

/* ---- ours ---- */

typedef enum member_kind { MEMBER_64, MEMBER_INT, MEMBER_SIZE, MEMBER_TIME } member_kind;

/* A metric with one value for each pool, or for each worker of it. */
typedef struct metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;              /* in status_pool or status_worker */
    member_kind kind;
} metric;

static const metric pool_metrics[] = {
    { "start_time_seconds", "gauge", "When the pool started, in seconds of the epoch.",
      offsetof(status_pool, start_time), MEMBER_TIME },
    { "accepted_connections_total", "counter", "Connections that were accepted.",
      offsetof(status_pool, accepted_count), MEMBER_64 },
    { "listen_queue_connections", "gauge", "Connections that wait to be accepted.",
      offsetof(status_pool, listen_queue), MEMBER_64 },
    { "requests_total", "counter", "Requests that were answered.",
      offsetof(status_pool, request_count), MEMBER_64 },
    { "slow_requests_total", "counter", "Requests that took longer than request_slowlog_timeout.",
      offsetof(status_pool, slow_count), MEMBER_64 },
    { "memory_limit_hits_total", "counter", "Requests that were ended by their memory limit.",
      offsetof(status_pool, limit_hit_count), MEMBER_64 },
    { "request_timeouts_total", "counter", "Requests ended by request_terminate_timeout.",
      offsetof(status_pool, timeout_count), MEMBER_64 },
    { "request_aborts_total", "counter", "Requests whose client went away.",
      offsetof(status_pool, abort_count), MEMBER_64 },
    { "queue_timeouts_total", "counter", "Requests that waited for a thread too long.",
      offsetof(status_pool, queue_timeout_count), MEMBER_64 },
    { "threads_max_reached_total", "counter", "Times that one thread more was wanted than allowed.",
      offsetof(status_pool, children_max_reached), MEMBER_64 },
    { "thread_starts_total", "counter", "Threads that were started.",
      offsetof(status_pool, worker_start_count), MEMBER_64 },
    { "thread_exits_total", "counter", "Threads that have ended.",
      offsetof(status_pool, worker_end_count), MEMBER_64 },
    { "active_threads_peak", "gauge", "Most threads that were busy at once.",
      offsetof(status_pool, active_count_max), MEMBER_INT },
    { "request_memory_peak_bytes", "gauge", "Most memory that one request's heap held.",
      offsetof(status_pool, memory_peak), MEMBER_SIZE },
    { "process_memory_bytes", "gauge", "Memory held by all heaps of the process and their pool.",
      offsetof(status_pool, process_memory), MEMBER_SIZE },
    { "memory_budget_bytes", "gauge", "What requests may hold together; 0: no budget.",
      offsetof(status_pool, budget), MEMBER_SIZE },
    { "memory_budget_used_bytes", "gauge", "What running requests hold of it or may need.",
      offsetof(status_pool, budget_used), MEMBER_SIZE },
    { "process_memory_taken_total", "counter", "Times that a heap took memory from the system.",
      offsetof(status_pool, map_count), MEMBER_64 },
    { "process_memory_given_total", "counter", "Times that memory was given back to it.",
      offsetof(status_pool, unmap_count), MEMBER_64 },
};

static const metric worker_metrics[] = {
    { "thread_requests_total", "counter", "Requests that the thread has answered.",
      offsetof(status_worker, request_count), MEMBER_64 },
    { "heap_size_bytes", "gauge", "Bytes of blocks in the thread's heap.",
      offsetof(status_worker, heap_size), MEMBER_SIZE },
    { "heap_real_size_bytes", "gauge", "Bytes that the thread's heap holds.",
      offsetof(status_worker, heap_real_size), MEMBER_SIZE },
    { "heap_peak_bytes", "gauge", "Most that it held in its present or last request.",
      offsetof(status_worker, heap_peak), MEMBER_SIZE },
    { "heap_cached_bytes", "gauge", "Bytes that it keeps for its next request.",
      offsetof(status_worker, heap_cached), MEMBER_SIZE },
};

typedef struct histogram_metric {
    const char *name;
    const char *help;
    size_t offset;
} histogram_metric;

static const histogram_metric histograms[] = {
    { "request_duration_seconds", "Time from the request's head to the end of its answer.",
      offsetof(status_pool, request_time) },
    { "queue_wait_seconds", "Time from accepting a request to a thread that takes it.",
      offsetof(status_pool, queue_time) },
    { "reset_duration_seconds", "Time that resetting the heap took after a request.",
      offsetof(status_pool, reset_time) },
};

static uint64_t member(const void *of, const metric *which)
{
    const char *at = (const char *)of + which->offset;
    switch (which->kind) {
    case MEMBER_INT:
        return *(const unsigned int *)(const void *)at;
    case MEMBER_SIZE:
        return *(const size_t *)(const void *)at;
    case MEMBER_TIME:
        return (uint64_t)*(const time_t *)(const void *)at;
    default:
        return *(const uint64_t *)(const void *)at;
    }
}

static void put_head(status_writer *writer, const char *name, const char *type, const char *help)
{
    status_put(writer, "# HELP tsrmalloc_%s %s\n# TYPE tsrmalloc_%s %s\n", name, help, name, type);
}

/* The name and the label all of them have; the caller closes the brace. */
static void put_name(status_writer *writer, const char *name, const char *suffix,
    const status_pool *pool)
{
    status_put(writer, "tsrmalloc_%s%s{pool=\"", name, suffix);
    status_put_escaped(writer, STATUS_ESCAPE_LABEL, pool->name);
    status_put(writer, "\"");
}

static void put_threads(status_writer *writer, const status_pool *pool)
{
    unsigned int counts[STATUS_STATE_COUNT] = { 0 };
    for (size_t index = 0; index < pool->worker_count; index++) {
        counts[pool->workers[index].state]++;
    }
    for (unsigned int state = 0; state < STATUS_STATE_COUNT; state++) {
        put_name(writer, "threads", "", pool);
        status_put(writer, ",state=\"%s\"} %u\n", status_state_name((status_state)state),
            counts[state]);
    }
}

static void put_histogram(status_writer *writer, const status_pool *pool,
    const histogram_metric *which)
{
    const status_histogram *histogram =
        (const void *)((const char *)(const void *)pool + which->offset);
    uint64_t count = 0;
    for (unsigned int bucket = 0; bucket < STATUS_BUCKET_COUNT; bucket++) {
        count += histogram->bucket[bucket];
        put_name(writer, which->name, "_bucket", pool);
        if (bucket < STATUS_BUCKET_COUNT - 1) {
            status_put(writer, ",le=\"%g\"} %llu\n", (double)status_bucket_bound(bucket) / 1e9,
                (unsigned long long)count);
        } else {
            status_put(writer, ",le=\"+Inf\"} %llu\n", (unsigned long long)count);
        }
    }
    put_name(writer, which->name, "_sum", pool);
    status_put(writer, "} %.9f\n", (double)histogram->sum / 1e9);
    put_name(writer, which->name, "_count", pool);
    status_put(writer, "} %llu\n", (unsigned long long)count);
}

static void put_workers(status_writer *writer, const status_pool *pool, const metric *which)
{
    for (size_t index = 0; index < pool->worker_count; index++) {
        put_name(writer, which->name, "", pool);
        status_put(writer, ",thread=\"%u\"} %llu\n", pool->workers[index].number,
            (unsigned long long)member(&pool->workers[index], which));
    }
}

void status_write_ours(status_writer *writer, const status_pool *pools, size_t pool_count)
{
    for (size_t which = 0; which < sizeof pool_metrics / sizeof pool_metrics[0]; which++) {
        const metric *own = &pool_metrics[which];
        put_head(writer, own->name, own->type, own->help);
        for (size_t pool = 0; pool < pool_count; pool++) {
            put_name(writer, own->name, "", &pools[pool]);
            status_put(writer, "} %llu\n", (unsigned long long)member(&pools[pool], own));
        }
    }
    put_head(writer, "threads", "gauge", "Threads by what they do.");
    for (size_t pool = 0; pool < pool_count; pool++) {
        put_threads(writer, &pools[pool]);
    }
    for (size_t which = 0; which < sizeof histograms / sizeof histograms[0]; which++) {
        put_head(writer, histograms[which].name, "histogram", histograms[which].help);
        for (size_t pool = 0; pool < pool_count; pool++) {
            put_histogram(writer, &pools[pool], &histograms[which]);
        }
    }
    for (size_t which = 0; which < sizeof worker_metrics / sizeof worker_metrics[0]; which++) {
        const metric *own = &worker_metrics[which];
        put_head(writer, own->name, own->type, own->help);
        for (size_t pool = 0; pool < pool_count; pool++) {
            put_workers(writer, &pools[pool], own);
        }
    }
}
