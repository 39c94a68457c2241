/* status.h: the status page of a pool, in php-fpm's layouts, over a snapshot.
 *
 * Thread     any: nothing is read but the snapshot, which the caller took under whatever it needs.
 */
#ifndef TSRMALLOC_FPM_STATUS_H
#define TSRMALLOC_FPM_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What a worker is doing. The first six are php-fpm's stages, with its words for them. */
typedef enum status_state {
    STATUS_IDLE,
    STATUS_READING_HEADERS,
    STATUS_READING_BODY,        /* "Getting request information" */
    STATUS_RUNNING,
    STATUS_ENDING,
    STATUS_FINISHING,
    STATUS_STARTING,
    STATUS_WRITING,             /* the client reads slowly */
    STATUS_RESETTING,           /* the heap is reset */
    STATUS_STUCK,               /* was told to leave and did not */
    STATUS_WAITING,             /* for room in the pool's memory budget */
    STATUS_STATE_COUNT,
} status_state;

/* Strings are counted and may hold any byte; they are escaped for the format. */
typedef struct status_text {
    const char *text;
    size_t size;
} status_text;

typedef struct status_worker {
    unsigned int number;            /* in the pool, from 0; openmetrics' label */
    int tid;                        /* printed as pid, where php-fpm has processes */
    status_state state;
    time_t start_time;
    uint64_t request_count;
    uint64_t request_duration;      /* microseconds: of the current request, or of the last */
    status_text request_method;
    status_text request_uri;        /* with its query */
    uint64_t content_length;
    status_text user;               /* empty: "-" */
    status_text script;             /* empty: "-" */
    double last_request_cpu;        /* per cent */
    size_t last_request_memory;     /* bytes: peak of the heap's real size in the last request */
    size_t heap_size;               /* bytes of blocks */
    size_t heap_real_size;          /* bytes the heap holds */
    size_t heap_peak;               /* of heap_real_size in this request, bytes */
    size_t heap_cached;             /* bytes kept for the next request */
    size_t heap_limit;              /* bytes; SIZE_MAX = none */
    uint64_t reset_duration;        /* nanoseconds of the last heap reset */
} status_worker;

/* bucket[i] counts observations <= status_bounds of its kind [i]; the last bucket counts the rest.
 * Not cumulative. */
enum { STATUS_BUCKET_COUNT = 16 };
typedef struct status_histogram {
    uint64_t bucket[STATUS_BUCKET_COUNT];
    uint64_t sum;                   /* nanoseconds */
} status_histogram;

/* Which bucket an observation belongs to: the bounds are 10 us, 32 us, 100 us, ... 100 s. */
unsigned int status_bucket(uint64_t nanoseconds);

/* Counters count from the start of the pool. */
typedef struct status_pool {
    status_text name;
    const char *process_manager;    /* "static", "dynamic", "ondemand" */
    time_t start_time;
    time_t now;
    uint64_t accepted_count;
    uint64_t listen_queue;          /* connections that wait now */
    uint64_t listen_queue_max;      /* most seen */
    uint64_t listen_queue_size;     /* room in it */
    unsigned int idle_count;
    unsigned int active_count;
    unsigned int total_count;
    unsigned int active_count_max;
    uint64_t children_max_reached;
    uint64_t slow_count;
    size_t memory_peak;             /* bytes: the largest last_request_memory of any request */

    /* What php-fpm does not have; in openmetrics and html only. */
    uint64_t request_count;
    uint64_t limit_hit_count;       /* requests ended by the memory limit */
    uint64_t timeout_count;         /* by request_terminate_timeout */
    uint64_t abort_count;           /* by their client */
    uint64_t queue_timeout_count;   /* refused after request_queue_timeout */
    uint64_t worker_start_count;
    uint64_t worker_end_count;
    uint64_t map_count;             /* times that heaps took memory from the system */
    uint64_t unmap_count;           /* and gave some back */
    size_t process_memory;          /* bytes held by all heaps and the segment pool */
    size_t process_memory_limit;    /* bytes; SIZE_MAX = none */
    size_t budget;                  /* bytes, pm.memory_budget; 0 = none */
    size_t budget_used;             /* bytes of it that running requests hold or may need */
    status_histogram request_time;
    status_histogram queue_time;    /* from accept to a worker */
    status_histogram reset_time;

    const status_worker *workers;   /* total_count of them unless worker_count is less */
    size_t worker_count;
} status_pool;

typedef enum status_format {
    STATUS_FORMAT_TEXT,
    STATUS_FORMAT_JSON,
    STATUS_FORMAT_XML,
    STATUS_FORMAT_HTML,
    STATUS_FORMAT_OPENMETRICS,
} status_format;

/* The query says what is wanted: `json`, `xml`, `html`, `openmetrics`, and `full`, as keys. */
status_format status_query(const char *query, size_t query_size, bool *full);

/* What /metrics and `openmetrics&full` are: Prometheus' text format, whose names of counters end in
 * _total. Plain `openmetrics` is what php-fpm says, for dashboards that know it. */
#define STATUS_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The value of Content-Type. */
const char *status_content_type(status_format format, bool full);

/* Where the page goes, piece by piece. */
typedef struct status_sink {
    void (*write)(void *context, const char *data, size_t size);
    void *context;
} status_sink;

/* Headers (Status is 200 by default) and a blank line; for HEAD this is all. */
void status_write_headers(const char *content_type, const status_sink *sink);
/* The page. `html&full` is one that shows itself anew each second. Times are written in the
 * process's time zone. */
void status_write(const status_pool *pool, status_format format, bool full,
    const status_sink *sink);
/* /metrics: all pools in one exposition, which names each metric once. */
void status_write_metrics(const status_pool *pools, size_t pool_count, const status_sink *sink);

#endif
