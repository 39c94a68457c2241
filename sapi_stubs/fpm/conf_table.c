/* conf_table: every directive, once: its name, where it is kept, how it is read, its default.
 * Owns        nothing.
 * Thread      any: constants.
 * Invariants  I1  -tt shows the directives in this order
 * Failure     none.
 * Tests       tests/fpm/conf.c, tests/fpm/config.sh */
#include "config.h"

#include "fpm/conf_internal.h"

#include <string.h>

#define G(field) offsetof(fpm_conf_global, field)
#define P(field) offsetof(fpm_conf_pool, field)

/* Why some of php-fpm's directives do nothing here. */
static const char of_a_process[] = "has no effect: all workers are threads of one process";
static const char epoll_only[] = "has no effect: there is epoll only";
static const char freebsd_only[] = "has no effect: this system has one routing table";
static const char no_supervisor[] =
    "has no effect: a crash ends all threads; let the service manager restart the process";

const fpm_conf_directive fpm_conf_global_directives[] = {
    { "pid", G(pid), FPM_CONF_PATH, NULL, NULL },
    { "error_log", G(error_log), FPM_CONF_PATH, "log/tsrmalloc-fpm.log", NULL },
    { "syslog.ident", G(syslog_ident), FPM_CONF_STRING, "tsrmalloc-fpm", NULL },
    { "syslog.facility", G(syslog_facility), FPM_CONF_FACILITY, "daemon", NULL },
    { "log_buffering", G(log_buffering), FPM_CONF_BOOL, "yes", NULL },
    { "log_level", G(log_level), FPM_CONF_LEVEL, "notice", NULL },
    { "log_limit", G(log_limit), FPM_CONF_NUMBER, "1024", NULL },
    { "emergency_restart_interval", G(emergency_restart_interval), FPM_CONF_TIME, "0",
      no_supervisor },
    { "emergency_restart_threshold", G(emergency_restart_threshold), FPM_CONF_NUMBER, "0",
      no_supervisor },
    { "process_control_timeout", G(process_control_timeout), FPM_CONF_TIME, "30s", NULL },
    { "process.max", G(process_max), FPM_CONF_NUMBER, "0", NULL },
    { "process.priority", G(process_priority), FPM_CONF_NUMBER, NULL, NULL },
    { "daemonize", G(daemonize), FPM_CONF_BOOL, "yes", NULL },
    { "rlimit_files", G(rlimit_files), FPM_CONF_NUMBER, "0", NULL },
    { "rlimit_core", G(rlimit_core), FPM_CONF_RLIMIT, "0", NULL },
    { "events.mechanism", G(events_mechanism), FPM_CONF_STRING, NULL, epoll_only },
    { "systemd_interval", G(systemd_interval), FPM_CONF_TIME, "10s", NULL },
    { "control.listen", G(control_listen), FPM_CONF_PATH, NULL, NULL },
    { "memory_max", G(memory_max), FPM_CONF_SIZE, "0", NULL },
    { NULL, 0, FPM_CONF_STRING, NULL, NULL },
};

const fpm_conf_directive fpm_conf_pool_directives[] = {
    { "prefix", P(prefix), FPM_CONF_PATH, NULL, NULL },
    { "user", P(user), FPM_CONF_STRING, NULL, NULL },
    { "group", P(group), FPM_CONF_STRING, NULL, NULL },
    { "listen", P(listen), FPM_CONF_STRING, NULL, NULL },
    { "listen.backlog", P(listen_backlog), FPM_CONF_NUMBER, "-1", NULL },
    { "listen.acl_users", P(listen_acl_users), FPM_CONF_STRING, NULL, NULL },
    { "listen.acl_groups", P(listen_acl_groups), FPM_CONF_STRING, NULL, NULL },
    { "listen.owner", P(listen_owner), FPM_CONF_STRING, NULL, NULL },
    { "listen.group", P(listen_group), FPM_CONF_STRING, NULL, NULL },
    { "listen.mode", P(listen_mode), FPM_CONF_STRING, NULL, NULL },
    { "listen.allowed_clients", P(listen_allowed_clients), FPM_CONF_STRING, NULL, NULL },
    { "listen.setfib", P(listen_setfib), FPM_CONF_NUMBER, "-1", freebsd_only },
    { "process.priority", P(process_priority), FPM_CONF_NUMBER, NULL, NULL },
    { "process.dumpable", P(process_dumpable), FPM_CONF_BOOL, "no", NULL },
    { "pm", P(pm), FPM_CONF_STYLE, NULL, NULL },
    { "pm.max_children", P(pm_max_children), FPM_CONF_NUMBER, "0", NULL },
    { "pm.start_servers", P(pm_start_servers), FPM_CONF_NUMBER, "0", NULL },
    { "pm.min_spare_servers", P(pm_min_spare_servers), FPM_CONF_NUMBER, "0", NULL },
    { "pm.max_spare_servers", P(pm_max_spare_servers), FPM_CONF_NUMBER, "0", NULL },
    { "pm.max_spawn_rate", P(pm_max_spawn_rate), FPM_CONF_NUMBER, "32", NULL },
    { "pm.process_idle_timeout", P(pm_process_idle_timeout), FPM_CONF_TIME, "10s", NULL },
    { "pm.wake_order", P(pm_wake_order), FPM_CONF_WAKE_ORDER, "lifo", NULL },
    { "pm.max_requests", P(pm_max_requests), FPM_CONF_NUMBER, "0", NULL },
    { "pm.max_requests_jitter", P(pm_max_requests_jitter), FPM_CONF_NUMBER, "0", NULL },
    { "pm.max_memory", P(pm_max_memory), FPM_CONF_SIZE, "0", NULL },
    { "pm.memory_budget", P(pm_memory_budget), FPM_CONF_SIZE, "0", NULL },
    { "pm.max_connections", P(pm_max_connections), FPM_CONF_NUMBER, "16384", NULL },
    { "pm.status_path", P(pm_status_path), FPM_CONF_STRING, NULL, NULL },
    { "pm.status_listen", P(pm_status_listen), FPM_CONF_STRING, NULL, NULL },
    { "ping.path", P(ping_path), FPM_CONF_STRING, NULL, NULL },
    { "ping.response", P(ping_response), FPM_CONF_STRING, NULL, NULL },
    { "access.log", P(access_log), FPM_CONF_PATH, NULL, NULL },
    { "access.format", P(access_format), FPM_CONF_STRING, NULL, NULL },
    { "access.suppress_path", P(access_suppress_path), FPM_CONF_LIST, NULL, NULL },
    { "slowlog", P(slowlog), FPM_CONF_PATH, NULL, NULL },
    { "request_slowlog_timeout", P(request_slowlog_timeout), FPM_CONF_TIME, "0", NULL },
    { "request_slowlog_trace_depth", P(request_slowlog_trace_depth), FPM_CONF_NUMBER, "20", NULL },
    { "request_terminate_timeout", P(request_terminate_timeout), FPM_CONF_TIME, "0", NULL },
    { "request_terminate_timeout_track_finished", P(request_terminate_timeout_track_finished),
      FPM_CONF_BOOL, "no", "has no effect: no request goes on behind its answer" },
    { "request_queue_timeout", P(request_queue_timeout), FPM_CONF_TIME, "0", NULL },
    { "request_header_timeout", P(request_header_timeout), FPM_CONF_TIME, "5s", NULL },
    { "request_body_timeout", P(request_body_timeout), FPM_CONF_TIME, "60s", NULL },
    { "request_send_timeout", P(request_send_timeout), FPM_CONF_TIME, "60s", NULL },
    { "keepalive_timeout", P(keepalive_timeout), FPM_CONF_TIME, "30s", NULL },
    { "rlimit_files", P(rlimit_files), FPM_CONF_NUMBER, "0", of_a_process },
    { "rlimit_core", P(rlimit_core), FPM_CONF_RLIMIT, "0", of_a_process },
    { "chroot", P(chroot), FPM_CONF_PATH, NULL, NULL },
    { "chdir", P(chdir), FPM_CONF_PATH, NULL, NULL },
    { "catch_workers_output", P(catch_workers_output), FPM_CONF_BOOL, "no", NULL },
    { "decorate_workers_output", P(decorate_workers_output), FPM_CONF_BOOL, "yes", NULL },
    { "clear_env", P(clear_env), FPM_CONF_BOOL, "yes", NULL },
    { "security.limit_extensions", P(security_limit_extensions), FPM_CONF_STRING, ".lua .zmt",
      NULL },
    { "security.document_root", P(security_document_root), FPM_CONF_PATH, NULL, NULL },
    { "display_errors", P(display_errors), FPM_CONF_BOOL, "no", NULL },
    { "apparmor_hat", P(apparmor_hat), FPM_CONF_STRING, NULL, NULL },
    { "env", P(env), FPM_CONF_VALUES, NULL, NULL },
    { "php_value", P(php_values), FPM_CONF_VALUES, NULL, NULL },
    { "php_flag", P(php_values), FPM_CONF_FLAGS, NULL, NULL },
    { "php_admin_value", P(php_admin_values), FPM_CONF_VALUES, NULL, NULL },
    { "php_admin_flag", P(php_admin_values), FPM_CONF_FLAGS, NULL, NULL },
    { NULL, 0, FPM_CONF_STRING, NULL, NULL },
};

const fpm_conf_directive *fpm_conf_directive_find(const fpm_conf_directive *directives,
    const char *name)
{
    for (const fpm_conf_directive *at = directives; at->name != NULL; at++) {
        if (strcmp(at->name, name) == 0) {
            return at;
        }
    }
    return NULL;
}
