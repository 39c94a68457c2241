/* request_pages: what a pool answers without a script: ping, status, health and metrics.
 * Owns        nothing: the snapshot is in the request heap.
 * Thread      the worker's.
 * Invariants  none.
 * Failure     500 if there is no memory for the snapshot.
 * Tests       tests/fpm/request.c */
#include "config.h"

#include <string.h>

#include "fpm/request_internal.h"
#include "zend_alloc.h"

typedef enum page { PAGE_NONE, PAGE_PING, PAGE_STATUS, PAGE_HEALTH, PAGE_READY, PAGE_METRICS } page;

static page find_page(const fpm_conf_pool *conf, const char *uri)
{
    if (conf->ping_path != NULL && strcmp(uri, conf->ping_path) == 0) {
        return PAGE_PING;
    }
    if (conf->pm_status_path != NULL && strcmp(uri, conf->pm_status_path) == 0) {
        return PAGE_STATUS;
    }
    if (!conf->is_status) {
        return PAGE_NONE;
    }
    if (strcmp(uri, "/healthz") == 0) {
        return PAGE_HEALTH;
    }
    if (strcmp(uri, "/readyz") == 0) {
        return PAGE_READY;
    }
    return strcmp(uri, "/metrics") == 0 ? PAGE_METRICS : PAGE_NONE;
}

static void set_header(fpm_request *self, const char *name, const char *value)
{
    (void)fpm_answer_header(self, (engine_text){ name, strlen(name) },
        (engine_text){ value, strlen(value) }, ENGINE_HEADER_REPLACE);
}

static void set_headers(fpm_request *self, const char *content_type)
{
    set_header(self, "Content-Type", content_type);
    set_header(self, "Expires", "Thu, 01 Jan 1970 00:00:00 GMT");
    set_header(self, "Cache-Control", "no-cache, no-store, must-revalidate, max-age=0");
}

static void serve_text(fpm_request *self, unsigned int status, const char *text)
{
    set_headers(self, "text/plain;charset=UTF-8");
    (void)fpm_answer_status(self, status);
    (void)fpm_answer_write(self, text, strlen(text));
}

static void write_piece(void *context, const char *data, size_t size)
{
    (void)fpm_answer_write(context, data, size);
}

typedef struct snapshot {
    status_pool pool;
    status_worker *workers;
    fpm_score *scores;
} snapshot;

/* Given back at once: the heap may be one that is not reset. */
static void drop_snapshot(snapshot *taken)
{
    efree(taken->workers);
    efree(taken->scores);
}

/* The rows are needed by the full pages alone. */
static bool take_snapshot(fpm_request *self, bool with_workers, snapshot *taken)
{
    fpm_pool *pool = self->worker->pool;
    size_t capacity = with_workers ? fpm_pool_capacity(pool) : 0;
    *taken = (snapshot){ .workers = NULL };
    if (capacity > 0) {
        taken->workers = erealloc_recoverable(NULL, capacity * sizeof(*taken->workers));
        taken->scores = erealloc_recoverable(NULL, capacity * sizeof(*taken->scores));
        if (taken->workers == NULL || taken->scores == NULL) {
            drop_snapshot(taken);
            fpm_answer_replace(self, 500, "No memory for this page.\n");
            return false;
        }
    }
    fpm_pool_status(pool, &taken->pool, taken->workers, taken->scores, capacity);
    return true;
}

static void serve_status(fpm_request *self)
{
    status_sink sink = { write_piece, self };
    snapshot taken;
    bool full = false;
    const char *query = fpm_request_param(self, "QUERY_STRING");
    query = query != NULL ? query : "";
    status_format format = status_query(query, strlen(query), &full);
    if (take_snapshot(self, full, &taken)) {
        set_headers(self, status_content_type(format, full));
        status_write(&taken.pool, format, full, &sink);
        drop_snapshot(&taken);
    }
}

static void serve_metrics(fpm_request *self)
{
    status_sink sink = { write_piece, self };
    snapshot taken;
    if (take_snapshot(self, true, &taken)) {
        set_headers(self, STATUS_METRICS_CONTENT_TYPE);
        status_write_metrics(&taken.pool, 1, &sink);
        drop_snapshot(&taken);
    }
}

bool fpm_page_serve(fpm_request *self)
{
    const fpm_conf_pool *conf = self->worker->conf;
    const char *uri = fpm_request_param(self, "SCRIPT_NAME");
    bool is_ready = false;
    switch (find_page(conf, uri != NULL ? uri : "")) {
    case PAGE_PING:
        serve_text(self, 200, conf->ping_response != NULL ? conf->ping_response : "pong");
        return true;
    case PAGE_STATUS:
        fpm_score_state(&self->worker->score, STATUS_RUNNING);  /* as the page shows itself */
        serve_status(self);
        return true;
    case PAGE_HEALTH:
        serve_text(self, 200, "alive\n");
        return true;
    case PAGE_READY:
        is_ready = fpm_pool_is_ready(self->worker->pool);
        serve_text(self, is_ready ? 200 : 503, is_ready ? "ready\n" : "busy\n");
        return true;
    case PAGE_METRICS:
        serve_metrics(self);
        return true;
    case PAGE_NONE:
        break;
    }
    if (conf->is_status) {
        fpm_answer_replace(self, 404, "File not found.\n");
    }
    return conf->is_status;
}
