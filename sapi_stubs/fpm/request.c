/* request: the order of things from the first byte of a request to the reset of the heap.
 * Owns        request->parser, request->is_active.
 * Thread      the worker's.
 * Invariants  I1  php_request_startup() and php_request_shutdown() come in pairs, whatever happens
 *             I2  a connection that is kept stands at the beginning of a record, outside of any
 *                 request
 *             I3  the answer ends in sapi_module.deactivate: before the heap is reset
 * Failure     the connection is closed; the worker goes on.
 * Tests       tests/fpm/request.c, tests/fpm/request.sh */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "fpm/request_file.h"
#include "fpm/request_internal.h"
#include "zend_alloc.h"

uint64_t fpm_request_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- parameters ---- */

const char *fpm_request_param(const fpm_request *self, const char *name)
{
    const fcgi_param *pair = fcgi_params_find(&self->parser.params, name, strlen(name));
    if (pair == NULL) {
        return "";
    }
    return memchr(pair->value, '\0', pair->value_size) == NULL ? pair->value : NULL;
}

bool fpm_request_find(const fpm_request *self, engine_text name, engine_text *value)
{
    const fcgi_param *pair = fcgi_params_find(&self->parser.params, name.data, name.size);
    if (pair != NULL) {
        *value = (engine_text){ pair->value, pair->value_size };
        return true;
    }
    const fpm_conf_pair *env = self->worker->conf->env;
    while (env != NULL
        && (strlen(env->key) != name.size || memcmp(env->key, name.data, name.size) != 0)) {
        env = env->next;
    }
    if (env != NULL) {
        *value = (engine_text){ env->value, strlen(env->value) };
    }
    return env != NULL;
}

/* Params lie in the request heap. */
static void *resize(void *context, void *block, size_t size)
{
    (void)context;
    if (size == 0) {
        efree(block);
        return NULL;
    }
    return erealloc_recoverable(block, size);
}

/* ---- the SAPI's functions ---- */

static fpm_request *current_request(TSRMLS_D)
{
    struct fpm_worker *worker = SG(server_context);
    return worker != NULL && worker->request.is_active ? &worker->request : NULL;
}

/* Step 12 of PHP's request end: the rest of the body is read, the answer's end is sent. */
static zend_result deactivate(TSRMLS_D)
{
    fpm_request *self = current_request(TSRMLS_C);
    if (self == NULL) {
        return SUCCESS;
    }
    fpm_request_end_interrupts(self);
    fpm_score_state(&self->worker->score, STATUS_ENDING);
    if (!self->answer.is_broken) {
        fpm_body_drain(self);
    }
    fpm_answer_end(self);
    fpm_score_state(&self->worker->score, STATUS_FINISHING);
    fpm_request_note_end(self TSRMLS_CC);
    efree(self->body.ahead);
    if (SG(heap_is_kept)) {
        fcgi_parser_end_request(&self->parser, false);
    }
    return SUCCESS;
}

static size_t ub_write(const char *data, size_t size TSRMLS_DC)
{
    fpm_request *self = current_request(TSRMLS_C);
    return self != NULL && fpm_answer_write(self, data, size) ? size : 0;
}

/* The end of a request sends everything anyway. */
static void flush_nothing(void *server_context)
{
    (void)server_context;
}

static size_t read_post(char *buffer, size_t size TSRMLS_DC)
{
    fpm_request *self = current_request(TSRMLS_C);
    return self != NULL ? fpm_body_read(self, buffer, size) : 0;
}

static const char *find_variable(const char *name, size_t name_size TSRMLS_DC)
{
    const fpm_request *self = current_request(TSRMLS_C);
    engine_text value;
    bool is_found = self != NULL
        && fpm_request_find(self, (engine_text){ name, name_size }, &value);
    return is_found ? value.data : NULL;
}

void fpm_request_fill_sapi(sapi_module_struct *sapi)
{
    sapi->deactivate = deactivate;
    sapi->ub_write = ub_write;
    sapi->flush = flush_nothing;
    sapi->read_post = read_post;
    sapi->getenv = find_variable;
}

/* ---- workers ---- */

bool fpm_request_worker_start(struct fpm_worker *worker)
{
    fpm_request *self = &worker->request;
    self->worker = worker;
    self->limits = fcgi_default_limits;
    self->limits.body_size_max = worker->conf->post_max_size != 0 ? worker->conf->post_max_size
        : UINT64_MAX;
    self->limits.connections_max = (unsigned int)worker->conf->pm_max_connections;
    self->limits.requests_max = (unsigned int)worker->conf->pm_max_children;
    self->output_buffer = aligned_alloc(64, FPM_OUTPUT_SIZE);
    if (self->output_buffer == NULL) {
        fpm_log(FPM_LOG_ERROR, worker->conf->name, "worker %u: no memory for its buffers",
            worker->index);
        return false;
    }
    if (!fpm_script_worker_start(self)) {
        free(self->output_buffer);
        self->output_buffer = NULL;
        return false;
    }
    return true;
}

void fpm_request_worker_end(struct fpm_worker *worker)
{
    fpm_script_worker_end(&worker->request);
    free(worker->request.output_buffer);
    worker->request.output_buffer = NULL;
}

/* ---- one request ---- */

void fpm_request_end_interrupts(fpm_request *self)
{
    if (self->is_interruptible) {
        self->is_interruptible = false;
        fpm_worker_request_end(self->worker);
    }
}

static bool start_request(fpm_request *self TSRMLS_DC)
{
    self->body = (fpm_body){ .ahead = NULL };
    self->is_aborted = false;
    self->must_close = false;
    self->failure_status = 0;
    self->script = "";
    fpm_request_note_begin(self);
    fpm_answer_begin(self, false);
    if (php_request_startup(TSRMLS_C) == FAILURE) {
        return false;
    }
    self->is_active = true;
    fpm_script_begin(self TSRMLS_CC);
    return true;
}

static bool waited_too_long(const fpm_request *self)
{
    int64_t limit = self->worker->conf->request_queue_timeout;
    return limit > 0 && self->connection->queue_wait > (uint64_t)limit * 1000000;
}

static void note_head(fpm_request *self)
{
    const char *script = fpm_request_param(self, "SCRIPT_FILENAME");
    /* The text is the request's own, in its heap. */
    self->script = script != NULL && *script != '\0' ? fpm_file_script_path((char *)script) : "";
    zend_mm_set_script_name(self->script);
    fpm_score_head(&self->worker->score, fpm_request_param(self, "REQUEST_METHOD"),
        fpm_request_param(self, "SCRIPT_NAME"), fpm_request_param(self, "QUERY_STRING"),
        self->script, fpm_request_param(self, "REMOTE_USER"), self->parser.content_length);
}

/* The head is there: answer. */
static void answer(fpm_request *self TSRMLS_DC)
{
    const char *method = fpm_request_param(self, "REQUEST_METHOD");
    note_head(self);
    self->answer.has_no_body = method != NULL && strcmp(method, "HEAD") == 0;
    if (waited_too_long(self)) {
        atomic_fetch_add_explicit(&fpm_pool_count(self->worker->pool)->queue_timeouts, 1,
            memory_order_relaxed);
        fpm_answer_stderr(self, "The request waited longer than request_queue_timeout");
        fpm_answer_replace(self, 503, "All workers are busy.\n");
        return;
    }
    fpm_worker_request_begin(self->worker, self->connection);
    self->is_interruptible = true;
    fpm_score_state(&self->worker->score, STATUS_READING_BODY);
    unsigned int status = fpm_body_read_ahead(self);
    if (status != 0) {
        fpm_answer_stderr(self, status == 400 ? "The body is shorter than CONTENT_LENGTH"
            : "The body did not come");
        fpm_answer_replace(self, status, "");
    } else if (engine_request_stop(&self->engine) != ENGINE_GO_ON) {
        self->answer.is_cut = !self->is_aborted;
    } else if (fpm_body_look_behind(self)) {
        fpm_pool_count(self->worker->pool)->aborts++;
    } else if (!fpm_page_serve(self)) {
        fpm_script_serve(self TSRMLS_CC);
    }
    fpm_request_end_interrupts(self);
}

static void refuse(fpm_request *self, const fcgi_event *event)
{
    fpm_log(FPM_LOG_WARNING, self->worker->conf->name, "%s: %s", self->connection->address,
        event->text);
    fpm_answer_replace(self, (unsigned int)event->status, "");
}

/* Returns whether the connection may be kept. */
static bool end_request(fpm_request *self TSRMLS_DC)
{
    bool keeps = self->parser.keep_connection;
    fpm_score_state(&self->worker->score, STATUS_ENDING);
    php_request_shutdown(TSRMLS_C);
    if (!SG(heap_is_kept)) {
        fcgi_parser_end_request(&self->parser, true);
    }
    self->is_active = false;
    fpm_request_note_reset(self TSRMLS_CC);
    self->connection->queue_wait = 0;
    return keeps && !self->must_close && !self->answer.is_broken && !self->answer.is_cut
        && fcgi_parser_is_idle(&self->parser);
}

/* From FCGI_BEGIN on. Returns whether the connection may be kept. */
static bool serve_request(fpm_request *self TSRMLS_DC)
{
    fcgi_event event;
    if (!start_request(self TSRMLS_CC)) {
        return false;
    }
    fpm_io io = fpm_request_next_event(self, &event, self->worker->conf->request_header_timeout);
    switch (event.kind) {
    case FCGI_PARAMS:
        answer(self TSRMLS_CC);
        break;
    case FCGI_REFUSED:
        refuse(self, &event);
        break;
    case FCGI_ABORT:
        self->is_aborted = true;
        break;
    case FCGI_BROKEN:
        fpm_log(FPM_LOG_WARNING, self->worker->conf->name, "%s: %s", self->connection->address,
            event.text);
        self->answer.is_broken = true;
        break;
    default:
        self->answer.is_broken = io != FPM_IO_DONE;
        break;
    }
    return end_request(self TSRMLS_CC);
}

bool fpm_request_serve(struct fpm_worker *worker, fpm_connection *connection TSRMLS_DC)
{
    const fcgi_memory memory = { .resize = resize };
    fpm_request *self = &worker->request;
    fcgi_event event;
    SG(server_context) = worker;
    self->connection = connection;
    fcgi_parser_init(&self->parser, &self->limits, &memory);
    fpm_io io;
    /* Bytes that begin no request are used up without waiting for more. */
    while ((io = fpm_request_next_event(self, &event, 0)) == FPM_IO_DONE) {
        if (event.kind == FCGI_BEGIN) {
            return serve_request(self TSRMLS_CC);
        }
        if (event.kind == FCGI_BROKEN) {
            fpm_log(FPM_LOG_WARNING, worker->conf->name, "%s: %s", connection->address, event.text);
            return false;
        }
    }
    return io == FPM_IO_TIMEOUT && fcgi_parser_is_idle(&self->parser);
}
