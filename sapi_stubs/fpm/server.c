/* server: the control thread, which is the main thread.
 * Owns        the server; everything that is not a request.
 * Thread      main thread.
 * Invariants  I1  the loop never waits for a worker or a client: what takes time is looked at again
 *                 with the next tick
 *             I2  the process ends in a bounded time once it was told to
 * Failure     exit status 70 or 78, logged.
 * Tests       tests/fpm/signals.sh, tests/fpm/reload.sh, tests/fpm/pools.sh */
#include "config.h"

#include "fpm/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fpm/clock.h"
#include "fpm/daemon.h"
#include "fpm/log.h"

#define MILLISECOND 1000000ull          /* nanoseconds */
#define SECOND (1000 * MILLISECOND)

enum {
    TICK = 50,                  /* milliseconds: how exactly deadlines of requests are kept */
    TERMINATE_SECONDS = 5,      /* for workers to leave when they are interrupted */
};

/* ---- the end ---- */

/* Nothing new comes in; what was accepted is answered. */
static void stop_listening(fpm_server *server)
{
    for (fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        if (!atomic_load(&at->lot.is_listening)) {
            continue;
        }
        fpm_lot_accept_all(&at->lot, fpm_clock_ms() + 5000);
        fpm_lot_stop_listening(&at->lot);
        (void)fpm_lot_sweep_idle(&at->lot);
    }
}

static void set_state(fpm_server *server, fpm_server_state state)
{
    if (state <= server->state) {
        return;
    }
    server->state = state;
    server->state_since = fpm_clock_ns();
    fpm_notify("STOPPING=1");
    fpm_log(FPM_LOG_NOTICE, NULL, state == FPM_SERVER_FINISHING ? "Finishing ..."
                                                                : "Terminating ...");
    stop_listening(server);
}

static void tell_all(fpm_server *server)
{
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        fpm_pool_tell_all(pool);
    }
}

/* An ondemand pool may have none, or pm.max_requests has just ended the last. */
static void keep_a_worker(fpm_server *server)
{
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        if (!pool->is_leaving && fpm_pool_thread_count(pool) == 0
            && atomic_load(&pool->listener->lot.open_count) > 0) {
            (void)fpm_pool_start_workers(pool, 1);
        }
    }
}

/* QUIT: once every connection was answered and is closed, the workers leave. */
static void go_on_finishing(fpm_server *server, uint64_t now)
{
    uint32_t open_count = 0;
    for (fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        (void)fpm_lot_sweep(&at->lot, fpm_clock_ms());
        (void)fpm_lot_sweep_idle(&at->lot);
        open_count += atomic_load(&at->lot.open_count);
    }
    if (open_count == 0) {
        tell_all(server);
    } else {
        keep_a_worker(server);
    }
    uint64_t patience = (uint64_t)server->conf->global.process_control_timeout * MILLISECOND;
    if (now - server->state_since >= patience) {
        fpm_log(FPM_LOG_WARNING, NULL, "requests are not done after process_control_timeout "
            "(%llu s)", (unsigned long long)(patience / SECOND));
        set_state(server, FPM_SERVER_TERMINATING);
    }
}

/* TERM: every request is interrupted, again and again, since one may just begin. */
static void go_on_terminating(fpm_server *server, uint64_t now)
{
    tell_all(server);
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        fpm_pool_interrupt_all(pool);
    }
    if (now - server->state_since >= TERMINATE_SECONDS * SECOND) {
        fpm_log(FPM_LOG_ALERT, NULL, "%u workers are stuck and cannot be ended, exiting",
            fpm_server_thread_count(server));
        fpm_pid_remove(server->conf->global.pid);
        _exit(FPM_EXIT_SOFTWARE);
    }
}

static void go_on_ending(fpm_server *server, uint64_t now)
{
    if (server->state == FPM_SERVER_FINISHING) {
        go_on_finishing(server, now);
    }
    if (server->state == FPM_SERVER_TERMINATING) {
        go_on_terminating(server, now);
    }
    server->is_over = server->state != FPM_SERVER_NORMAL && fpm_server_thread_count(server) == 0;
}

/* ---- ticks ---- */

static void notify(fpm_server *server, uint64_t now)
{
    char text[256];
    unsigned int active = 0, idle = 0;
    uint64_t requests = 0, slow = 0;
    if (getenv("NOTIFY_SOCKET") == NULL || now < server->next_notify) {
        return;
    }
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        status_pool status;
        if (pool->is_leaving || pool->about != pool) {
            continue;
        }
        fpm_pool_status(pool, &status, NULL, NULL, 0);
        active += status.active_count;
        idle += status.idle_count;
        requests += status.accepted_count;
        slow += status.slow_count;
    }
    snprintf(text, sizeof(text), "STATUS=Processes active: %u, idle: %u, Requests: %llu, slow: "
        "%llu\nWATCHDOG=1", active, idle, (unsigned long long)requests, (unsigned long long)slow);
    fpm_notify(text);
    uint64_t interval = (uint64_t)server->conf->global.systemd_interval * MILLISECOND;
    uint64_t watchdog = fpm_notify_watchdog();
    server->next_notify = now + (watchdog > 0 && watchdog < interval ? watchdog : interval);
}

/* Segments that wait for requests go back to the system when there were none for a while. */
static void trim_idle(const fpm_server *server, uint64_t now)
{
    for (const fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        uint64_t patience = (uint64_t)pool->conf->pm_process_idle_timeout * MILLISECOND;
        if (fpm_pool_idle_time(pool, now) < patience) {
            return;
        }
    }
    (void)zend_mm_process_trim(0);
}

/* Once a second. */
static void manage(fpm_server *server, uint64_t now)
{
    server->next_tick = now + SECOND;
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        fpm_pool_manage(pool, fpm_server_room(server));
    }
    for (fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        (void)fpm_lot_sweep(&at->lot, fpm_clock_ms());
    }
    trim_idle(server, now);
    notify(server, now);
}

/* Workers that have ended; those that did so by pm.max_requests are replaced at once. */
static void collect(fpm_server *server)
{
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        unsigned int unexpected = fpm_pool_collect(pool);
        if (unexpected > 0 && !pool->is_leaving && server->state == FPM_SERVER_NORMAL) {
            unsigned int room = fpm_server_room(server);
            (void)fpm_pool_start_workers(pool, unexpected < room ? unexpected : room);
        }
    }
    fpm_server_drop_unused(server);
}

static void tick(fpm_server *server)
{
    uint64_t now = fpm_clock_ns();
    collect(server);
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        fpm_pool_check_requests(pool, now);
        fpm_pool_go_on_restarting(pool);
    }
    if (server->state == FPM_SERVER_NORMAL && now >= server->next_tick) {
        manage(server, now);
    }
    go_on_ending(server, now);
}

/* ---- events ---- */

static void take_signal(fpm_server *server)
{
    struct signalfd_siginfo info;
    if (read(server->signal_file, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    switch (info.ssi_signo) {
    case SIGTERM:
    case SIGINT:
        set_state(server, FPM_SERVER_TERMINATING);
        break;
    case SIGQUIT:
        set_state(server, FPM_SERVER_FINISHING);
        break;
    case SIGUSR1:
        fpm_server_reopen_logs(server);
        break;
    case SIGUSR2:
        if (server->state == FPM_SERVER_NORMAL) {
            fpm_server_reload(server);
        }
        break;
    default:
        break;
    }
}

/* A connection waits in an ondemand pool. */
static void manage_waiting(fpm_server *server, fpm_listener *listener)
{
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        if (pool->listener == listener && pool->conf->pm == FPM_PM_ONDEMAND
            && server->state == FPM_SERVER_NORMAL) {
            fpm_pool_manage(pool, fpm_server_room(server));
        }
    }
}

static void drain(int file)
{
    uint64_t count;
    ssize_t ignored = read(file, &count, sizeof(count));
    (void)ignored;
}

static void dispatch(fpm_server *server, void *source)
{
    if (source == &server->signal_file) {
        take_signal(server);
        tick(server);
    } else if (source == &server->timer_file) {
        drain(server->timer_file);
        tick(server);
    } else if (source == &server->ended_event) {
        drain(server->ended_event);
        collect(server);
        go_on_ending(server, fpm_clock_ns());
    } else if (source == &server->control_file) {
        fpm_control_answer(server);
    } else {
        manage_waiting(server, source);
    }
}

static void loop(fpm_server *server)
{
    while (!server->is_over) {
        struct epoll_event event;
        int count = epoll_wait(server->set, &event, 1, -1);
        if (count == 1) {
            dispatch(server, event.data.ptr);
        }
    }
}

/* ---- start ---- */

static bool watch(const fpm_server *server, int file, void *source)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };
    return file >= 0 && epoll_ctl(server->set, EPOLL_CTL_ADD, file, &event) == 0;
}

static bool open_files(fpm_server *server)
{
    sigset_t mask;
    struct itimerspec every = { .it_interval.tv_nsec = TICK * (long)MILLISECOND,
        .it_value.tv_nsec = TICK * (long)MILLISECOND };
    sigfillset(&mask);
    sigdelset(&mask, SIGRTMIN + 3);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sigemptyset(&mask);
    static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };
    for (size_t index = 0; index < sizeof(signals) / sizeof(signals[0]); index++) {
        sigaddset(&mask, signals[index]);
    }
    server->set = epoll_create1(EPOLL_CLOEXEC);
    server->signal_file = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    server->timer_file = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    server->ended_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fpm_worker_setup() && watch(server, server->signal_file, &server->signal_file)
        && watch(server, server->timer_file, &server->timer_file)
        && timerfd_settime(server->timer_file, 0, &every, NULL) == 0
        && watch(server, server->ended_event, &server->ended_event);
}

static void close_files(fpm_server *server)
{
    close(server->ended_event);
    close(server->timer_file);
    close(server->signal_file);
    close(server->set);
}

/* Everything is gone but the configuration. */
static void end(fpm_server *server)
{
    fpm_control_close(server);
    fpm_server_drop_unused(server);
    if (server->prepared != NULL) {
        server->pools = server->prepared;
    }
    while (server->pools != NULL) {
        fpm_pool *pool = server->pools;
        server->pools = pool->next;
        fpm_pool_free(pool);
    }
    while (server->listeners != NULL) {
        fpm_listener *listener = server->listeners;
        server->listeners = listener->next;
        fpm_listener_close(listener);
    }
    close_files(server);
}

bool fpm_server_open(fpm_server *server, const fpm_options *options, fpm_conf *conf)
{
    *server = (fpm_server){ .options = options, .control_file = -1 };
    if (!open_files(server)) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "the control thread has no descriptors");
        return false;
    }
    server->prepared = fpm_server_prepare(server, conf);
    server->prepared_conf = conf;
    if (server->prepared == NULL || !fpm_control_open(server, conf)) {
        end(server);
        return false;
    }
    return true;
}

int fpm_server_run(fpm_server *server)
{
    if (!fpm_server_commit(server, server->prepared_conf, server->prepared)) {
        end(server);
        return FPM_EXIT_SOFTWARE;
    }
    server->prepared = NULL;
    fpm_log(FPM_LOG_NOTICE, NULL, "fpm is running, pid %ld", (long)getpid());
    fpm_daemon_ready();
    fpm_log(FPM_LOG_NOTICE, NULL, "ready to handle connections");
    fpm_server_report(server);
    fpm_notify("READY=1\nSTATUS=Ready to handle connections");
    loop(server);
    end(server);
    fpm_log(FPM_LOG_NOTICE, NULL, "exiting, bye-bye!");
    fpm_pid_remove(server->conf->global.pid);
    return FPM_EXIT_OK;
}
