/* worker: takes connections from the lot, one at a time, and serves what they ask.
 * Owns        the worker's buffer; the connection it holds.
 * Thread      the worker.
 * Invariants  I1  a connection is held only while a whole head is there, or until it is known that
 *                 there is none: no client can keep a worker waiting for a head
 *             I2  the worker is told to leave between two requests only, and never gives up a
 *                 connection then: it parks it for the others
 *             I3  the signal that ends a wait is blocked except in the wait, so it is never lost
 * Failure     a worker that cannot begin logs why and ends; the control thread tries again.
 * Tests       tests/fpm/pools.sh, tests/fpm/hostile.sh, tests/fpm/load.sh */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fpm/clock.h"
#include "fpm/log.h"
#include "fpm/pool_internal.h"

int fpm_worker_wake_signal(void)
{
    return SIGRTMIN + 4;        /* engine_interrupt() has SIGRTMIN + 3 */
}

static void be_woken(int number)
{
    (void)number;               /* epoll_pwait(2) gives EINTR, that is all */
}

bool fpm_worker_setup(void)
{
    struct sigaction action = { .sa_handler = be_woken };
    return sigaction(fpm_worker_wake_signal(), &action, NULL) == 0;
}

void fpm_worker_say(const fpm_pool *pool, uint64_t tid, fpm_log_level level,
    const char *format, ...)
{
    char text[FPM_LOG_LINE_MAX / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (pool->conf->catch_workers_output && pool->conf->decorate_workers_output) {
        fpm_log(FPM_LOG_WARNING, pool->conf->name, "child %llu said into stderr: \"%s: %s\"",
            (unsigned long long)(tid != 0 ? tid : (uint64_t)getpid()),
            fpm_log_level_name(level), text);
    } else {
        fpm_log(level, NULL, "%s", text);
    }
}

/* ---- what can be interrupted ---- */

void fpm_worker_request_begin(fpm_worker *worker, fpm_connection *connection)
{
    pthread_mutex_lock(&worker->guard);
    atomic_store_explicit(&worker->request.engine.stop, ENGINE_GO_ON, memory_order_relaxed);
    atomic_store_explicit(&worker->request.engine.inspect_depth, 0, memory_order_relaxed);
    worker->was_timed_out = false;
    worker->was_slow = false;
    worker->serving = connection;
    atomic_store_explicit(&connection->abort_id, 0, memory_order_relaxed);
    pthread_mutex_unlock(&worker->guard);
    connection->stop = &worker->request.engine;
}

void fpm_worker_request_end(fpm_worker *worker)
{
    pthread_mutex_lock(&worker->guard);
    if (worker->serving != NULL) {
        worker->serving->stop = NULL;
    }
    worker->serving = NULL;
    pthread_mutex_unlock(&worker->guard);
}

/* ---- the map of the heap ---- */

bool fpm_worker_answer_dump(fpm_worker *worker)
{
    if (atomic_load_explicit(&worker->dump_file, memory_order_relaxed) < 0) {
        return false;
    }
    int file = atomic_exchange_explicit(&worker->dump_file, -1, memory_order_acquire);
    if (file < 0) {
        return false;
    }
    if (!zend_mm_heap_dump(NULL, file)) {
        fpm_log(FPM_LOG_NOTICE, worker->conf->name, "worker %u: the map of its heap was not taken",
            worker->index);
    }
    close(file);
    return true;
}

/* ---- a connection ---- */

static bool is_leaving(const fpm_worker *worker)
{
    return atomic_load_explicit(&worker->leave, memory_order_relaxed)
        || (worker->request_limit > 0
            && worker->score.own.request_count >= worker->request_limit);
}

static bool has_head(const fpm_connection *connection)
{
    return fpm_head_is_there(connection->input + connection->input_begin,
        connection->input_end - connection->input_begin);
}

/* Until a new connection's or a half head's bytes come, or the next request of an idle one. A half
 * head's time counts from its first byte. */
static void park(fpm_worker *worker, fpm_connection *connection, bool is_idle)
{
    int64_t now = fpm_clock_ms();
    int64_t deadline = now + worker->conf->request_header_timeout;
    if (is_idle) {
        deadline = now + worker->conf->keepalive_timeout;
    } else if (connection->staged_size > 0) {
        deadline = atomic_load_explicit(&connection->deadline, memory_order_relaxed);
    }
    (void)fpm_lot_park(&worker->pool->listener->lot, connection, deadline);
}

static void close_connection(fpm_worker *worker, fpm_connection *connection)
{
    fpm_lot_close(&worker->pool->listener->lot, connection);
}

/* How long the request has waited for a worker: since the control thread saw it. TCP tells when its
 * last bytes came. */
static uint64_t queue_wait(fpm_connection *connection)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    uint64_t seen = connection->waiting_since > 0 ? fpm_clock_ns() - connection->waiting_since : 0;
    connection->waiting_since = 0;
    if (connection->address[0] == '\0'
        || getsockopt(connection->file, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return seen;
    }
    uint64_t told = (uint64_t)info.tcpi_last_data_recv * 1000000u;
    return told > seen ? told : seen;
}

/* Behind the answer: no more than the heap may keep. */
static void limit_memory(fpm_worker *worker)
{
    size_t most = worker->conf->pm_max_memory;
    zend_mm_heap *heap = zend_mm_get_heap();
    TSRMLS_FETCH();
    if (most == 0 || heap == NULL || zend_memory_usage(1 TSRMLS_CC) <= most) {
        return;
    }
    (void)zend_mm_trim(heap, most);
    size_t held = zend_memory_usage(1 TSRMLS_CC);
    if (held > most) {
        fpm_log(FPM_LOG_NOTICE, worker->conf->name, "worker %u holds %zu bytes, pm.max_memory is "
            "%zu: it is started anew", worker->index, held, most);
        atomic_store_explicit(&worker->leave, true, memory_order_relaxed);
    }
}

/* One request. false: the connection was closed. */
static bool serve_request(fpm_worker *worker, fpm_connection *connection TSRMLS_DC)
{
    fpm_pool_counters *counters = &worker->pool->counters;
    connection->queue_wait = worker->conf->request_queue_timeout > 0 ? queue_wait(connection) : 0;
    atomic_fetch_add_explicit(&counters->accepted, 1, memory_order_relaxed);
    fpm_score_state(&worker->score, STATUS_READING_HEADERS);
    bool keep = fpm_request_serve(worker, connection TSRMLS_CC);
    connection->stop = NULL;
    limit_memory(worker);
    if (!keep || !atomic_load_explicit(&worker->pool->listener->lot.is_listening,
            memory_order_relaxed)) {
        close_connection(worker, connection);
        return false;
    }
    return true;
}

/* A client whose next request follows at once, as a web server's does that is busy: to wait for it
 * here costs less than to park and to be woken. Not where another client may need this worker, and
 * not again for one who did not come. */
static fpm_io linger(fpm_worker *worker, fpm_connection *connection)
{
    fpm_io result = FPM_IO_TIMEOUT;
    if (!connection->is_quick || is_leaving(worker)
        || atomic_load_explicit(&worker->pool->listener->lot.waiting_count,
            memory_order_relaxed) == 0) {
        return result;
    }
    uint64_t deadline = fpm_clock_ns() + FPM_LINGER_NS;
    do {
        sched_yield();
        result = fpm_connection_read(connection, 0);
    } while ((result == FPM_IO_TIMEOUT || (result == FPM_IO_DONE && !has_head(connection)))
        && fpm_clock_ns() < deadline);
    connection->is_quick = result == FPM_IO_DONE;
    return result;
}

/* Every request whose head is there. At the end the connection is parked or closed. */
static void serve(fpm_worker *worker, fpm_connection *connection TSRMLS_DC)
{
    bool any = false;
    connection->input = worker->input;
    connection->input_begin = 0;
    connection->input_end = connection->staged_size;
    if (connection->staged_size > 0) {
        memcpy(worker->input, connection->staged, connection->staged_size);
    }
    if (!has_head(connection)) {
        fpm_io result = fpm_connection_read(connection, 0);
        if (result == FPM_IO_CLOSED) {
            close_connection(worker, connection);
            return;
        }
    }
    while (has_head(connection)) {
        if (any && is_leaving(worker)) {
            break;
        }
        if (!serve_request(worker, connection TSRMLS_CC)) {
            return;
        }
        any = true;
        connection->staged_size = 0;
        if (connection->input_begin == connection->input_end
            && linger(worker, connection) == FPM_IO_CLOSED) {
            close_connection(worker, connection);
            return;
        }
    }
    park(worker, connection, any && connection->input_begin == connection->input_end);
}

static void greet(fpm_worker *worker, fpm_connection *connection TSRMLS_DC)
{
    if (!fpm_allowed_has(worker->pool->allowed, connection->address)) {
        fpm_worker_say(worker->pool, worker->score.own.tid, FPM_LOG_ERROR,
            "Connection disallowed: IP address '%s' has been dropped.", connection->address);
        close_connection(worker, connection);
        return;
    }
    serve(worker, connection TSRMLS_CC);
}

/* ---- the thread ---- */

static void become_idle(fpm_worker *worker)
{
    worker->score.own.state = STATUS_IDLE;
    worker->score.own.idle_since = fpm_clock_ns();
    fpm_score_publish(&worker->score);
}

/* A worker that goes on from request to request until its time slice is over is stopped in the middle
 * of one, for as long as the slices of the others take (some 3 ms each): so it lets others go first
 * between two requests, well before that, but not after each short one. */
enum { YIELD_EVERY_NS = 250000 };

static void run(fpm_worker *worker, const sigset_t *mask TSRMLS_DC)
{
    fpm_lot *lot = &worker->pool->listener->lot;
    fpm_turn_waiter waiter = { .thread = pthread_self(), .signal = fpm_worker_wake_signal() };
    bool in_turn = worker->conf->pm_wake_order == FPM_WAKE_FIFO;
    uint64_t yielded_at = 0;
    become_idle(worker);
    while (!is_leaving(worker)) {
        fpm_connection *connection;
        (void)fpm_worker_answer_dump(worker);
        switch (fpm_lot_wait(lot, in_turn ? &waiter : NULL, mask, &connection)) {
        case FPM_LOT_ACCEPTED:
            greet(worker, connection TSRMLS_CC);
            break;
        case FPM_LOT_READABLE:
            serve(worker, connection TSRMLS_CC);
            break;
        case FPM_LOT_NOTHING:
            continue;
        }
        become_idle(worker);
        if (worker->score.own.idle_since - yielded_at > YIELD_EVERY_NS) {
            yielded_at = worker->score.own.idle_since;
            sched_yield();
        }
    }
    fpm_lot_leave(lot, &waiter);
}

/* All signals are for the control thread, but the two that are sent to workers. */
static void set_signals(sigset_t *waiting_mask)
{
    sigset_t mask;
    sigfillset(&mask);
    sigdelset(&mask, SIGRTMIN + 3);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    *waiting_mask = mask;
    sigdelset(waiting_mask, fpm_worker_wake_signal());
}

static void set_identity(fpm_worker *worker)
{
    char name[16];      /* what the kernel keeps */
    pid_t tid = (pid_t)syscall(SYS_gettid);
    snprintf(name, sizeof(name), "%.10s-%u", worker->conf->name, worker->index % 10000);
    pthread_setname_np(pthread_self(), name);
    worker->score.own.tid = (uint64_t)tid;
    if (worker->conf->process_priority != FPM_CONF_UNSET
        && setpriority(PRIO_PROCESS, (id_t)tid, worker->conf->process_priority) != 0) {
        fpm_log_errno(FPM_LOG_WARNING, worker->conf->name, "Unable to set priority %d",
            worker->conf->process_priority);
    }
}

static void begin_and_run(fpm_worker *worker, const sigset_t *mask TSRMLS_DC)
{
    SG(server_context) = worker;
    if (sapi_thread_start(TSRMLS_C) == FAILURE) {
        fpm_log(FPM_LOG_ERROR, worker->conf->name, "worker %u has no heap", worker->index);
        return;
    }
    if (fpm_request_worker_start(worker)) {
        run(worker, mask TSRMLS_CC);
        (void)fpm_worker_answer_dump(worker);
        fpm_request_worker_end(worker);
    }
    sapi_thread_end(TSRMLS_C);
}

void *fpm_worker_main(void *argument)
{
    fpm_worker *worker = argument;
    sigset_t mask;
    set_signals(&mask);
    set_identity(worker);
    memset(&worker->request, 0, sizeof(worker->request));
    worker->input = malloc(FPM_INPUT_SIZE);
    void ***tsrm_ls = worker->input != NULL ? ts_resource(0) : NULL;
    if (tsrm_ls == NULL) {
        fpm_log(FPM_LOG_ERROR, worker->conf->name, "worker %u has no memory to begin with",
            worker->index);
    } else {
        begin_and_run(worker, &mask TSRMLS_CC);
        ts_free_thread();
    }
    free(worker->input);
    worker->input = NULL;
    int event = worker->pool->ended_event;
    atomic_store_explicit(&worker->has_ended, true, memory_order_release);
    (void)eventfd_write(event, 1);
    return NULL;
}
