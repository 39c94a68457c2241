/* conf.h: the configuration of tsrmalloc-fpm, in php-fpm's syntax and with its names.
 *
 * Life       fpm_conf_new -> fpm_conf_load (files, defaults, checks) -> used read-only by any
 *            thread -> fpm_conf_free when nothing runs under it. A reload makes a second one.
 * Errors     go to the log, with file, line, value and what was expected.
 */
#ifndef TSRMALLOC_FPM_CONF_H
#define TSRMALLOC_FPM_CONF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fpm/access_log.h"

/* Exit statuses of the program; php-fpm's. */
enum {
    FPM_EXIT_OK = 0,
    FPM_EXIT_USAGE = 64,
    FPM_EXIT_SOFTWARE = 70,
    FPM_EXIT_CONFIG = 78,
};

enum { FPM_CONF_UNSET = INT_MIN };      /* a number that the files do not give */
enum { FPM_CONF_POST_MAX_SIZE = 8 * 1024 * 1024 };     /* PHP's default */

typedef enum fpm_pm_style {
    FPM_PM_UNSET,
    FPM_PM_STATIC,
    FPM_PM_DYNAMIC,
    FPM_PM_ONDEMAND,
} fpm_pm_style;

/* Which idle worker takes the next connection. */
typedef enum fpm_wake_order {
    FPM_WAKE_LIFO,              /* the one that became idle last */
    FPM_WAKE_FIFO,              /* the one that has been idle longest */
} fpm_wake_order;

/* "static", "dynamic", "ondemand"; "undefined". */
const char *fpm_pm_style_name(fpm_pm_style style);

/* `name[key] = value`; keys may be empty, and may come again. In the order of the files. */
typedef struct fpm_conf_pair {
    char *key;
    char *value;
    struct fpm_conf_pair *next;
} fpm_conf_pair;

/* Strings are NULL when not given. Times are milliseconds, sizes bytes. */
typedef struct fpm_conf_global {
    char *pid;
    char *error_log;
    char *syslog_ident;
    int syslog_facility;
    int log_level;                      /* fpm_log_level */
    int log_limit;                      /* bytes of a line */
    bool log_buffering;
    int emergency_restart_threshold;
    int64_t emergency_restart_interval;
    int64_t process_control_timeout;
    int process_max;                    /* worker threads in all pools; 0 = no cap */
    int process_priority;               /* FPM_CONF_UNSET = as started */
    bool daemonize;
    int rlimit_files;                   /* 0 = as started */
    int rlimit_core;                    /* 0 = as started, -1 = unlimited */
    char *events_mechanism;
    int64_t systemd_interval;
    char *control_listen;               /* path of the control socket */
    size_t memory_max;                  /* bytes all heaps may hold; 0 = no limit */
} fpm_conf_global;

typedef struct fpm_conf_pool {
    struct fpm_conf_pool *next;         /* in the order of the files */
    char *name;
    char *prefix;
    char *user, *group;
    char *listen;
    int listen_backlog;
    char *listen_acl_users, *listen_acl_groups;
    char *listen_owner, *listen_group, *listen_mode;
    char *listen_allowed_clients;
    int listen_setfib;
    int process_priority;
    bool process_dumpable;
    fpm_pm_style pm;
    int pm_max_children;
    int pm_start_servers;
    int pm_min_spare_servers, pm_max_spare_servers;
    int pm_max_spawn_rate;
    int64_t pm_process_idle_timeout;
    fpm_wake_order pm_wake_order;
    int pm_max_requests;                /* 0 = no end */
    char *pm_status_path;
    char *pm_status_listen;
    char *ping_path, *ping_response;
    char *access_log, *access_format;
    fpm_conf_pair *access_suppress_path;    /* values only */
    char *slowlog;
    int64_t request_slowlog_timeout;    /* 0 = off */
    int request_slowlog_trace_depth;
    int64_t request_terminate_timeout;  /* 0 = off */
    bool request_terminate_timeout_track_finished;
    int rlimit_files, rlimit_core;
    char *chroot, *chdir;
    bool catch_workers_output, decorate_workers_output;
    bool clear_env;
    fpm_conf_pair *env;
    char *security_limit_extensions;    /* separated by blanks; "" = any */
    char *apparmor_hat;
    fpm_conf_pair *php_values;          /* a request may override; flags are "1" and "" */
    fpm_conf_pair *php_admin_values;    /* a request may not; memory_limit is one */

    /* What php-fpm does not have. */
    int pm_max_requests_jitter;         /* each worker ends up to so many requests earlier */
    size_t pm_max_memory;               /* a heap that holds more behind a request is trimmed */
    size_t pm_memory_budget;            /* bytes that requests may hold together; 0 = no budget */
    int pm_max_connections;             /* most connections at a time, idle ones included */
    int64_t request_queue_timeout;      /* waited longer for a worker: 503; 0 = off */
    int64_t request_header_timeout;     /* first byte, and from there to the end of PARAMS */
    int64_t request_body_timeout;       /* between two pieces of a body */
    int64_t request_send_timeout;       /* between two pieces that the client takes */
    int64_t keepalive_timeout;          /* idle between two requests */
    char *security_document_root;       /* scripts must lie under it; NULL: under DOCUMENT_ROOT */
    bool display_errors;                /* the reason of a 500 in its body */

    /* Made of the above when everything is read. */
    access_log_format *access_format_compiled;  /* NULL without access.log */
    size_t post_max_size;               /* bytes of a body, by the same ways; 0 = no limit */
    size_t memory_limit;                /* of a request: php_admin_value, php_value, or -d */
    bool is_status;                     /* the hidden pool that serves pm.status_listen */
} fpm_conf_pool;

typedef struct fpm_conf {
    fpm_conf_global global;
    fpm_conf_pool *pools;               /* hidden ones stand behind their pool */
    size_t pool_count;
    char *path;                         /* of the main file */
    char *prefix;                       /* relative paths lie under it */
} fpm_conf;

/* Read the file, everything it includes, fill defaults in and check. NULL: the log says why.
 * `pid` (of -g, may be NULL) replaces the directive. Main thread or control thread. */
fpm_conf *fpm_conf_load(const char *path, const char *prefix, const char *pid)
    __attribute__((warn_unused_result));
void fpm_conf_free(fpm_conf *conf);

/* The whole configuration into the log, a NOTICE a line (-tt). */
void fpm_conf_dump(const fpm_conf *conf);

#endif
