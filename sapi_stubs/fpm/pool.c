/* pool: starts, ends and watches the workers of one pool.
 * Owns        the workers' structures and threads, the pool's log files.
 * Thread      control thread.
 * Invariants  I1  a worker's structure is reused only after its thread was joined
 *             I2  a thread that was told to leave is counted neither as idle nor as active
 * Failure     a worker that cannot be started is tried again, later each time.
 * Tests       tests/fpm/pools.sh, tests/fpm/reload.sh */
#include "config.h"

#include "fpm/pool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpm/clock.h"
#include "fpm/fastcgi.h"
#include "fpm/log.h"

#define SECOND 1000000000ull            /* nanoseconds */
enum {
    START_DELAY_MAX = 16,               /* seconds between two tries at most */
    CLIENT_LOOK_AFTER = 100000000,      /* nanoseconds, until it is looked for */
};

/* ---- log files ---- */

/* Open `path`, behind the descriptor `*file` if there is one. */
static bool open_log(const fpm_pool *pool, const char *what, const char *path, int *file)
{
    if (path == NULL || *path == '\0') {
        return true;
    }
    int opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "Unable to create or open %s(%s)", what, path);
        return false;
    }
    if (*file < 0) {
        *file = opened;
        return true;
    }
    bool done = dup3(opened, *file, O_CLOEXEC) >= 0;
    close(opened);
    if (done) {
        fpm_log(FPM_LOG_NOTICE, pool->conf->name, "%s file re-opened", what);
    }
    return done;
}

static bool open_logs(fpm_pool *pool)
{
    const fpm_conf_pool *conf = pool->conf;
    return open_log(pool, "access log", conf->access_log, &pool->access_file)
        && (conf->request_slowlog_timeout == 0
            || open_log(pool, "slowlog", conf->slowlog, &pool->slow_file));
}

bool fpm_pool_reopen_logs(fpm_pool *pool)
{
    return open_logs(pool);
}

/* ---- life ---- */

fpm_pool *fpm_pool_new(const fpm_conf_pool *conf, fpm_listener *listener, int ended_event)
{
    bool failed = false;
    fpm_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        goto fail_memory;
    }
    *pool = (fpm_pool){ .conf = conf, .listener = listener, .about = pool,
        .capacity = (unsigned int)conf->pm_max_children, .start_time = time(NULL),
        .children_max = conf->pm_max_children, .memory_limit = conf->memory_limit,
        .ended_event = ended_event, .access_file = -1, .slow_file = -1 };
    pool->workers = calloc(pool->capacity, sizeof(*pool->workers));
    if (pool->workers == NULL) {
        goto fail_memory;
    }
    for (unsigned int index = 0; index < pool->capacity; index++) {
        pool->workers[index].index = index;
        atomic_store(&pool->workers[index].dump_file, -1);
        fpm_score_state(&pool->workers[index].score, FPM_SCORE_NO_WORKER);
        pthread_mutex_init(&pool->workers[index].guard, NULL);
    }
    fpm_budget_init(&pool->budget, conf->pm_memory_budget);
    pool->allowed = fpm_allowed_new(conf->listen_allowed_clients, conf->name, &failed);
    if (failed || !open_logs(pool)) {
        fpm_pool_free(pool);
        return NULL;
    }
    return pool;
fail_memory:
    fpm_log(FPM_LOG_ERROR, conf->name, "no memory for %d workers", conf->pm_max_children);
    free(pool);
    return NULL;
}

void fpm_pool_free(fpm_pool *pool)
{
    for (unsigned int index = 0; index < pool->capacity; index++) {
        pthread_mutex_destroy(&pool->workers[index].guard);
    }
    if (pool->access_file >= 0) {
        close(pool->access_file);
    }
    if (pool->slow_file >= 0) {
        close(pool->slow_file);
    }
    fpm_allowed_free(pool->allowed);
    fpm_budget_destroy(&pool->budget);
    free(pool->workers);
    free(pool);
}

/* ---- starting ---- */

/* Some requests fewer for each, so that workers that started together do not end together. */
static uint64_t request_limit(const fpm_conf_pool *conf, unsigned int index)
{
    if (conf->pm_max_requests == 0 || conf->pm_max_requests_jitter == 0) {
        return (uint64_t)conf->pm_max_requests;
    }
    unsigned int seed = (unsigned int)fpm_clock_ns() ^ index;
    return (uint64_t)(conf->pm_max_requests - rand_r(&seed) % (conf->pm_max_requests_jitter + 1));
}

static bool start_worker(fpm_pool *pool, fpm_worker *worker)
{
    worker->pool = pool;
    worker->conf = pool->conf;
    worker->request_limit = request_limit(pool->conf, worker->index);
    worker->budget_part = (fpm_budget_part){ 0 };
    worker->started_at = fpm_clock_ns();
    worker->is_replaced = false;
    atomic_store(&worker->leave, false);
    atomic_store(&worker->has_ended, false);
    worker->score.own = (fpm_score){ .state = STATUS_STARTING, .start_time = (uint64_t)time(NULL) };
    fpm_score_publish(&worker->score);
    int error = pthread_create(&worker->thread, NULL, fpm_worker_main, worker);
    if (error != 0) {
        errno = error;
        fpm_log_errno(FPM_LOG_ERROR, pool->conf->name, "a worker's thread cannot be started");
        fpm_score_state(&worker->score, FPM_SCORE_NO_WORKER);
        return false;
    }
    worker->life = FPM_WORKER_ALIVE;
    atomic_fetch_add_explicit(&pool->counters.worker_starts, 1, memory_order_relaxed);
    return true;
}

/* A worker could not be started, or ended before it served: wait longer each time for the next. */
static void note_failure(fpm_pool *pool)
{
    uint64_t delay = 1ull << (pool->start_failure_count < 4 ? pool->start_failure_count : 4);
    delay = delay < START_DELAY_MAX ? delay : START_DELAY_MAX;
    pool->start_failure_count++;
    pool->start_again_at = fpm_clock_ns() + delay * SECOND;
}

unsigned int fpm_pool_start_workers(fpm_pool *pool, unsigned int count)
{
    unsigned int started = 0;
    if (fpm_clock_ns() < pool->start_again_at) {
        return 0;
    }
    for (unsigned int index = 0; index < pool->capacity && started < count; index++) {
        fpm_worker *worker = &pool->workers[index];
        if (worker->life != FPM_WORKER_NONE) {
            continue;
        }
        if (!start_worker(pool, worker)) {
            note_failure(pool);
            break;
        }
        started++;
    }
    return started;
}

/* ---- ending ---- */

/* Nobody answers any more: the client sees the end. */
static void drop_dump(fpm_worker *worker)
{
    int file = atomic_exchange(&worker->dump_file, -1);
    if (file >= 0) {
        close(file);
    }
}

unsigned int fpm_pool_collect(fpm_pool *pool)
{
    unsigned int unexpected = 0;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_worker *worker = &pool->workers[index];
        if (worker->life == FPM_WORKER_NONE
            || !atomic_load_explicit(&worker->has_ended, memory_order_acquire)) {
            continue;
        }
        pthread_join(worker->thread, NULL);
        drop_dump(worker);
        unexpected += worker->life == FPM_WORKER_ALIVE || worker->is_replaced;
        if (worker->score.own.request_count > 0) {
            pool->start_failure_count = 0;
        } else if (worker->life == FPM_WORKER_ALIVE) {
            note_failure(pool);
        }
        worker->life = FPM_WORKER_NONE;
        fpm_score_state(&worker->score, FPM_SCORE_NO_WORKER);
        atomic_fetch_add_explicit(&pool->counters.worker_ends, 1, memory_order_relaxed);
    }
    return unexpected;
}

void fpm_pool_tell(fpm_pool *pool, fpm_worker *worker)
{
    (void)pool;
    if (worker->life == FPM_WORKER_ALIVE) {
        worker->life = FPM_WORKER_LEAVING;
        atomic_store_explicit(&worker->leave, true, memory_order_relaxed);
        pthread_kill(worker->thread, fpm_worker_wake_signal());
    }
}

void fpm_pool_tell_all(fpm_pool *pool)
{
    pool->is_leaving = true;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_pool_tell(pool, &pool->workers[index]);
    }
}

void fpm_pool_interrupt_all(fpm_pool *pool)
{
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_worker *worker = &pool->workers[index];
        if (worker->life == FPM_WORKER_NONE) {
            continue;
        }
        pthread_mutex_lock(&worker->guard);
        if (worker->serving != NULL) {
            engine_interrupt(&worker->request.engine, worker->thread, ENGINE_STOP_SHUTDOWN);
        }
        pthread_mutex_unlock(&worker->guard);
    }
}

unsigned int fpm_pool_thread_count(const fpm_pool *pool)
{
    unsigned int count = 0;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        count += pool->workers[index].life != FPM_WORKER_NONE;
    }
    return count;
}

/* ---- the process manager ---- */

/* What the rules go by; *candidate is the idle worker that would be told to leave. */
static fpm_pm_view look(const fpm_pool *pool, uint64_t now, fpm_worker **candidate)
{
    fpm_pm_view view = { 0 };
    uint64_t oldest = UINT64_MAX;
    *candidate = NULL;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_worker *worker = &pool->workers[index];
        fpm_score score;
        if (worker->life != FPM_WORKER_ALIVE) {
            continue;
        }
        fpm_score_read(&worker->score, &score);
        if (score.state != STATUS_IDLE) {
            view.active_count += score.state != STATUS_STARTING;
            view.idle_count += score.state == STATUS_STARTING;
            continue;
        }
        view.idle_count++;
        uint64_t age = pool->conf->pm == FPM_PM_DYNAMIC ? score.start_time : score.idle_since;
        if (age < oldest) {
            oldest = age;
            *candidate = worker;
            view.oldest_idle = (int64_t)(now - score.idle_since) / 1000000;
        }
    }
    view.is_waiting = fpm_lot_has_waiting(&pool->listener->lot);
    return view;
}

static void raise_to(_Atomic uint64_t *most, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(most, memory_order_relaxed);
    while (seen < value && !atomic_compare_exchange_weak_explicit(most, &seen, value,
        memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void warn(const fpm_pool *pool, const fpm_pm_action *action, const fpm_pm_view *view)
{
    if (action->warn_busy) {
        fpm_log(FPM_LOG_WARNING, pool->conf->name, "seems busy (you may need to increase "
            "pm.start_servers, or pm.min/max_spare_servers), spawning %d children, there are %d "
            "idle, and %d total children", action->start_count, view->idle_count,
            view->idle_count + view->active_count);
    }
    if (action->warn_max) {
        fpm_log(FPM_LOG_WARNING, pool->conf->name, "server reached %s setting (%d), consider "
            "raising it", pool->conf->pm == FPM_PM_ONDEMAND ? "max_children" : "pm.max_children",
            pool->children_max);
    }
}

/* Of more workers than there may be the idle ones leave first. */
static void end_surplus(fpm_pool *pool, int surplus)
{
    for (int idle_only = 1; idle_only >= 0 && surplus > 0; idle_only--) {
        for (unsigned int index = 0; index < pool->capacity && surplus > 0; index++) {
            fpm_worker *worker = &pool->workers[index];
            bool is_idle = fpm_score_read_state(&worker->score) == STATUS_IDLE;
            if (worker->life == FPM_WORKER_ALIVE && (is_idle || idle_only == 0)) {
                fpm_pool_tell(pool, worker);
                surplus--;
            }
        }
    }
}

void fpm_pool_go_on_restarting(fpm_pool *pool)
{
    fpm_worker *next = NULL;
    if (pool->restart_before == 0 || pool->is_leaving) {
        return;
    }
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_worker *worker = &pool->workers[index];
        if (worker->life == FPM_WORKER_LEAVING || (worker->life == FPM_WORKER_ALIVE
                && fpm_score_read_state(&worker->score) == STATUS_STARTING)) {
            return;
        }
        if (worker->life == FPM_WORKER_ALIVE && worker->started_at < pool->restart_before) {
            next = next == NULL ? worker : next;
        }
    }
    if (next == NULL) {
        pool->restart_before = 0;
        fpm_log(FPM_LOG_NOTICE, pool->conf->name, "all workers were replaced");
        return;
    }
    next->is_replaced = true;
    fpm_pool_tell(pool, next);
}

void fpm_pool_ask_for_dump(fpm_worker *worker, int file)
{
    int before = atomic_exchange(&worker->dump_file, file);
    if (before >= 0) {
        close(before);
    }
    pthread_mutex_lock(&worker->guard);
    if (worker->serving != NULL) {
        engine_inspect(&worker->request.engine, worker->thread, 1);
    }
    pthread_mutex_unlock(&worker->guard);
    pthread_kill(worker->thread, fpm_worker_wake_signal());
}

void fpm_pool_manage(fpm_pool *pool, unsigned int room)
{
    fpm_conf_pool rules = *pool->conf;
    fpm_worker *candidate;
    unsigned int waiting, size;
    fpm_pm_view view = look(pool, fpm_clock_ns(), &candidate);
    raise_to(&pool->counters.active_max, (uint64_t)view.active_count);
    if (fpm_listener_queue(pool->listener, &waiting, &size)) {
        raise_to(&pool->counters.queue_max, waiting);
    }
    if (pool->is_leaving) {
        return;
    }
    rules.pm_max_children = pool->children_max;
    fpm_pm_action action = fpm_pm_tick(&rules, &pool->memory, &view);
    warn(pool, &action, &view);
    end_surplus(pool, view.idle_count + view.active_count - pool->children_max);
    if (action.reached_max) {
        atomic_fetch_add_explicit(&pool->counters.children_max_reached, 1, memory_order_relaxed);
    }
    if (action.end_idle && candidate != NULL) {
        fpm_pool_tell(pool, candidate);
    }
    if (action.start_count > 0) {
        unsigned int count = (unsigned int)action.start_count;
        (void)fpm_pool_start_workers(pool, count < room ? count : room);
    }
}

/* ---- requests that take long ---- */

/* The client has closed, or says that it gives the request up. */
static bool client_is_gone(const fpm_connection *connection)
{
    uint8_t header[FCGI_HEADER_SIZE];
    uint16_t id = atomic_load_explicit(&connection->abort_id, memory_order_relaxed);
    ssize_t size = recv(connection->file, header, sizeof header, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size == sizeof header && id != 0 && fcgi_is_abort(header, id));
}

/* Under the worker's guard, so the request is the one that `score` is about. */
static void check_request(fpm_pool *pool, fpm_worker *worker, const fpm_score *score,
    uint64_t duration)
{
    const fpm_conf_pool *conf = pool->conf;
    uint64_t milliseconds = duration / 1000000;
    if (conf->request_slowlog_timeout > 0 && !worker->was_slow
        && milliseconds >= (uint64_t)conf->request_slowlog_timeout) {
        worker->was_slow = true;
        atomic_fetch_add_explicit(&pool->counters.slow, 1, memory_order_relaxed);
        fpm_slowlog_write(pool, worker, score, duration);
        engine_inspect(&worker->request.engine, worker->thread,
            (unsigned int)conf->request_slowlog_trace_depth);
    }
    if (conf->request_terminate_timeout > 0 && !worker->was_timed_out
        && milliseconds >= (uint64_t)conf->request_terminate_timeout) {
        worker->was_timed_out = true;
        fpm_log(FPM_LOG_WARNING, conf->name, "child %llu, script '%s' (request: \"%s %s%s%s\") "
            "execution timed out (%llu.%06llu sec), terminating", (unsigned long long)score->tid,
            score->script, score->method, score->uri, score->query[0] != '\0' ? "?" : "",
            score->query, (unsigned long long)(milliseconds / 1000),
            (unsigned long long)(duration / 1000 % 1000000));
        engine_interrupt(&worker->request.engine, worker->thread, ENGINE_STOP_TIMEOUT);
    } else if (duration >= CLIENT_LOOK_AFTER && client_is_gone(worker->serving)) {
        engine_interrupt(&worker->request.engine, worker->thread, ENGINE_STOP_CLIENT_GONE);
    }
}

/* Requests that hold more than was expected leave less for those that wait. */
static void update_budget(fpm_pool *pool)
{
    enum { HEAP_COUNT_MAX = 512 };
    zend_mm_process_heap heaps[HEAP_COUNT_MAX];
    size_t count = zend_mm_process_stats(NULL, heaps, HEAP_COUNT_MAX);
    count = count < HEAP_COUNT_MAX ? count : HEAP_COUNT_MAX;
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_worker *worker = &pool->workers[index];
        fpm_score score;
        if (worker->life == FPM_WORKER_NONE
            || fpm_score_read_state(&worker->score) != STATUS_RUNNING) {
            continue;
        }
        fpm_score_read(&worker->score, &score);
        for (size_t heap = 0; heap < count; heap++) {
            if (heaps[heap].thread == score.tid) {
                fpm_budget_raise(&pool->budget, &worker->budget_part, heaps[heap].real_size);
            }
        }
    }
}

void fpm_pool_check_requests(fpm_pool *pool, uint64_t now)
{
    fpm_lot *lot = &pool->listener->lot;
    if (pool->budget.size > 0) {
        update_budget(pool);
    }
    if (pool->conf->request_queue_timeout > 0 && atomic_load(&lot->is_listening)
        && atomic_load_explicit(&lot->waiting_count, memory_order_relaxed) == 0) {
        fpm_lot_note_waiting(lot, (int64_t)(now / 1000000) + pool->conf->request_header_timeout);
    }
    for (unsigned int index = 0; index < pool->capacity; index++) {
        fpm_worker *worker = &pool->workers[index];
        fpm_score score;
        if (worker->life == FPM_WORKER_NONE
            || fpm_score_read_state(&worker->score) == STATUS_IDLE) {
            continue;
        }
        pthread_mutex_lock(&worker->guard);
        if (worker->serving != NULL) {
            fpm_score_read(&worker->score, &score);
            if (score.request_begin != 0 && now > score.request_begin) {
                check_request(pool, worker, &score, now - score.request_begin);
            }
        }
        pthread_mutex_unlock(&worker->guard);
    }
}
