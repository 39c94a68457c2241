/* request_answer: status, headers and body of an answer, and their way to the client.
 * Owns        request->answer, request->output.
 * Thread      the worker's.
 * Invariants  I1  nothing of the body is sent before the head
 *             I2  no header has a byte in it that could begin another
 * Failure     a client that is gone: is_broken, and false from here on.
 * Tests       tests/fpm/request.c */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "fpm/request_internal.h"

void fpm_answer_begin(fpm_request *self, bool has_no_body)
{
    fpm_answer *answer = &self->answer;
    answer->status = 200;
    answer->head_is_sent = false;
    answer->has_no_body = has_no_body;
    answer->is_broken = false;
    answer->is_cut = false;
    answer->head_size = 0;
    answer->held_size = 0;
    answer->body_size = 0;
    fcgi_output_init(&self->output, self->output_buffer, FPM_OUTPUT_SIZE, self->parser.request_id);
}

/* ---- records ---- */

static bool send_output(fpm_request *self)
{
    fpm_score_slot *score = &self->worker->score;
    if (self->answer.is_broken) {
        fcgi_output_clear(&self->output);
        return false;
    }
    fcgi_output_flush(&self->output);
    if (self->output.size > 0) {
        status_state state = (status_state)score->own.state;
        fpm_score_state(score, STATUS_WRITING);
        fpm_io io = fpm_connection_write(self->connection, self->output.buffer, self->output.size,
            self->worker->conf->request_send_timeout);
        fpm_score_state(score, state);
        self->answer.is_broken = io != FPM_IO_DONE;
    }
    fcgi_output_clear(&self->output);
    return !self->answer.is_broken;
}

static bool put(fpm_request *self, fcgi_type type, const char *data, size_t size)
{
    while (size > 0) {
        size_t taken = fcgi_output_write(&self->output, type, data, size);
        data += taken;
        size -= taken;
        if (size > 0 && !send_output(self)) {
            return false;
        }
    }
    return !self->answer.is_broken;
}

void fpm_answer_stderr(fpm_request *self, const char *text)
{
    (void)put(self, FCGI_TYPE_STDERR, text, strlen(text));
}

/* ---- the head ---- */

static const char *reason_of(unsigned int status)
{
    static const struct { unsigned int status; const char *reason; } reasons[] = {
        { 200, "OK" }, { 201, "Created" }, { 204, "No Content" }, { 301, "Moved Permanently" },
        { 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
        { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" }, { 400, "Bad Request" },
        { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
        { 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" },
        { 410, "Gone" }, { 413, "Content Too Large" }, { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
        { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
    };
    for (size_t index = 0; index < sizeof(reasons) / sizeof(reasons[0]); index++) {
        if (reasons[index].status == status) {
            return reasons[index].reason;
        }
    }
    return "Status";
}

/* Where the line of this header begins; NULL. */
static const char *find_line(const fpm_answer *answer, const char *name, size_t name_size)
{
    const char *at = answer->head;
    const char *end = answer->head + answer->head_size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if ((size_t)(end - at) > name_size && at[name_size] == ':'
            && strncasecmp(at, name, name_size) == 0) {
            return at;
        }
        at = line_end + 1;
    }
    return NULL;
}

const char *fpm_answer_find_header(const fpm_answer *answer, const char *name, size_t *size)
{
    size_t name_size = strlen(name);
    const char *line = find_line(answer, name, name_size);
    if (line == NULL) {
        return NULL;
    }
    const char *value = line + name_size + 2;
    const char *end = memchr(value, '\r', (size_t)(answer->head + answer->head_size - value));
    *size = (size_t)(end - value);
    return value;
}

static void remove_lines(fpm_answer *answer, engine_text name)
{
    const char *found = NULL;
    while ((found = find_line(answer, name.data, name.size)) != NULL) {
        char *line = answer->head + (found - answer->head);
        char *end = answer->head + answer->head_size;
        char *next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        memmove(line, next, (size_t)(end - next));
        answer->head_size -= (size_t)(next - line);
    }
}

static bool is_name(engine_text name)
{
    for (size_t index = 0; index < name.size; index++) {
        unsigned char byte = (unsigned char)name.data[index];
        if (byte <= ' ' || byte >= 127 || strchr("()<>@,;:\\\"/[]?={}", byte) != NULL) {
            return false;
        }
    }
    return name.size > 0;
}

static bool is_value(engine_text value)
{
    for (size_t index = 0; index < value.size; index++) {
        unsigned char byte = (unsigned char)value.data[index];
        if ((byte < ' ' && byte != '\t') || byte == 127) {
            return false;
        }
    }
    return true;
}

static void add_line(fpm_answer *answer, engine_text name, engine_text value)
{
    char *at = answer->head + answer->head_size;
    memcpy(at, name.data, name.size);
    at += name.size;
    memcpy(at, ": ", 2);
    at += 2;
    memcpy(at, value.data, value.size);
    at += value.size;
    memcpy(at, "\r\n", 2);
    answer->head_size += name.size + value.size + 4;
}

const char *fpm_answer_status(fpm_request *self, unsigned int status)
{
    if (self->answer.head_is_sent) {
        return "the status has been sent already";
    }
    self->answer.status = status;
    return NULL;
}

const char *fpm_answer_header(fpm_request *self, engine_text name, engine_text value,
    engine_header_mode mode)
{
    fpm_answer *answer = &self->answer;
    if (answer->head_is_sent) {
        return "the headers have been sent already";
    }
    if (!is_name(name)) {
        return "not a header's name";
    }
    if (!is_value(value)) {
        return "a header's value has a control character in it";
    }
    if (name.size == 6 && strncasecmp(name.data, "Status", 6) == 0) {
        return "Status is no header: use response.status()";
    }
    if (mode == ENGINE_HEADER_REPLACE) {
        remove_lines(answer, name);
    }
    if (name.size + value.size + 4 > sizeof(answer->head) - answer->head_size) {
        return "the headers are more than 8000 bytes";
    }
    add_line(answer, name, value);
    return NULL;
}

/* 200 goes without saying, as with php-fpm. */
static bool send_head(fpm_request *self)
{
    fpm_answer *answer = &self->answer;
    char line[64];
    size_t ignored = 0;
    answer->head_is_sent = true;
    if (answer->status != 200) {
        int size = snprintf(line, sizeof(line), "Status: %u %s\r\n", answer->status,
            reason_of(answer->status));
        (void)put(self, FCGI_TYPE_STDOUT, line, (size_t)size);
    }
    (void)put(self, FCGI_TYPE_STDOUT, answer->head, answer->head_size);
    if (fpm_answer_find_header(answer, "Content-Type", &ignored) == NULL) {
        static const char type[] = "Content-type: text/html; charset=UTF-8\r\n";
        (void)put(self, FCGI_TYPE_STDOUT, type, sizeof(type) - 1);
    }
    return put(self, FCGI_TYPE_STDOUT, "\r\n", 2);
}

/* ---- the body ---- */

static bool send_held(fpm_request *self)
{
    fpm_answer *answer = &self->answer;
    if (!answer->head_is_sent && !send_head(self)) {
        return false;
    }
    size_t size = answer->held_size;
    answer->held_size = 0;
    return put(self, FCGI_TYPE_STDOUT, answer->held, size);
}

bool fpm_answer_write(fpm_request *self, const char *data, size_t size)
{
    fpm_answer *answer = &self->answer;
    answer->body_size += size;
    if (answer->is_broken) {
        return false;
    }
    if (answer->has_no_body) {
        return true;
    }
    if (!answer->head_is_sent && size <= sizeof(answer->held) - answer->held_size) {
        memcpy(answer->held + answer->held_size, data, size);
        answer->held_size += size;
        return true;
    }
    return send_held(self) && put(self, FCGI_TYPE_STDOUT, data, size);
}

bool fpm_answer_flush(fpm_request *self)
{
    return send_held(self) && send_output(self);
}

void fpm_answer_replace(fpm_request *self, unsigned int status, const char *text)
{
    fpm_answer *answer = &self->answer;
    if (answer->head_is_sent) {
        answer->is_cut = true;
        return;
    }
    answer->status = status;
    answer->head_size = 0;
    answer->held_size = 0;
    answer->body_size = 0;
    if (text[0] != '\0') {
        (void)fpm_answer_write(self, text, strlen(text));
    }
}

/* An answer that was cut gets no end: the client must not take it for whole. */
void fpm_answer_end(fpm_request *self)
{
    if (self->is_aborted) {
        fcgi_output_clear(&self->output);
    } else {
        (void)send_held(self);
        if (self->answer.is_cut) {
            (void)send_output(self);
            return;
        }
    }
    fcgi_output_end(&self->output, 0, FCGI_REQUEST_COMPLETE);
    (void)send_output(self);
}
