/* request_end: what is known of a request when it is over: score, counters, access log.
 * Owns        the worker's score while a request ends.
 * Thread      the worker's.
 * Invariants  none.
 * Failure     none.
 * Tests       tests/fpm/request.c, tests/fpm/request.sh */
#include "config.h"

#include <ctype.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fpm/request_internal.h"

static uint64_t nanoseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static void read_cpu(uint64_t *user, uint64_t *system)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    *user = nanoseconds(usage.ru_utime);
    *system = nanoseconds(usage.ru_stime);
}

void fpm_request_note_begin(fpm_request *self)
{
    self->begin_time = fpm_request_now();
    self->begin_date = time(NULL);
    fpm_score_begin(&self->worker->score, self->begin_time);
}

/* ---- access log ---- */

/* For %e and %o: texts that end; what is longer than this is cut. */
static _Thread_local char found_text[256];

static const char *variable(const void *context, const char *name)
{
    const char *value = fpm_request_param(context, name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static const char *header(const void *context, const char *name)
{
    const fpm_request *self = context;
    size_t size = 0;
    const char *value = fpm_answer_find_header(&self->answer, name, &size);
    if (value == NULL) {
        return NULL;
    }
    size = size < sizeof(found_text) - 1 ? size : sizeof(found_text) - 1;
    memcpy(found_text, value, size);
    found_text[size] = '\0';
    return found_text;
}

/* access.suppress_path: plain successful reads of the paths in the list. */
static bool is_suppressed(const fpm_request *self, const access_log_entry *entry)
{
    bool is_read = strcmp(entry->method, "GET") == 0 || strcmp(entry->method, "HEAD") == 0;
    if (!is_read || entry->status < 200 || entry->status > 299 || entry->content_length > 0
        || entry->query[0] != '\0') {
        return false;
    }
    const fpm_conf_pair *path = self->worker->conf->access_suppress_path;
    while (path != NULL && strcmp(path->value, entry->uri) != 0) {
        path = path->next;
    }
    return path != NULL;
}

static const char *text_or_empty(const fpm_request *self, const char *name)
{
    const char *value = fpm_request_param(self, name);
    return value != NULL ? value : "";
}

static double per_cent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part * 100 / (double)whole;
}

static void write_access_line(fpm_request *self, uint64_t duration, uint64_t user, uint64_t system
    TSRMLS_DC)
{
    const fpm_conf_pool *conf = self->worker->conf;
    char line[ACCESS_LOG_LINE_MAX];
    access_log_entry entry = {
        .pool = conf->name,
        .method = text_or_empty(self, "REQUEST_METHOD"),
        .uri = text_or_empty(self, "SCRIPT_NAME"),
        .query = text_or_empty(self, "QUERY_STRING"),
        .script = self->script,
        .user = text_or_empty(self, "REMOTE_USER"),
        .address = self->connection->address,
        .status = (int)self->answer.status,
        .content_length = self->parser.content_length,
        .worker_tid = (int)self->worker->score.own.tid,
        .server_pid = (int)getpid(),
        .begin_time = self->begin_date,
        .end_time = time(NULL),
        .duration = duration,
        .cpu_user = per_cent(user, duration),
        .cpu_system = per_cent(system, duration),
        .heap_peak = zend_memory_peak_usage(1 TSRMLS_CC),
        .heap_real_size = zend_memory_usage(1 TSRMLS_CC),
        .heap_size = zend_memory_usage(0 TSRMLS_CC),
        .reset_duration = SG(reset_duration),
        .variable = variable,
        .header = header,
        .context = self,
    };
    if (entry.address[0] == '\0') {
        entry.address = text_or_empty(self, "REMOTE_ADDR");
    }
    if (!is_suppressed(self, &entry)) {
        fpm_pool_access_log(self->worker->pool, line,
            access_log_print(conf->access_format_compiled, &entry, line));
    }
}

/* ---- score and counters ---- */

static void raise_to(_Atomic uint64_t *largest, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(largest, memory_order_relaxed);
    while (seen < value && !atomic_compare_exchange_weak_explicit(largest, &seen, value,
            memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void add_one(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void fpm_request_note_end(fpm_request *self TSRMLS_DC)
{
    fpm_pool_counters *counters = fpm_pool_count(self->worker->pool);
    fpm_score *score = &self->worker->score.own;
    uint64_t now_user = 0;
    uint64_t now_system = 0;
    uint64_t duration = fpm_request_now() - self->begin_time;
    /* Waiting takes no CPU time: a request's begins where the one before ended. */
    read_cpu(&now_user, &now_system);
    uint64_t user = now_user - self->used_user;
    uint64_t system = now_system - self->used_system;
    self->used_user = now_user;
    self->used_system = now_system;

    zend_mm_heap_statistics heap = { .limit = SIZE_MAX };
    (void)zend_mm_heap_stats(NULL, &heap);
    score->request_duration = duration;
    score->last_cpu = user + system;
    score->last_memory = heap.real_peak;
    score->heap_size = heap.size;
    score->heap_real_size = heap.real_size;
    score->heap_cached = heap.cached_size;
    score->heap_limit = heap.limit;
    score->request_count++;
    fpm_score_publish(&self->worker->score);

    add_one(&counters->requests);
    raise_to(&counters->memory_peak, heap.real_peak);
    fpm_pool_observe(counters->request_time, &counters->request_time_sum, duration);
    fpm_pool_observe(counters->queue_time, &counters->queue_time_sum,
        self->connection->queue_wait);
    if (self->worker->conf->access_format_compiled != NULL) {
        write_access_line(self, duration, user, system TSRMLS_CC);
    }
}

void fpm_request_note_reset(fpm_request *self TSRMLS_DC)
{
    fpm_pool_counters *counters = fpm_pool_count(self->worker->pool);
    self->worker->score.own.reset_duration = SG(reset_duration);
    fpm_pool_leave_budget(self->worker, self->worker->score.own.last_memory);
    fpm_pool_observe(counters->reset_time, &counters->reset_time_sum, SG(reset_duration));
    if (SG(heap_is_kept)) {
        fpm_log(FPM_LOG_DEBUG, self->worker->conf->name,
            "worker %u: a request left %lld bytes more", self->worker->index,
            (long long)SG(heap_growth));
    }
}
