/* request_script: which file a request is about, which engine runs it, and what its end means.
 * Owns        the worker's runners; SG(heap_is_kept).
 * Thread      the worker's.
 * Invariants  I1  every run is followed by end_request()
 *             I2  the heap is kept behind a request of the persistent script alone
 * Failure     an answer: 403, 404, 408, 500, 503, 504, with a line in the log and on STDERR.
 * Tests       tests/fpm/request.c, tests/fpm/request.sh */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "fpm/request_file.h"
#include "fpm/request_internal.h"

#define PERSISTENT_KEY "persistent_script"

/* ---- what an engine sees ---- */

static bool param(void *context, engine_text name, engine_text *value)
{
    return fpm_request_find(context, name, value);
}

static bool param_at(void *context, size_t index, engine_text *name, engine_text *value)
{
    const fpm_request *self = context;
    const fcgi_params *params = &self->parser.params;
    if (index < params->count) {
        const fcgi_param *pair = &params->pairs[index];
        *name = (engine_text){ pair->name, pair->name_size };
        *value = (engine_text){ pair->value, pair->value_size };
        return true;
    }
    const fpm_conf_pair *pair = self->worker->conf->env;
    for (index -= params->count; pair != NULL && index > 0; index--) {
        pair = pair->next;
    }
    if (pair == NULL) {
        return false;
    }
    *name = (engine_text){ pair->key, strlen(pair->key) };
    *value = (engine_text){ pair->value, strlen(pair->value) };
    return true;
}

static size_t read_body(void *context, char *buffer, size_t size)
{
    TSRMLS_FETCH();
    (void)context;
    return sapi_read_post_block(buffer, size TSRMLS_CC);
}

static const char *set_status(void *context, unsigned int status)
{
    return fpm_answer_status(context, status);
}

static const char *set_header(void *context, engine_text name, engine_text value,
    engine_header_mode mode)
{
    return fpm_answer_header(context, name, value, mode);
}

static bool write_answer(void *context, const char *data, size_t size)
{
    TSRMLS_FETCH();
    (void)context;
    return sapi_write(data, size TSRMLS_CC) == size;
}

static bool flush(void *context)
{
    return fpm_answer_flush(context);
}

static void log_line(void *context, int priority, const char *message)
{
    (void)context;
    sapi_report(priority, "%s", message);
}

static void inspected(void *context, const char *frames)
{
    const fpm_request *self = context;
    if (fpm_worker_answer_dump(self->worker)) {
        return;
    }
    fpm_slowlog_write_frames(self->worker->pool, self->worker, frames);
}

static const engine_request_functions functions = {
    .inspected = inspected,
    .param = param,
    .param_at = param_at,
    .read_body = read_body,
    .set_status = set_status,
    .set_header = set_header,
    .write = write_answer,
    .holds_output = true,
    .flush = flush,
    .log = log_line,
};

/* ---- the worker's runners ---- */

#if TSRMALLOC_LUA

static const char *persistent_path(const fpm_conf_pool *conf)
{
    for (const fpm_conf_pair *pair = conf->php_admin_values; pair != NULL; pair = pair->next) {
        if (strcmp(pair->key, PERSISTENT_KEY) == 0 && pair->value[0] != '\0') {
            return pair->value;
        }
    }
    return NULL;
}

static bool make_runner(const char *path, unsigned int flags, void **program, void **runner)
{
    char error[512];
    const engine_script script = { .path = path, .file = -1 };
    *program = lua_engine.load(&script, error, sizeof(error));
    *runner = *program != NULL ? lua_engine.runner_new(*program, flags) : NULL;
    if (*runner == NULL) {
        fpm_log(FPM_LOG_ERROR, NULL, "%s", *program != NULL ? "no memory for a worker" : error);
    }
    return *runner != NULL;
}

static void free_runner(void *program, void *runner)
{
    if (runner != NULL) {
        lua_engine.runner_free(runner);
    }
    if (program != NULL) {
        lua_engine.unload(program);
    }
}

static bool start_runners(fpm_request *self)
{
    const char *persistent = persistent_path(self->worker->conf);
    return make_runner(NULL, 0, &self->program, &self->runner)
        && (persistent == NULL || make_runner(persistent, ENGINE_KEEP_HEAP, &self->kept_program,
            &self->kept_runner));
}

static void end_runners(fpm_request *self)
{
    free_runner(self->kept_program, self->kept_runner);
    free_runner(self->program, self->runner);
}

/* Another script's request resets the heap: the kept interpreter goes with it. */
static void forget_kept_state(fpm_request *self)
{
    if (self->kept_runner != NULL) {
        lua_engine.runner_free(self->kept_runner);
        self->kept_runner = lua_engine.runner_new(self->kept_program, ENGINE_KEEP_HEAP);
    }
}

static bool is_persistent(const fpm_request *self)
{
    const char *path = persistent_path(self->worker->conf);
    return path != NULL && self->kept_runner != NULL && strcmp(self->script, path) == 0;
}

#else

static bool start_runners(fpm_request *self)
{
    (void)self;
    return true;
}

static void end_runners(fpm_request *self)
{
    (void)self;
}

#endif

bool fpm_script_worker_start(fpm_request *self)
{
    const char *root = self->worker->conf->security_document_root;
    self->engine.functions = &functions;
    self->engine.context = self;
    self->engine.script = (engine_script){ .file = -1 };
    self->root = root != NULL ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root != NULL && self->root < 0) {
        fpm_log_errno(FPM_LOG_ERROR, self->worker->conf->name, "security.document_root %s", root);
        return false;
    }
    if (!start_runners(self)) {
        fpm_script_worker_end(self);
        return false;
    }
    return true;
}

void fpm_script_worker_end(fpm_request *self)
{
    end_runners(self);
    if (self->root >= 0) {
        close(self->root);
    }
}

void fpm_script_begin(fpm_request *self TSRMLS_DC)
{
#if TSRMALLOC_LUA
    if (!SG(heap_is_kept)) {
        lua_engine.begin_request(self->runner);
    }
#else
    (void)self;
    (void)tsrm_ls;
#endif
}

/* ---- how a run ends ---- */

/* Into the log and to the web server: the first line to both, all of it to STDERR. */
static void report(fpm_request *self, const char *text)
{
    const char *uri = fpm_request_param(self, "REQUEST_URI");
    fpm_log(FPM_LOG_ERROR, self->worker->conf->name, "worker %u: %s: %.*s", self->worker->index,
        uri != NULL ? uri : "", (int)strcspn(text, "\n"), text);
    fpm_answer_stderr(self, text);
}

static void fail(fpm_request *self, unsigned int status, const char *text)
{
    report(self, text);
    fpm_answer_replace(self, status, self->worker->conf->display_errors ? text : "");
}

static void end_stopped(fpm_request *self, const char *text)
{
    fpm_pool_counters *counters = fpm_pool_count(self->worker->pool);
    if (self->failure_status != 0) {
        fail(self, self->failure_status, text);
        return;
    }
    switch (engine_request_stop(&self->engine)) {
    case ENGINE_STOP_TIMEOUT:
        counters->timeouts++;
        fail(self, 504, text);
        break;
    case ENGINE_STOP_SHUTDOWN:
        fail(self, 503, text);
        break;
    case ENGINE_STOP_CLIENT_GONE:
    case ENGINE_GO_ON:
        counters->aborts++;
        self->answer.is_cut = !fpm_body_was_aborted(self);
        break;
    }
}

static void end_run(fpm_request *self, engine_result result, const char *text)
{
    switch (result) {
    case ENGINE_DONE:
        break;
    case ENGINE_STOPPED:
        end_stopped(self, text);
        break;
    case ENGINE_NO_FILE:
        fail(self, 404, text);
        break;
    case ENGINE_NO_MEMORY:
        fpm_pool_count(self->worker->pool)->limit_hits++;
        fail(self, 500, text);
        break;
    case ENGINE_FAILED:
    case ENGINE_CORRUPT:
        fail(self, 500, text);
        break;
    }
}

/* ---- Lua ---- */

#if TSRMALLOC_LUA

static void run_lua(fpm_request *self TSRMLS_DC)
{
    bool keeps = is_persistent(self);
    if (!keeps && SG(heap_is_kept)) {
        forget_kept_state(self);
    }
    void *runner = keeps ? self->kept_runner : self->runner;
    engine_result result = lua_engine.run(runner, 0, &self->engine);
    /* From here on the answer is written, and not by the script. */
    fpm_request_end_interrupts(self);
    end_run(self, result, lua_engine.runner_error(runner));
    SG(heap_is_kept) = lua_engine.end_request(runner);
}

#else

static void run_lua(fpm_request *self TSRMLS_DC)
{
    (void)tsrm_ls;
    fail(self, 500, "this build has no Lua (configure --without-lua)");
}

#endif

/* ---- traces ---- */

typedef struct replay {
    void *program, *runner;
    uint64_t operation_count;
    uint64_t duration;              /* nanoseconds */
    engine_result result;
} replay;

/* All requests of the trace, in one request of ours: what each leaves is freed behind it. */
static void run_requests(fpm_request *self, replay *run)
{
    size_t count = trace_engine.request_count(run->program);
    uint64_t begin = fpm_request_now();
    for (size_t index = 0; index < count && run->result == ENGINE_DONE; index++) {
        run->result = ENGINE_NO_MEMORY;
        zend_try {
            run->result = trace_engine.run(run->runner, index, &self->engine);
        } zend_end_try();
        run->operation_count += trace_engine.operation_count(run->runner);
        (void)trace_engine.end_request(run->runner);
    }
    run->duration = fpm_request_now() - begin;
}

static void write_figures(fpm_request *self, const replay *run TSRMLS_DC)
{
    char text[512];
    static const engine_text type = { "Content-Type", 12 };
    static const engine_text plain = { "text/plain; charset=UTF-8", 25 };
    int size = snprintf(text, sizeof(text),
        "trace:       %s\nrequests:    %zu\noperations:  %" PRIu64 "\nnanoseconds: %" PRIu64
        "\npeak:        %zu\nreal peak:   %zu\n", self->script,
        trace_engine.request_count(run->program), run->operation_count, run->duration,
        zend_memory_peak_usage(0 TSRMLS_CC), zend_memory_peak_usage(1 TSRMLS_CC));
    size_t kept = (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1;
    (void)fpm_answer_header(self, type, plain, ENGINE_HEADER_REPLACE);
    (void)sapi_write(text, kept TSRMLS_CC);
}

static void run_trace(fpm_request *self TSRMLS_DC)
{
    char error[512];
    replay run = { .result = ENGINE_DONE };
    run.program = trace_engine.load(&self->engine.script, error, sizeof(error));
    if (run.program == NULL) {
        fail(self, 500, error);
        return;
    }
    run.runner = trace_engine.runner_new(run.program, ENGINE_KEEP_HEAP);
    if (run.runner == NULL) {
        fail(self, 500, "no memory for the table of blocks");
    } else {
        run_requests(self, &run);
        fpm_request_end_interrupts(self);
        if (run.result == ENGINE_DONE) {
            write_figures(self, &run TSRMLS_CC);
        } else {
            const char *text = trace_engine.runner_error(run.runner);
            end_run(self, run.result, *text != '\0' ? text : "the trace hit its memory limit");
        }
        trace_engine.runner_free(run.runner);
    }
    trace_engine.unload(run.program);
}

/* ---- the file ---- */

static bool is_trace(const char *path)
{
    return fpm_file_has_extension(path, ".zmt .zmt.gz");
}

static void refuse_file(fpm_request *self, int error)
{
    char text[512];
    if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG) {
        fpm_answer_stderr(self, "Primary script unknown");
        fpm_answer_replace(self, 404, "File not found.\n");
        return;
    }
    snprintf(text, sizeof(text), "Unable to open primary script: %.300s (%s)", self->script,
        error == EXDEV ? "it is not below the document root" : strerror(error));
    report(self, text);
    if (error == EACCES || error == EPERM || error == EXDEV || error == ELOOP) {
        fpm_answer_replace(self, 403, "Access denied.\n");
    } else {
        fpm_answer_replace(self, error == EISDIR ? 404 : 500, "No input file specified.\n");
    }
}

static bool has_right_extension(fpm_request *self)
{
    char text[512];
    if (fpm_file_has_extension(self->script, self->worker->conf->security_limit_extensions)) {
        return true;
    }
    snprintf(text, sizeof(text),
        "Access to the script '%.300s' has been denied (see security.limit_extensions)",
        self->script);
    report(self, text);
    fpm_answer_replace(self, 403, "Access denied.\n");
    return false;
}

/* ---- the pool's memory budget ---- */

static bool may_wait(void *context)
{
    fpm_request *self = context;
    int64_t limit = self->worker->conf->request_queue_timeout;
    uint64_t waited = fpm_request_now() - self->begin_time + self->connection->queue_wait;
    fpm_score_state(&self->worker->score, STATUS_WAITING);
    return engine_request_stop(&self->engine) == ENGINE_GO_ON
        && (limit == 0 || waited <= (uint64_t)limit * 1000000);
}

/* false: answered. */
static bool enter_budget(fpm_request *self)
{
    if (fpm_pool_enter_budget(self->worker, self->script, may_wait, self)) {
        return true;
    }
    if (engine_request_stop(&self->engine) != ENGINE_GO_ON) {
        end_stopped(self, "stopped while it waited for memory");
        return false;
    }
    atomic_fetch_add_explicit(&fpm_pool_count(self->worker->pool)->queue_timeouts, 1,
        memory_order_relaxed);
    fpm_answer_stderr(self, "The request waited for memory longer than request_queue_timeout");
    fpm_answer_replace(self, 503, "No memory is left for this request.\n");
    return false;
}

void fpm_script_serve(fpm_request *self TSRMLS_DC)
{
    const fpm_conf_pool *conf = self->worker->conf;
    const char *root = conf->security_document_root != NULL ? conf->security_document_root
        : fpm_request_param(self, "DOCUMENT_ROOT");
    if (self->script[0] == '\0' || root == NULL) {
        refuse_file(self, ENOENT);
        return;
    }
    if (!has_right_extension(self)) {
        return;
    }
    int file = fpm_file_open_script(self->script, root, self->root);
    if (file < 0) {
        refuse_file(self, errno);
        return;
    }
    if (enter_budget(self)) {
        fpm_score_state(&self->worker->score, STATUS_RUNNING);
        self->engine.script = (engine_script){ .path = self->script, .file = file };
        if (is_trace(self->script)) {
            run_trace(self TSRMLS_CC);
        } else {
            run_lua(self TSRMLS_CC);
        }
        self->engine.script = (engine_script){ .file = -1 };
    }
    close(file);
}
