/* main: tsrmalloc-fpm, from the command line to the control thread.
 * Owns        the SAPI's functions that are not a request's.
 * Thread      main thread; activate and log_message: workers.
 * Invariants  I1  nothing is opened before the whole configuration was read and checked
 *             I2  privileges are dropped before there is a second thread
 * Failure     0, 64, 70 or 78, logged.
 * Tests       tests/fpm */
#include "config.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fpm/daemon.h"
#include "fpm/identity.h"
#include "fpm/log.h"
#include "fpm/server.h"

/* ---- the SAPI ---- */

static zend_result startup(sapi_module_struct *sapi)
{
    return php_module_startup(sapi, NULL, 0);
}

static zend_result shutdown_modules(sapi_module_struct *sapi)
{
    (void)sapi;
    TSRMLS_FETCH();
    php_module_shutdown(TSRMLS_C);
    return SUCCESS;
}

/* Each request has its pool's memory_limit; what a kept heap already holds does not count. */
static zend_result activate(TSRMLS_D)
{
    const fpm_worker *worker = SG(server_context);
    if (!SG(request_active) || worker == NULL) {
        return SUCCESS;
    }
    size_t held = zend_memory_usage(1 TSRMLS_CC);
    size_t limit = fpm_pool_memory_limit(worker->pool);
    if (SG(heap_is_kept) && limit < SIZE_MAX - held) {
        limit += held;
    }
    if (!zend_set_memory_limit(limit)) {
        (void)zend_set_memory_limit(held);
    }
    return SUCCESS;
}

static fpm_log_level level_of(int priority)
{
    switch (priority) {
    case SAPI_LOG_ERROR: return FPM_LOG_ERROR;
    case SAPI_LOG_WARNING: return FPM_LOG_WARNING;
    case SAPI_LOG_DEBUG: return FPM_LOG_DEBUG;
    default: return FPM_LOG_NOTICE;
    }
}

static void log_message(const char *message, int priority TSRMLS_DC)
{
    const fpm_worker *worker = tsrm_ls != NULL ? SG(server_context) : NULL;
    if (worker == NULL) {
        fpm_log(level_of(priority), NULL, "%s", message);
        return;
    }
    fpm_log(level_of(priority), worker->conf->name, "child %llu: %s (request: \"%s %s\")",
        (unsigned long long)worker->score.own.tid, message, worker->score.own.method,
        worker->score.own.uri);
}

static bool start_sapi(void)
{
    static sapi_module_struct module = {
        .name = "fpm-fcgi",
        .pretty_name = "FPM/FastCGI on threads",
        .startup = startup,
        .shutdown = shutdown_modules,
        .activate = activate,
        .log_message = log_message,
    };
    fpm_request_fill_sapi(&module);
    if (!tsrm_startup(64, 1, 0, NULL) || ts_resource(0) == NULL || !engine_interrupt_setup()) {
        fpm_log(FPM_LOG_ERROR, NULL, "no memory to start TSRM");
        return false;
    }
    if (sapi_startup(&module) == FAILURE) {
        fpm_log(FPM_LOG_ERROR, NULL, "the SAPI could not be started");
        return false;
    }
    if (sapi_module.startup(&module) == FAILURE) {
        fpm_log(FPM_LOG_ERROR, NULL, "the modules could not be started");
        return false;
    }
    return true;
}

static void end_sapi(void)
{
    (void)sapi_module.shutdown(&sapi_module);
    sapi_shutdown();
    (void)tsrm_shutdown();
}

/* ---- start ---- */

static int fail_start(fpm_conf *conf)
{
    if (conf != NULL) {
        fpm_conf_free(conf);
    }
    fpm_log(FPM_LOG_ERROR, NULL, "FPM initialization failed");
    return FPM_EXIT_CONFIG;
}

static bool check(const fpm_options *options, const fpm_conf *conf)
{
    for (const fpm_conf_pool *pool = conf->pools; pool != NULL; pool = pool->next) {
        if (!fpm_listener_check(pool)) {
            return false;
        }
    }
    return fpm_identity_check(conf, options->allow_root);
}

static int say_tested(const fpm_options *options, fpm_conf *conf)
{
    if (options->action == FPM_ACTION_TEST_AND_DUMP) {
        fpm_conf_dump(conf);
    }
    fpm_log(FPM_LOG_NOTICE, NULL, "configuration file %s test is successful", options->config);
    fpm_conf_free(conf);
    return FPM_EXIT_OK;
}

/* The log goes to its file; to stderr too if somebody asked for it or looks at it. */
static bool open_log(const fpm_options *options, const fpm_conf_global *global, bool in_background)
{
    fpm_log_to_stderr(!in_background && (options->force_stderr || isatty(STDERR_FILENO)));
    return fpm_log_open(global->error_log, global->syslog_ident, global->syslog_facility);
}

static int serve(const fpm_options *options, fpm_conf *conf)
{
    fpm_server server;
    const fpm_conf_global *global = &conf->global;
    bool in_background = options->daemonize < 0 ? global->daemonize : options->daemonize > 0;
    if (!open_log(options, global, in_background)
        || (in_background && !fpm_daemon_begin())
        || !fpm_server_open(&server, options, conf)) {
        return fail_start(conf);
    }
    if (!fpm_pid_write(global->pid) || !fpm_identity_take(conf) || !start_sapi()) {
        return fail_start(NULL);
    }
    int status = fpm_server_run(&server);
    fpm_conf_free(server.conf != NULL ? server.conf : conf);
    end_sapi();
    return status;
}

/* Blocks of this size and more, as each worker has some, go back to the system with it: a fixed
 * threshold, since glibc's own rises with each such block that is freed. */
static void give_back_large_blocks(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

int main(int argument_count, char **arguments)
{
    give_back_large_blocks();
    /* Scripts leave what they hold to the end of the request: that is no leak. */
    const char *error;
    if (!php_ini_set("report_memleaks=0", &error)) {
        return EXIT_FAILURE;
    }
    fpm_options options = fpm_options_parse(argument_count, arguments);
    if (options.action == FPM_ACTION_EXIT) {
        return options.exit_status;
    }
    signal(SIGPIPE, SIG_IGN);
    fpm_conf *conf = fpm_conf_load(options.config, options.prefix, options.pid);
    if (conf == NULL || !check(&options, conf)) {
        return fail_start(conf);
    }
    if (options.action != FPM_ACTION_SERVE) {
        return say_tested(&options, conf);
    }
    return serve(&options, conf);
}
