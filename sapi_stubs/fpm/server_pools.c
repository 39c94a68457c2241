/* server_pools: which pools, listeners and configurations exist; reload.
 * Owns        the lists of the server.
 * Thread      main thread.
 * Invariants  I1  a listening socket that both configurations have stays open and keeps its
 *                 connections: old and new workers take from it side by side
 *             I2  a configuration is freed behind the last thread that reads it
 * Failure     false, logged; what runs goes on unchanged.
 * Tests       tests/fpm/reload.sh */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "fpm/clock.h"
#include "fpm/daemon.h"
#include "fpm/identity.h"
#include "fpm/log.h"
#include "fpm/server.h"

/* A configuration whose pools are leaving. */
struct fpm_old_conf {
    struct fpm_old_conf *next;
    fpm_conf *conf;
};

/* ---- counting ---- */

unsigned int fpm_server_thread_count(const fpm_server *server)
{
    unsigned int count = 0;
    for (const fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        count += fpm_pool_thread_count(pool);
    }
    return count;
}

unsigned int fpm_server_room(const fpm_server *server)
{
    unsigned int most = (unsigned int)server->conf->global.process_max;
    unsigned int count = fpm_server_thread_count(server);
    return most == 0 ? UINT_MAX : most > count ? most - count : 0;
}

/* ---- listeners ---- */

static fpm_listener *find_listener(const fpm_server *server, const char *name)
{
    fpm_listener *at = server->listeners;
    while (at != NULL && (strcmp(at->address, name) != 0 || !atomic_load(&at->lot.is_listening))) {
        at = at->next;
    }
    return at;
}

static void drop_listener(fpm_server *server, fpm_listener *listener)
{
    fpm_listener **link = &server->listeners;
    while (*link != listener) {
        link = &(*link)->next;
    }
    *link = listener->next;
    fpm_listener_close(listener);
}

static fpm_listener *add_listener(fpm_server *server, const fpm_conf_pool *conf)
{
    fpm_listener *listener = fpm_listener_open(conf);
    if (listener == NULL) {
        return NULL;
    }
    listener->next = server->listeners;
    server->listeners = listener;
    return listener;
}

/* ---- pools ---- */

/* Pools that never ran, and the listeners that were made for them. */
static void free_prepared(fpm_server *server, fpm_pool *first)
{
    while (first != NULL) {
        fpm_pool *pool = first;
        first = pool->next;
        pool->listener->pool_count--;
        fpm_pool_free(pool);
    }
    for (fpm_listener *at = server->listeners, *next; at != NULL; at = next) {
        next = at->next;
        if (at->pool_count == 0) {
            drop_listener(server, at);
        }
    }
}

fpm_pool *fpm_server_prepare(fpm_server *server, const fpm_conf *conf)
{
    fpm_pool *first = NULL, **link = &first;
    for (const fpm_conf_pool *at = conf->pools; at != NULL; at = at->next) {
        fpm_listener *listener = find_listener(server, at->listen);
        if (listener == NULL) {
            listener = add_listener(server, at);
        }
        fpm_pool *pool = listener != NULL ? fpm_pool_new(at, listener, server->ended_event) : NULL;
        if (pool == NULL) {
            goto fail;
        }
        listener->pool_count++;
        *link = pool;
        link = &pool->next;
    }
    /* Hidden pools stand behind the one they are about. */
    for (fpm_pool *pool = first; pool != NULL; pool = pool->next) {
        if (pool->next != NULL && pool->next->conf->is_status) {
            pool->next->about = pool;
        }
    }
    return first;
fail:
    free_prepared(server, first);
    return NULL;
}

/* Listeners that the new configuration does not have are closed when all is answered. */
static void retire_listeners(fpm_server *server)
{
    for (fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        at->is_in_use = false;
    }
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        pool->listener->is_in_use |= !pool->is_leaving;
    }
    for (fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        if (!at->is_in_use && atomic_load(&at->lot.is_listening)) {
            fpm_lot_accept_all(&at->lot, fpm_clock_ms() + 5000);
            fpm_lot_stop_listening(&at->lot);
        }
    }
}

/* An ondemand pool gets a worker when its set of connections, as a whole, is readable. Of another
 * pool's set the control thread would only be woken by every request. */
static void watch_listeners(const fpm_server *server)
{
    for (fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = at };
        bool is_wanted = false;
        for (const fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
            is_wanted |= pool->listener == at && !pool->is_leaving
                && pool->conf->pm == FPM_PM_ONDEMAND;
        }
        if (is_wanted == at->is_watched) {
            continue;
        }
        if (epoll_ctl(server->set, is_wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, at->lot.set, &event)
            != 0) {
            fpm_log_errno(FPM_LOG_ERROR, NULL, "%s cannot be watched: its workers start at the "
                "next full second", at->address);
            continue;
        }
        at->is_watched = is_wanted;
    }
}

/* Workers of a pool whose socket goes on elsewhere leave at once; those of one whose socket is
 * given up answer what it has first. */
static void retire_pools(fpm_server *server)
{
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        if (!pool->is_leaving) {
            continue;
        }
        if (pool->listener->is_in_use) {
            fpm_pool_tell_all(pool);
            continue;
        }
        (void)fpm_lot_sweep_idle(&pool->listener->lot);
        if (atomic_load(&pool->listener->lot.open_count) == 0) {
            fpm_pool_tell_all(pool);
        } else if (fpm_pool_thread_count(pool) == 0) {
            (void)fpm_pool_start_workers(pool, 1);
        }
    }
}

static bool keep_old_conf(fpm_server *server, fpm_conf *conf)
{
    struct fpm_old_conf *old = malloc(sizeof(*old));
    if (old == NULL) {
        return false;
    }
    *old = (struct fpm_old_conf){ .next = server->old_confs, .conf = conf };
    server->old_confs = old;
    return true;
}

static void apply_settings(const fpm_conf_global *global)
{
    fpm_log_set_level((fpm_log_level)global->log_level);
    fpm_log_set_limit(global->log_limit);
    if (!zend_mm_set_process_limit(global->memory_max > 0 ? global->memory_max : SIZE_MAX)) {
        fpm_log(FPM_LOG_WARNING, NULL, "memory_max = %zu is less than is held now: the limit stays "
            "as it was", global->memory_max);
    }
}

bool fpm_server_commit(fpm_server *server, fpm_conf *conf, fpm_pool *pools)
{
    if (server->conf != NULL && !keep_old_conf(server, server->conf)) {
        fpm_log(FPM_LOG_ERROR, NULL, "no memory for a second configuration");
        free_prepared(server, pools);
        return false;
    }
    apply_settings(&conf->global);
    server->conf = conf;
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        pool->is_leaving = true;
    }
    fpm_pool **end = &pools;
    for (; *end != NULL; end = &(*end)->next) {
        (void)fpm_pool_start_workers(*end, (unsigned int)fpm_pm_start_count((*end)->conf));
    }
    *end = server->pools;
    server->pools = pools;
    retire_listeners(server);
    watch_listeners(server);
    retire_pools(server);
    return true;
}

void fpm_server_report(const fpm_server *server)
{
    for (const fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        if (!pool->is_leaving) {
            fpm_allowed_report(pool);
        }
    }
}

/* ---- dropping ---- */

static bool conf_is_used(const fpm_server *server, const fpm_conf *conf)
{
    for (const fpm_conf_pool *at = conf->pools; at != NULL; at = at->next) {
        for (const fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
            if (pool->conf == at) {
                return true;
            }
        }
    }
    return false;
}

/* A hidden pool's workers read the pool they are about. */
static bool is_told_of(const fpm_server *server, const fpm_pool *pool)
{
    for (const fpm_pool *at = server->pools; at != NULL; at = at->next) {
        if (at != pool && at->about == pool) {
            return true;
        }
    }
    return false;
}

static void drop_pools(fpm_server *server)
{
    for (fpm_pool **link = &server->pools; *link != NULL;) {
        fpm_pool *pool = *link;
        if (!pool->is_leaving || server->state != FPM_SERVER_NORMAL
            || fpm_pool_thread_count(pool) > 0 || is_told_of(server, pool)
            || (!pool->listener->is_in_use && atomic_load(&pool->listener->lot.open_count) > 0)) {
            link = &pool->next;
            continue;
        }
        *link = pool->next;
        if (--pool->listener->pool_count == 0) {
            drop_listener(server, pool->listener);
        }
        fpm_pool_free(pool);
    }
}

void fpm_server_drop_unused(fpm_server *server)
{
    if (server->state == FPM_SERVER_NORMAL) {
        retire_pools(server);
    }
    drop_pools(server);
    for (struct fpm_old_conf **link = &server->old_confs; *link != NULL;) {
        struct fpm_old_conf *old = *link;
        if (conf_is_used(server, old->conf)) {
            link = &old->next;
            continue;
        }
        *link = old->next;
        fpm_conf_free(old->conf);
        free(old);
    }
}

/* ---- reload ---- */

/* What only a new process could change stays as it is, with a line that says so. */
static bool check_new(const fpm_server *server, const fpm_conf *conf)
{
    const char *difference = fpm_identity_difference(server->conf, conf);
    if (difference != NULL) {
        fpm_log(FPM_LOG_ERROR, NULL, "'%s' has changed, which needs a restart", difference);
        return false;
    }
    for (const fpm_conf_pool *pool = conf->pools; pool != NULL; pool = pool->next) {
        if (!fpm_listener_check(pool)) {
            return false;
        }
    }
    return fpm_identity_check(conf, server->options->allow_root);
}

static bool apply_logs(const fpm_server *server, const fpm_conf *conf)
{
    const fpm_conf_global *global = &conf->global;
    return strcmp(global->error_log, server->conf->global.error_log) == 0
        || fpm_log_open(global->error_log, global->syslog_ident, global->syslog_facility);
}

static void log_sockets(const fpm_server *server)
{
    for (const fpm_listener *at = server->listeners; at != NULL; at = at->next) {
        if (atomic_load(&at->lot.is_listening)) {
            fpm_log(FPM_LOG_NOTICE, NULL, "using inherited socket fd=%d, \"%s\"", at->file,
                at->address);
        }
    }
}

void fpm_server_reload(fpm_server *server)
{
    fpm_log(FPM_LOG_NOTICE, NULL, "Reloading in progress ...");
    fpm_notify("RELOADING=1");
    fpm_conf *conf = fpm_conf_load(server->options->config, server->options->prefix,
        server->options->pid);
    if (conf == NULL || !check_new(server, conf)) {
        goto refuse;
    }
    fpm_log(FPM_LOG_NOTICE, NULL, "reloading: '%s' in this process, pid %ld stays",
        server->options->config, (long)getpid());
    log_sockets(server);
    fpm_pool *pools = apply_logs(server, conf) ? fpm_server_prepare(server, conf) : NULL;
    if (pools == NULL || !fpm_server_commit(server, conf, pools)) {
        goto refuse;
    }
    fpm_log(FPM_LOG_NOTICE, NULL, "fpm is running, pid %ld", (long)getpid());
    fpm_log(FPM_LOG_NOTICE, NULL, "ready to handle connections");
    fpm_server_report(server);
    fpm_notify("READY=1");
    return;
refuse:
    fpm_log(FPM_LOG_ERROR, NULL, "the configuration was not reloaded, the old one stays in force");
    if (conf != NULL) {
        fpm_conf_free(conf);
    }
    fpm_notify("READY=1");
}

void fpm_server_reopen_logs(fpm_server *server)
{
    if (fpm_log_reopen()) {
        fpm_log(FPM_LOG_NOTICE, NULL, "error log file re-opened");
    }
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        (void)fpm_pool_reopen_logs(pool);
    }
}
