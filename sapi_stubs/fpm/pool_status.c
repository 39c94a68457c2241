/* pool_status: what a pool tells of itself: the snapshot for status pages, its counters.
 * Owns        nothing.
 * Thread      any; workers go on meanwhile.
 * Invariants  I1  idle and active are counted from the workers' records, never kept
 * Failure     none.
 * Tests       tests/fpm/status_page.sh */
#include "config.h"

#include <unistd.h>

#include "fpm/clock.h"
#include "fpm/pool_internal.h"

const char *fpm_pool_name(const fpm_pool *pool)
{
    return pool->conf->name;
}

fpm_pool_counters *fpm_pool_count(fpm_pool *pool)
{
    return &pool->counters;
}

size_t fpm_pool_capacity(const fpm_pool *pool)
{
    return pool->about->capacity;
}

void fpm_pool_observe(_Atomic uint64_t *buckets, _Atomic uint64_t *sum, uint64_t nanoseconds)
{
    atomic_fetch_add_explicit(&buckets[status_bucket(nanoseconds)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(sum, nanoseconds, memory_order_relaxed);
}

void fpm_pool_access_log(fpm_pool *pool, const char *line, size_t size)
{
    if (pool->access_file >= 0) {
        ssize_t ignored = write(pool->access_file, line, size);
        (void)ignored;
    }
}

size_t fpm_pool_memory_limit(const fpm_pool *pool)
{
    return atomic_load_explicit(&pool->memory_limit, memory_order_relaxed);
}

bool fpm_pool_enter_budget(fpm_worker *worker, const char *script, bool (*go_on)(void *context),
    void *context)
{
    fpm_budget *budget = &worker->pool->budget;
    return budget->size == 0 || fpm_budget_enter(budget, &worker->budget_part, script,
        fpm_pool_memory_limit(worker->pool), go_on, context);
}

void fpm_pool_leave_budget(fpm_worker *worker, size_t peak)
{
    fpm_budget *budget = &worker->pool->budget;
    if (budget->size > 0) {
        fpm_budget_leave(budget, &worker->budget_part, peak);
    }
}

/* ---- the snapshot ---- */

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void copy_histogram(status_histogram *histogram, const _Atomic uint64_t *buckets,
    const _Atomic uint64_t *sum)
{
    for (size_t index = 0; index < STATUS_BUCKET_COUNT; index++) {
        histogram->bucket[index] = get(&buckets[index]);
    }
    histogram->sum = get(sum);
}

static status_text text_of(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0') {
        size++;
    }
    return (status_text){ .text = text, .size = size };
}

/* The query follows the URI in one text: both lie in the row's own copy of the record. */
static status_text uri_of(fpm_score *score, char *room, size_t room_size)
{
    int size = snprintf(room, room_size, "%s%s%s", score->uri,
        score->query[0] != '\0' ? "?" : "", score->query);
    return (status_text){ .text = room, .size = (size_t)size };
}

static void fill_row(status_worker *row, unsigned int number, fpm_score *score, uint64_t now)
{
    bool is_idle = score->state == STATUS_IDLE;
    uint64_t duration = is_idle ? score->request_duration
        : now > score->request_begin ? now - score->request_begin : 0;
    *row = (status_worker){
        .number = number,
        .tid = (int)score->tid,
        .state = (status_state)score->state,
        .start_time = (time_t)score->start_time,
        .request_count = score->request_count,
        .request_duration = duration / 1000,
        .request_method = text_of(score->method),
        .request_uri = uri_of(score, score->full_uri, sizeof(score->full_uri)),
        .content_length = score->content_length,
        .user = text_of(score->user),
        .script = text_of(score->script),
        .last_request_cpu = score->request_duration > 0
            ? 100.0 * (double)score->last_cpu / (double)score->request_duration : 0,
        .last_request_memory = score->last_memory,
        .heap_size = score->heap_size,
        .heap_real_size = score->heap_real_size,
        .heap_peak = score->last_memory,
        .heap_cached = score->heap_cached,
        .heap_limit = score->heap_limit,
        .reset_duration = score->reset_duration,
    };
}

/* The heaps that run now, over what the records remember of the last request's end. */
static void fill_heaps(status_worker *workers, size_t count)
{
    enum { HEAP_COUNT_MAX = 256 };
    zend_mm_process_heap heaps[HEAP_COUNT_MAX];
    size_t heap_count = zend_mm_process_stats(NULL, heaps, HEAP_COUNT_MAX);
    heap_count = heap_count < HEAP_COUNT_MAX ? heap_count : HEAP_COUNT_MAX;
    for (size_t index = 0; index < count; index++) {
        for (size_t heap = 0; heap < heap_count; heap++) {
            if (heaps[heap].thread == (uint64_t)workers[index].tid) {
                workers[index].heap_size = heaps[heap].size;
                workers[index].heap_real_size = heaps[heap].real_size;
                workers[index].heap_cached = heaps[heap].cached_size;
                workers[index].heap_limit = heaps[heap].limit;
            }
        }
    }
}

static void fill_counters(const fpm_pool_counters *counters, status_pool *status)
{
    status->accepted_count = get(&counters->accepted);
    status->children_max_reached = get(&counters->children_max_reached);
    status->slow_count = get(&counters->slow);
    status->memory_peak = get(&counters->memory_peak);
    status->request_count = get(&counters->requests);
    status->limit_hit_count = get(&counters->limit_hits);
    status->timeout_count = get(&counters->timeouts);
    status->abort_count = get(&counters->aborts);
    status->queue_timeout_count = get(&counters->queue_timeouts);
    status->worker_start_count = get(&counters->worker_starts);
    status->worker_end_count = get(&counters->worker_ends);
    copy_histogram(&status->request_time, counters->request_time, &counters->request_time_sum);
    copy_histogram(&status->queue_time, counters->queue_time, &counters->queue_time_sum);
    copy_histogram(&status->reset_time, counters->reset_time, &counters->reset_time_sum);
}

static void count_workers(fpm_pool *pool, status_pool *status, status_worker *workers,
    fpm_score *scores, size_t capacity)
{
    uint64_t now = fpm_clock_ns();
    for (unsigned int index = 0; index < pool->capacity; index++) {
        const fpm_score_slot *slot = &pool->workers[index].score;
        status_state state = fpm_score_read_state(slot);
        if (state == FPM_SCORE_NO_WORKER) {
            continue;
        }
        if (status->worker_count < capacity) {
            fpm_score *score = &scores[status->worker_count];
            fpm_score_read(slot, score);
            fill_row(&workers[status->worker_count], index, score, now);
            state = (status_state)score->state;
            status->worker_count++;
        }
        status->idle_count += state == STATUS_IDLE || state == STATUS_STARTING;
        status->total_count++;
    }
    status->active_count = status->total_count - status->idle_count;
}

void fpm_pool_status(fpm_pool *asked, status_pool *status, status_worker *workers,
    fpm_score *scores, size_t capacity)
{
    fpm_pool *pool = asked->about;
    unsigned int waiting = 0, size = 0;
    zend_mm_process_statistics process;
    *status = (status_pool){ .name = text_of(pool->conf->name),
        .process_manager = fpm_pm_style_name(pool->conf->pm), .start_time = pool->start_time,
        .now = time(NULL), .workers = workers };
    fill_counters(&pool->counters, status);
    count_workers(pool, status, workers, scores, capacity);
    fill_heaps(workers, status->worker_count);
    (void)fpm_listener_queue(pool->listener, &waiting, &size);
    status->listen_queue = waiting;
    status->listen_queue_size = size;
    uint64_t queue_max = get(&pool->counters.queue_max);
    status->listen_queue_max = queue_max > waiting ? queue_max : waiting;
    uint64_t active_max = get(&pool->counters.active_max);
    status->active_count_max = active_max > status->active_count ? (unsigned int)active_max
                                                                 : status->active_count;
    (void)zend_mm_process_stats(&process, NULL, 0);
    status->process_memory = process.usage;
    status->process_memory_limit = process.limit;
    status->map_count = process.take_count;
    status->unmap_count = process.give_count;
    status->budget = pool->budget.size;
    status->budget_used = fpm_budget_used(&pool->budget);
}

uint64_t fpm_pool_idle_time(const fpm_pool *pool, uint64_t now)
{
    uint64_t since = 0;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_score score;
        if (pool->workers[index].life == FPM_WORKER_NONE) {
            continue;
        }
        fpm_score_read(&pool->workers[index].score, &score);
        if (score.state != STATUS_IDLE) {
            return 0;
        }
        since = score.idle_since > since ? score.idle_since : since;
    }
    return now > since ? now - since : 0;
}

bool fpm_pool_is_ready(fpm_pool *asked)
{
    fpm_pool *pool = asked->about;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        status_state state = fpm_score_read_state(&pool->workers[index].score);
        if (state == STATUS_IDLE
            || (state == FPM_SCORE_NO_WORKER && pool->conf->pm != FPM_PM_STATIC)) {
            return true;
        }
    }
    return false;
}
