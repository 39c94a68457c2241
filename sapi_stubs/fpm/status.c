/* status: which page is asked for, and which fields it has.
 * Owns        the names of the fields, php-fpm's first and in its order.
 * Thread      any.
 * Invariants  I1  a short page has php-fpm's fields alone, as its tests compare whole pages
 * Failure     none.
 * Tests       tests/fpm/status.c, tests/fpm/status_formats.sh
 */
#include "config.h"

#include "fpm/status.h"

#include <string.h>

#include "fpm/status_writer.h"

static status_text text_of(const char *text)
{
    return (status_text){ text, strlen(text) };
}

/* ---- fields ---- */

static status_field number(const char *name, uint64_t value)
{
    return (status_field){ .name = name, .kind = STATUS_FIELD_NUMBER, .number = value };
}

static status_field text(const char *name, status_text value)
{
    return (status_field){ .name = name, .kind = STATUS_FIELD_TEXT,
        .text = value.size == 0 ? text_of("-") : value };
}

static status_field instant(const char *name, time_t value)
{
    return (status_field){ .name = name, .kind = STATUS_FIELD_TIME, .time = value };
}

static status_field decimal(const char *name, double value)
{
    return (status_field){ .name = name, .kind = STATUS_FIELD_DECIMAL, .decimal = value };
}

/* SIZE_MAX, no limit, is written as 0. */
static status_field limit(const char *name, size_t value)
{
    return number(name, value == SIZE_MAX ? 0 : value);
}

static uint64_t seconds_since(time_t then, time_t now)
{
    return now > then ? (uint64_t)(now - then) : 0;
}

size_t status_pool_fields(const status_pool *pool, bool full,
    status_field fields[STATUS_FIELD_COUNT_MAX])
{
    const status_field all[STATUS_POOL_FIELD_COUNT + STATUS_POOL_EXTRA_COUNT] = {
        text("pool", pool->name),
        text("process manager", text_of(pool->process_manager)),
        instant("start time", pool->start_time),
        number("start since", seconds_since(pool->start_time, pool->now)),
        number("accepted conn", pool->accepted_count),
        number("listen queue", pool->listen_queue),
        number("max listen queue", pool->listen_queue_max),
        number("listen queue len", pool->listen_queue_size),
        number("idle processes", pool->idle_count),
        number("active processes", pool->active_count),
        number("total processes", pool->total_count),
        number("max active processes", pool->active_count_max),
        number("max children reached", pool->children_max_reached),
        number("slow requests", pool->slow_count),
        /* ours; PHP 8.4 has the first */
        number("memory peak", pool->memory_peak),
        number("requests", pool->request_count),
        number("limit hits", pool->limit_hit_count),
        number("timeouts", pool->timeout_count),
        number("aborts", pool->abort_count),
        number("queue timeouts", pool->queue_timeout_count),
        number("worker starts", pool->worker_start_count),
        number("worker ends", pool->worker_end_count),
        number("process memory", pool->process_memory),
        limit("process memory limit", pool->process_memory_limit),
        number("memory budget", pool->budget),
        number("memory budget used", pool->budget_used),
    };
    size_t count = full ? sizeof all / sizeof all[0] : STATUS_POOL_FIELD_COUNT;
    memcpy(fields, all, count * sizeof all[0]);
    return count;
}

size_t status_worker_fields(const status_pool *pool, const status_worker *worker,
    status_field fields[STATUS_FIELD_COUNT_MAX])
{
    /* php-fpm knows these two only of a request that has ended. */
    bool is_idle = worker->state == STATUS_IDLE;
    const status_field all[STATUS_WORKER_FIELD_COUNT + STATUS_WORKER_EXTRA_COUNT] = {
        number("pid", (uint64_t)worker->tid),
        text("state", text_of(status_state_name(worker->state))),
        instant("start time", worker->start_time),
        number("start since", seconds_since(worker->start_time, pool->now)),
        number("requests", worker->request_count),
        number("request duration", worker->request_duration),
        text("request method", worker->request_method),
        text("request URI", worker->request_uri),
        number("content length", worker->content_length),
        text("user", worker->user),
        text("script", worker->script),
        decimal("last request cpu", is_idle ? worker->last_request_cpu : 0),
        number("last request memory", is_idle ? worker->last_request_memory : 0),
        /* ours */
        number("worker", worker->number),
        number("heap size", worker->heap_size),
        number("heap real size", worker->heap_real_size),
        number("heap peak", worker->heap_peak),
        number("heap cached", worker->heap_cached),
        limit("heap limit", worker->heap_limit),
        number("last reset ns", worker->reset_duration),
    };
    memcpy(fields, all, sizeof all);
    return sizeof all / sizeof all[0];
}

const char *status_state_name(status_state state)
{
    static const char *const names[STATUS_STATE_COUNT] = {
        [STATUS_IDLE] = "Idle", [STATUS_READING_HEADERS] = "Reading headers",
        [STATUS_READING_BODY] = "Getting request information", [STATUS_RUNNING] = "Running",
        [STATUS_ENDING] = "Ending", [STATUS_FINISHING] = "Finishing",
        [STATUS_STARTING] = "Starting", [STATUS_WRITING] = "Writing",
        [STATUS_RESETTING] = "Resetting heap", [STATUS_STUCK] = "Stuck",
        [STATUS_WAITING] = "Waiting for memory",
    };
    return names[state];
}

/* ---- histograms ---- */

/* Half a power of ten each. */
static const uint64_t bounds[STATUS_BUCKET_COUNT - 1] = {
    10000, 32000, 100000, 320000, 1000000, 3200000, 10000000, 32000000, 100000000, 320000000,
    1000000000, 3200000000, 10000000000, 32000000000, 100000000000,
};

unsigned int status_bucket(uint64_t nanoseconds)
{
    unsigned int bucket = 0;
    while (bucket < STATUS_BUCKET_COUNT - 1 && nanoseconds > bounds[bucket]) {
        bucket++;
    }
    return bucket;
}

uint64_t status_bucket_bound(unsigned int bucket)
{
    return bounds[bucket];
}

/* ---- the page ---- */

static bool has_key(const char *query, size_t size, const char *key)
{
    size_t key_size = strlen(key);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(query + at, '&', size - at);
        size_t part = end == NULL ? size - at : (size_t)(end - query) - at;
        if (part >= key_size && memcmp(query + at, key, key_size) == 0 &&
            (part == key_size || query[at + key_size] == '=')) {
            return true;
        }
        at += part + 1;
    }
    return false;
}

status_format status_query(const char *query, size_t query_size, bool *full)
{
    *full = has_key(query, query_size, "full");
    return has_key(query, query_size, "html") ? STATUS_FORMAT_HTML :
        has_key(query, query_size, "xml") ? STATUS_FORMAT_XML :
        has_key(query, query_size, "json") ? STATUS_FORMAT_JSON :
        has_key(query, query_size, "openmetrics") ? STATUS_FORMAT_OPENMETRICS :
        STATUS_FORMAT_TEXT;
}

const char *status_content_type(status_format format, bool full)
{
    switch (format) {
    case STATUS_FORMAT_JSON:
        return "application/json";
    case STATUS_FORMAT_XML:
        return "text/xml;charset=UTF-8";
    case STATUS_FORMAT_HTML:
        return "text/html;charset=UTF-8";
    case STATUS_FORMAT_OPENMETRICS:
        return full ? STATUS_METRICS_CONTENT_TYPE :
            "application/openmetrics-text; version=1.0.0; charset=utf-8";
    default:
        return "text/plain;charset=UTF-8";
    }
}

void status_write_headers(const char *content_type, const status_sink *sink)
{
    status_writer writer = { .sink = sink, .size = 0 };
    status_put(&writer, "Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        "Cache-Control: no-cache, no-store, must-revalidate, max-age=0\r\n"
        "Content-Type: %s\r\n\r\n", content_type);
    status_flush(&writer);
}

void status_write(const status_pool *pool, status_format format, bool full,
    const status_sink *sink)
{
    status_writer writer = { .sink = sink, .size = 0 };
    switch (format) {
    case STATUS_FORMAT_JSON:
        status_write_json(&writer, pool, full);
        break;
    case STATUS_FORMAT_XML:
        status_write_xml(&writer, pool, full);
        break;
    case STATUS_FORMAT_HTML:
        if (full) {
            status_write_live(&writer, pool);
        } else {
            status_write_table(&writer, pool);
        }
        break;
    case STATUS_FORMAT_OPENMETRICS:
        if (full) {
            status_write_ours(&writer, pool, 1);
        } else {
            status_write_phpfpm(&writer, pool);
        }
        break;
    default:
        status_write_text(&writer, pool, full);
        break;
    }
    status_flush(&writer);
}

void status_write_metrics(const status_pool *pools, size_t pool_count, const status_sink *sink)
{
    status_writer writer = { .sink = sink, .size = 0 };
    status_write_ours(&writer, pools, pool_count);
    status_flush(&writer);
}
