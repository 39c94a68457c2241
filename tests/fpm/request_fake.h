/* request_fake.h: what stands around the request side in its tests: a connection that is two
 * buffers, one worker, one pool, a log that is kept. For the one .c file of a test program. */
#ifndef TSRMALLOC_TESTS_FPM_REQUEST_FAKE_H
#define TSRMALLOC_TESTS_FPM_REQUEST_FAKE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fpm/request_internal.h"

static struct {
    uint8_t wire[1 << 20];          /* what the client sends, behind what was read already */
    size_t wire_size, wire_read;
    size_t piece;                   /* bytes that a read gives; 0: all */
    fpm_io end;                     /* what a read gives when the wire is empty */
    uint8_t sent[4 << 20];
    size_t sent_size;
    size_t sent_max;                /* the client takes so many bytes */
    char log[8192];
    char access[ACCESS_LOG_LINE_MAX];
    char calls[512];                /* begin and end of what may be interrupted */
    int stop_at_begin;              /* an engine_stop that comes when the request begins */
    bool is_ready;
} fake;

static fpm_conf_pool fake_conf;
static fpm_pool_counters fake_counters;
static fpm_worker *fake_worker;
static uint8_t fake_input[FPM_INPUT_SIZE];

/* ---- the connection ---- */

fpm_io fpm_connection_read(fpm_connection *connection, int64_t timeout)
{
    (void)timeout;
    size_t left = fake.wire_size - fake.wire_read;
    if (connection->stop != NULL && engine_request_stop(connection->stop) != ENGINE_GO_ON) {
        return FPM_IO_STOPPED;
    }
    if (left == 0) {
        return fake.end;
    }
    memmove(connection->input, connection->input + connection->input_begin,
        connection->input_end - connection->input_begin);
    connection->input_end -= connection->input_begin;
    connection->input_begin = 0;
    size_t size = fake.piece != 0 && fake.piece < left ? fake.piece : left;
    size_t room = FPM_INPUT_SIZE - connection->input_end;
    size = size < room ? size : room;
    memcpy(connection->input + connection->input_end, fake.wire + fake.wire_read, size);
    connection->input_end += size;
    fake.wire_read += size;
    return size > 0 ? FPM_IO_DONE : FPM_IO_FULL;
}

fpm_io fpm_connection_write(fpm_connection *connection, const void *data, size_t size,
    int64_t timeout)
{
    (void)timeout;
    (void)connection;
    if (size > fake.sent_max - fake.sent_size) {
        return FPM_IO_CLOSED;
    }
    memcpy(fake.sent + fake.sent_size, data, size);
    fake.sent_size += size;
    return FPM_IO_DONE;
}

/* ---- the worker, the pool, the log ---- */

void fpm_worker_request_begin(fpm_worker *worker, fpm_connection *connection)
{
    strcat(fake.calls, "begin ");
    atomic_store(&worker->request.engine.stop, (engine_stop)fake.stop_at_begin);
    connection->stop = &worker->request.engine;
}

void fpm_worker_request_end(fpm_worker *worker)
{
    strcat(fake.calls, "end ");
    worker->request.connection->stop = NULL;
}

void fpm_pool_status(fpm_pool *pool, status_pool *status, status_worker *workers,
    fpm_score *scores, size_t capacity)
{
    (void)pool;
    (void)scores;
    *status = (status_pool){
        .name = { "www", 3 }, .process_manager = "static", .start_time = 1000, .now = 1010,
        .accepted_count = 7, .idle_count = 1, .active_count = 1, .total_count = 2,
        .workers = workers, .worker_count = capacity,
    };
    for (size_t index = 0; index < capacity; index++) {
        workers[index] = (status_worker){ .number = (unsigned int)index, .tid = 77 };
    }
}

size_t fpm_pool_capacity(const fpm_pool *pool)
{
    (void)pool;
    return 2;
}

fpm_pool_counters *fpm_pool_count(fpm_pool *pool)
{
    (void)pool;
    return &fake_counters;
}

void fpm_pool_observe(_Atomic uint64_t *buckets, _Atomic uint64_t *sum, uint64_t nanoseconds)
{
    buckets[0]++;
    *sum += nanoseconds;
}

void fpm_pool_access_log(fpm_pool *pool, const char *line, size_t size)
{
    (void)pool;
    memcpy(fake.access, line, size);
    fake.access[size] = '\0';
}

bool fpm_worker_answer_dump(fpm_worker *worker)
{
    (void)worker;
    return false;
}

/* No budget. */
bool fpm_pool_enter_budget(fpm_worker *worker, const char *script, bool (*go_on)(void *context),
    void *context)
{
    (void)worker;
    (void)script;
    (void)go_on;
    (void)context;
    return true;
}

void fpm_pool_leave_budget(fpm_worker *worker, size_t peak)
{
    (void)worker;
    (void)peak;
}

void fpm_slowlog_write_frames(fpm_pool *pool, const fpm_worker *worker, const char *frames)
{
    (void)pool;
    (void)worker;
    (void)frames;
}

bool fpm_pool_is_ready(fpm_pool *pool)
{
    (void)pool;
    return fake.is_ready;
}

void fpm_score_publish(fpm_score_slot *slot)
{
    (void)slot;
}

void fpm_score_state(fpm_score_slot *slot, status_state state)
{
    slot->own.state = state;
}

void fpm_score_begin(fpm_score_slot *slot, uint64_t now)
{
    slot->own.request_begin = now;
}

void fpm_score_head(fpm_score_slot *slot, const char *method, const char *uri, const char *query,
    const char *script, const char *user, uint64_t content_length)
{
    (void)method;
    (void)query;
    (void)script;
    (void)user;
    slot->own.content_length = content_length;
    snprintf(slot->own.uri, sizeof(slot->own.uri), "%s", uri);
}

static void keep_log(const char *format, va_list arguments)
{
    size_t used = strlen(fake.log);
    vsnprintf(fake.log + used, sizeof(fake.log) - used, format, arguments);
    strcat(fake.log, "\n");
}

void fpm_log(fpm_log_level level, const char *pool, const char *format, ...)
{
    (void)pool;
    va_list arguments;
    va_start(arguments, format);
    if (level > FPM_LOG_DEBUG) {
        keep_log(format, arguments);
    }
    va_end(arguments);
}

void fpm_log_errno(fpm_log_level level, const char *pool, const char *format, ...)
{
    (void)level;
    (void)pool;
    va_list arguments;
    va_start(arguments, format);
    keep_log(format, arguments);
    va_end(arguments);
}

/* ---- the client ---- */

static void send_record(int type, const void *content, size_t size)
{
    uint8_t *at = fake.wire + fake.wire_size;
    fcgi_make_header(at, (fcgi_type)type, 1, size);
    size_t padding = at[6];
    memcpy(at + FCGI_HEADER_SIZE, content, size);
    memset(at + FCGI_HEADER_SIZE + size, 0, padding);
    fake.wire_size += FCGI_HEADER_SIZE + size + padding;
}

static void send_begin(bool keep)
{
    uint8_t begin[8] = { 0, 1, keep ? FCGI_KEEP_CONN : 0 };
    send_record(FCGI_TYPE_BEGIN_REQUEST, begin, sizeof(begin));
}

/* `params`: "NAME=value" texts up to NULL. */
static void send_params(const char *const *params)
{
    uint8_t content[16384];
    size_t size = 0;
    for (; *params != NULL; params++) {
        const char *value = strchr(*params, '=') + 1;
        size_t name_size = (size_t)(value - *params) - 1;
        content[size++] = (uint8_t)name_size;
        size_t value_size = strlen(value);
        uint8_t length[4] = { (uint8_t)(value_size >> 24 | 0x80), (uint8_t)(value_size >> 16),
            (uint8_t)(value_size >> 8), (uint8_t)value_size };
        memcpy(content + size, length, 4);
        size += 4;
        memcpy(content + size, *params, name_size);
        size += name_size;
        memcpy(content + size, value, value_size);
        size += value_size;
    }
    send_record(FCGI_TYPE_PARAMS, content, size);
    send_record(FCGI_TYPE_PARAMS, "", 0);
}

static void send_body(const char *body, size_t size)
{
    for (size_t at = 0; at < size; at += 32768) {
        send_record(FCGI_TYPE_STDIN, body + at, size - at < 32768 ? size - at : 32768);
    }
    send_record(FCGI_TYPE_STDIN, "", 0);
}

/* What came back. */
static struct {
    char out[2 << 20];
    char err[65536];
    size_t out_size;
    int end_count;
    int protocol_status;
    bool is_well_formed;
} answer;

static void read_answer(void)
{
    size_t err_size = 0;
    size_t at = 0;
    memset(&answer, 0, sizeof(answer));
    answer.is_well_formed = true;
    while (at + FCGI_HEADER_SIZE <= fake.sent_size) {
        const uint8_t *header = fake.sent + at;
        size_t size = (size_t)(header[4] << 8 | header[5]);
        const uint8_t *content = header + FCGI_HEADER_SIZE;
        if (header[1] == FCGI_TYPE_STDOUT) {
            memcpy(answer.out + answer.out_size, content, size);
            answer.out_size += size;
        } else if (header[1] == FCGI_TYPE_STDERR) {
            memcpy(answer.err + err_size, content, size);
            err_size += size;
        } else if (header[1] == FCGI_TYPE_END_REQUEST) {
            answer.end_count++;
            answer.protocol_status = content[4];
        }
        at += FCGI_HEADER_SIZE + size + header[6];
    }
    answer.is_well_formed = at == fake.sent_size;
}

#endif
