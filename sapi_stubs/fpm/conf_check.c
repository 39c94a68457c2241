/* conf_check: what can be said of a configuration only when all of it is read, in php-fpm's order
 * and with its words where its own tests look for them.
 * Owns        nothing; fills in defaults that depend on other values, and adds the hidden pools.
 * Thread      main thread; control thread for a reload.
 * Invariants  none.
 * Failure     false, one line in the log.
 * Tests       tests/fpm/conf.c, tests/fpm/config.sh */
#include "config.h"

#include "fpm/conf_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fpm/log.h"
#include "sapi.h"

/* false, after a line in the log. */
#define REFUSE(level, pool, ...) (fpm_log((level), (pool), __VA_ARGS__), false)

/* ---- paths ---- */

static bool make_absolute(char **path, const char *prefix)
{
    char *full;
    if (*path == NULL || **path == '/' || **path == '\0' || strcmp(*path, "syslog") == 0) {
        return true;
    }
    if (asprintf(&full, "%s/%s", prefix, *path) < 0) {
        return false;
    }
    free(*path);
    *path = full;
    return true;
}

static bool make_paths_absolute(const fpm_conf_directive *directives, void *structure,
    const char *prefix)
{
    for (const fpm_conf_directive *at = directives; at->name != NULL; at++) {
        if (at->kind == FPM_CONF_PATH
            && !make_absolute((char **)((char *)structure + at->offset), prefix)) {
            return REFUSE(FPM_LOG_ERROR, NULL, "no memory for a path");
        }
    }
    return true;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool check_directory(const fpm_conf_pool *pool, const char *what, const char *path,
    const char *root)
{
    char *full;
    if (path == NULL) {
        return true;
    }
    if (asprintf(&full, "%s%s", root != NULL ? root : "", path) < 0) {
        return false;
    }
    bool found = is_directory(full);
    free(full);
    return found || REFUSE(FPM_LOG_ERROR, pool->name,
        "the %s path '%s' does not exist or is not a directory", what, path);
}

/* A path inside the pool's root: its chroot applies to it. */
static bool check_paths(const fpm_conf *conf, fpm_conf_pool *pool)
{
    if (!make_absolute(&pool->prefix, conf->prefix)) {
        return false;
    }
    if (pool->prefix != NULL && !is_directory(pool->prefix)) {
        return REFUSE(FPM_LOG_ERROR, pool->name,
            "the prefix '%s' does not exist or is not a directory", pool->prefix);
    }
    if (pool->listen != NULL && strchr(pool->listen, '/') != NULL
        && !make_absolute(&pool->listen, pool->prefix != NULL ? pool->prefix : conf->prefix)) {
        return false;
    }
    return make_paths_absolute(fpm_conf_pool_directives, pool,
            pool->prefix != NULL ? pool->prefix : conf->prefix)
        && check_directory(pool, "chroot", pool->chroot, NULL)
        && check_directory(pool, "chdir", pool->chdir, pool->chroot);
}

/* What ping.path and pm.status_path may look like. */
static bool check_uri(const fpm_conf_pool *pool, const char *what, const char *path)
{
    if (path == NULL || *path == '\0') {
        return true;
    }
    if (*path != '/') {
        return REFUSE(FPM_LOG_ERROR, pool->name, "the %s path '%s' must start with a '/'", what,
            path);
    }
    if (path[1] == '\0') {
        return REFUSE(FPM_LOG_ERROR, pool->name, "the %s path '%s' is not long enough", what, path);
    }
    for (const char *at = path; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("/_-.~", *at) == NULL) {
            return REFUSE(FPM_LOG_ERROR, pool->name, "the %s path '%s' must contain only the "
                "following characters '[alphanum]/_-.~'", what, path);
        }
    }
    return true;
}

/* ---- the process manager ---- */

static bool check_dynamic(fpm_conf_pool *pool)
{
    int least = pool->pm_min_spare_servers;
    int most = pool->pm_max_spare_servers;
    if (least <= 0) {
        return REFUSE(FPM_LOG_ALERT, pool->name,
            "pm.min_spare_servers(%d) must be a positive value", least);
    }
    if (most <= 0) {
        return REFUSE(FPM_LOG_ALERT, pool->name,
            "pm.max_spare_servers(%d) must be a positive value", most);
    }
    if (least > pool->pm_max_children || most > pool->pm_max_children) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.min_spare_servers(%d) and "
            "pm.max_spare_servers(%d) cannot be greater than pm.max_children(%d)", least, most,
            pool->pm_max_children);
    }
    if (most < least) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.max_spare_servers(%d) must not be less than "
            "pm.min_spare_servers(%d)", most, least);
    }
    if (pool->pm_start_servers <= 0) {
        pool->pm_start_servers = least + (most - least) / 2;
        fpm_log(FPM_LOG_NOTICE, pool->name,
            "pm.start_servers is not set. It's been set to %d.", pool->pm_start_servers);
    } else if (pool->pm_start_servers < least || pool->pm_start_servers > most) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.start_servers(%d) must not be less than "
            "pm.min_spare_servers(%d) and not greater than pm.max_spare_servers(%d)",
            pool->pm_start_servers, least, most);
    }
    if (pool->pm_max_spawn_rate < 1) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.max_spawn_rate must be a positive value");
    }
    return true;
}

static bool check_manager(fpm_conf_pool *pool)
{
    if (pool->pm == FPM_PM_UNSET) {
        return REFUSE(FPM_LOG_ALERT, pool->name,
            "the process manager is missing (static, dynamic or ondemand)");
    }
    if (pool->pm_max_children < 1) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.max_children must be a positive value");
    }
    if (pool->pm_max_requests < 0 || pool->pm_max_requests_jitter < 0
        || (pool->pm_max_requests > 0 && pool->pm_max_requests_jitter >= pool->pm_max_requests)) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.max_requests(%d) must not be negative, and "
            "pm.max_requests_jitter(%d) must be less", pool->pm_max_requests,
            pool->pm_max_requests_jitter);
    }
    if (pool->pm_max_connections < pool->pm_max_children) {
        return REFUSE(FPM_LOG_ALERT, pool->name, "pm.max_connections(%d) must not be less than "
            "pm.max_children(%d)", pool->pm_max_connections, pool->pm_max_children);
    }
    if (pool->pm == FPM_PM_ONDEMAND && pool->pm_process_idle_timeout < 1) {
        return REFUSE(FPM_LOG_ALERT, pool->name,
            "pm.process_idle_timeout(%llds) must be greater than 0s",
            (long long)(pool->pm_process_idle_timeout / 1000));
    }
    return pool->pm != FPM_PM_DYNAMIC || check_dynamic(pool);
}

/* ---- requests ---- */

static bool check_timeouts(const fpm_conf_pool *pool)
{
    if (pool->request_slowlog_timeout == 0) {
        return true;
    }
    if (pool->slowlog == NULL || *pool->slowlog == '\0') {
        return REFUSE(FPM_LOG_ERROR, pool->name,
            "'slowlog' must be specified for use with 'request_slowlog_timeout'");
    }
    if (pool->request_terminate_timeout > 0
        && pool->request_slowlog_timeout > pool->request_terminate_timeout) {
        return REFUSE(FPM_LOG_ERROR, pool->name, "'request_slowlog_timeout' (%lld ms) can't be "
            "greater than 'request_terminate_timeout' (%lld ms)",
            (long long)pool->request_slowlog_timeout, (long long)pool->request_terminate_timeout);
    }
    return true;
}

static bool check_access_log(fpm_conf_pool *pool)
{
    char error[ACCESS_LOG_ERROR_SIZE];
    if (pool->access_log == NULL) {
        return true;
    }
    if (pool->access_format == NULL
        && (pool->access_format = strdup(ACCESS_LOG_DEFAULT_FORMAT)) == NULL) {
        return REFUSE(FPM_LOG_ERROR, pool->name, "no memory for access.format");
    }
    pool->access_format_compiled = access_log_compile(pool->access_format, error);
    return pool->access_format_compiled != NULL
        || REFUSE(FPM_LOG_ERROR, pool->name, "wrong format for access.format '%s': %s",
            pool->access_format, error);
}

/* A value of the pool; the admin's stands above the other. NULL: there is none. */
static const char *find_value(const fpm_conf_pool *pool, const char *key)
{
    const char *value = NULL;
    fpm_conf_pair *const lists[] = { pool->php_values, pool->php_admin_values };
    for (size_t index = 0; index < 2; index++) {
        for (const fpm_conf_pair *pair = lists[index]; pair != NULL; pair = pair->next) {
            value = strcmp(pair->key, key) == 0 ? pair->value : value;
        }
    }
    return value;
}

/* What requests may hold, and how much they may send. */
static bool check_values(fpm_conf_pool *pool)
{
    const char *limit = find_value(pool, "memory_limit");
    const char *body = find_value(pool, "post_max_size");
    pool->post_max_size = FPM_CONF_POST_MAX_SIZE;
    if (body != NULL && !fpm_conf_parse_size(body, &pool->post_max_size)) {
        return REFUSE(FPM_LOG_ERROR, pool->name, "php_value[post_max_size] = %s: a number of "
            "bytes, with K, M or G if wanted, or 0 for no limit was expected", body);
    }
    pool->memory_limit = limit == NULL ? php_memory_limit() : SIZE_MAX;
    if (limit != NULL && strcmp(limit, "-1") != 0
        && !fpm_conf_parse_size(limit, &pool->memory_limit)) {
        return REFUSE(FPM_LOG_ERROR, pool->name, "php_value[memory_limit] = %s: a number of bytes, "
            "with K, M or G if wanted, or -1 was expected", limit);
    }
    return true;
}

static bool check_threads(const fpm_conf_pool *pool)
{
    if (pool->apparmor_hat != NULL) {
        return REFUSE(FPM_LOG_ERROR, pool->name, "failed to change to new confinement "
            "'apparmor_hat = %s': all pools are threads of one process, confine the process",
            pool->apparmor_hat);
    }
    if (pool->process_priority != FPM_CONF_UNSET
        && (pool->process_priority < -19 || pool->process_priority > 20)) {
        return REFUSE(FPM_LOG_ERROR, pool->name,
            "process.priority(%d) must be included into [-19,20]", pool->process_priority);
    }
    return true;
}

/* ---- the hidden pools of pm.status_listen ---- */

static bool add_status_pool(fpm_conf *conf, fpm_conf_pool *pool)
{
    if (pool->pm_status_listen == NULL) {
        return true;
    }
    fpm_conf_pool *status = fpm_conf_pool_new(pool->name);
    if (status == NULL || (status->listen = strdup(pool->pm_status_listen)) == NULL
        || (pool->pm_status_path != NULL
            && (status->pm_status_path = strdup(pool->pm_status_path)) == NULL)
        || (pool->ping_path != NULL && (status->ping_path = strdup(pool->ping_path)) == NULL)
        || (pool->ping_response != NULL
            && (status->ping_response = strdup(pool->ping_response)) == NULL)) {
        if (status != NULL) {
            fpm_conf_pool_free(status);
        }
        return REFUSE(FPM_LOG_ERROR, pool->name, "no memory for its status pool");
    }
    status->is_status = true;
    status->pm = FPM_PM_ONDEMAND;
    status->pm_max_children = 2;
    status->memory_limit = pool->memory_limit;
    status->post_max_size = pool->post_max_size;
    status->next = pool->next;
    pool->next = status;
    conf->pool_count++;
    return true;
}

/* ---- the whole ---- */

static bool check_global(fpm_conf *conf)
{
    const fpm_conf_global *global = &conf->global;
    if (global->log_limit < FPM_LOG_LIMIT_MIN || global->log_limit > FPM_LOG_LINE_MAX) {
        return REFUSE(FPM_LOG_ERROR, NULL, "log_limit(%d) must be from %d to %d",
            global->log_limit, FPM_LOG_LIMIT_MIN, FPM_LOG_LINE_MAX);
    }
    if (global->process_max < 0) {
        return REFUSE(FPM_LOG_ERROR, NULL, "process.max(%d) must not be negative",
            global->process_max);
    }
    if (global->process_priority != FPM_CONF_UNSET
        && (global->process_priority < -19 || global->process_priority > 20)) {
        return REFUSE(FPM_LOG_ERROR, NULL, "process.priority(%d) must be included into [-19,20]",
            global->process_priority);
    }
    /* What the checks of the pools say is under the new level already. */
    fpm_log_set_level((fpm_log_level)global->log_level);
    return make_paths_absolute(fpm_conf_global_directives, &conf->global, conf->prefix);
}

/* Two pools on one address would share its connections. */
static bool check_addresses(const fpm_conf *conf)
{
    for (const fpm_conf_pool *pool = conf->pools; pool != NULL; pool = pool->next) {
        for (const fpm_conf_pool *other = conf->pools; other != pool; other = other->next) {
            if (strcmp(pool->listen, other->listen) == 0) {
                return REFUSE(FPM_LOG_ERROR, pool->name, "unable to set listen address as it's "
                    "already used in another pool '%s'", other->name);
            }
        }
    }
    return true;
}

static bool check_pool(fpm_conf *conf, fpm_conf_pool *pool)
{
    if (pool->listen == NULL || *pool->listen == '\0') {
        return REFUSE(FPM_LOG_ALERT, pool->name, "no listen address have been defined!");
    }
    return check_manager(pool)
        && check_paths(conf, pool)
        && check_uri(pool, "status", pool->pm_status_path)
        && check_uri(pool, "ping", pool->ping_path)
        && check_timeouts(pool)
        && check_access_log(pool)
        && check_values(pool)
        && check_threads(pool)
        && add_status_pool(conf, pool);
}

bool fpm_conf_check(fpm_conf *conf)
{
    if (!check_global(conf)) {
        return false;
    }
    if (conf->pools == NULL) {
        return REFUSE(FPM_LOG_ERROR, NULL, "No pool defined. at least one pool section must be "
            "specified in config file");
    }
    for (fpm_conf_pool *pool = conf->pools; pool != NULL; pool = pool->next) {
        if (!pool->is_status && !check_pool(conf, pool)) {
            return false;
        }
    }
    return check_addresses(conf);
}
