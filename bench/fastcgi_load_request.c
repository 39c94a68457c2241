/* fastcgi_load_request: the bytes that every request consists of, and the answer to one.
 * Owns        the answer's head.
 * Thread      one.
 * Invariants  I1  nothing behind END_REQUEST is taken
 * Failure     a load_error.
 * Tests       tests/fpm/load.sh
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/fastcgi_load.h"
#include "fpm/fastcgi_output.h"

enum { PARAMS_SIZE_MAX = 64 * 1024, BODY_PIECE = 32768 };

/* ---- the request ---- */

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static void put(bytes *to, const void *data, size_t size)
{
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

/* A record whose content is padded to 8 bytes, as nginx does. NULL: bytes of a body. */
static void put_record(bytes *to, fcgi_type type, const void *content, size_t size)
{
    uint8_t header[FCGI_HEADER_SIZE];
    static const uint8_t zeros[8];
    fcgi_make_header(header, type, 1, size);
    put(to, header, sizeof header);
    if (content != NULL) {
        put(to, content, size);
    } else {
        memset(to->data + to->size, 'b', size);
        to->size += size;
    }
    put(to, zeros, header[6]);
}

static void put_length(bytes *to, size_t size)
{
    uint8_t length[4] = { (uint8_t)(0x80 | size >> 24), (uint8_t)(size >> 16),
        (uint8_t)(size >> 8), (uint8_t)size };
    if (size < 128) {
        put(to, &length[3], 1);
    } else {
        put(to, length, 4);
    }
}

static void put_param(bytes *to, const char *name, size_t name_size, const char *value,
    size_t value_size)
{
    /* What does not fit into one record is left out; the options keep each one below it. */
    if (to->size + name_size + value_size + 8 <= FCGI_RECORD_CONTENT_MAX) {
        put_length(to, name_size);
        put_length(to, value_size);
        put(to, name, name_size);
        put(to, value, value_size);
    }
}

static void put_text(bytes *to, const char *name, const char *value)
{
    put_param(to, name, strlen(name), value, strlen(value));
}

static void put_params(bytes *to, const load_options *options)
{
    char length[24] = "";
    const char *query = strchr(options->uri, '?');
    size_t path_size = query == NULL ? strlen(options->uri) : (size_t)(query - options->uri);
    if (options->body_size > 0) {
        snprintf(length, sizeof length, "%zu", options->body_size);
    }
    /* What nginx's fastcgi_params sends. */
    put_text(to, "QUERY_STRING", query == NULL ? "" : query + 1);
    put_text(to, "REQUEST_METHOD", options->method);
    put_text(to, "CONTENT_TYPE",
        options->body_size > 0 ? "application/x-www-form-urlencoded" : "");
    put_text(to, "CONTENT_LENGTH", length);
    put_param(to, "SCRIPT_NAME", strlen("SCRIPT_NAME"), options->uri, path_size);
    if (options->script != NULL) {
        put_text(to, "SCRIPT_FILENAME", options->script);
    } else {
        put_param(to, "SCRIPT_FILENAME", strlen("SCRIPT_FILENAME"), options->uri, path_size);
    }
    put_text(to, "REQUEST_URI", options->uri);
    put_text(to, "SERVER_PROTOCOL", "HTTP/1.1");
    put_text(to, "GATEWAY_INTERFACE", "CGI/1.1");
    put_text(to, "SERVER_SOFTWARE", "tsrmalloc-fcgi-load");
    put_text(to, "REMOTE_ADDR", "127.0.0.1");
    put_text(to, "REMOTE_PORT", "1024");
    put_text(to, "SERVER_ADDR", "127.0.0.1");
    put_text(to, "SERVER_PORT", "80");
    put_text(to, "SERVER_NAME", "localhost");
    put_text(to, "HTTP_HOST", "localhost");
    for (size_t index = 0; index < options->param_count; index++) {
        const char *name = options->params[index], *equal = strchr(name, '=');
        put_param(to, name, (size_t)(equal - name), equal + 1, strlen(equal + 1));
    }
}

uint8_t *load_request_make(const load_options *options, size_t *size)
{
    const uint8_t begin[8] = { 0, 1, options->keep_alive || options->idle > 0, 0, 0, 0, 0, 0 };
    uint8_t *content = malloc(PARAMS_SIZE_MAX);
    size_t records = 8 + options->body_size / BODY_PIECE;
    bytes params = { content, 0 }, to = { NULL, 0 };
    to.data = malloc(PARAMS_SIZE_MAX + options->body_size + 16 * records);
    if (content == NULL || to.data == NULL) {
        free(content);
        free(to.data);
        return NULL;
    }
    put_params(&params, options);
    put_record(&to, FCGI_TYPE_BEGIN_REQUEST, begin, sizeof begin);
    put_record(&to, FCGI_TYPE_PARAMS, params.data, params.size);
    put_record(&to, FCGI_TYPE_PARAMS, begin, 0);
    for (size_t left = options->body_size; left > 0;) {
        size_t piece = left < BODY_PIECE ? left : BODY_PIECE;
        put_record(&to, FCGI_TYPE_STDIN, NULL, piece);
        left -= piece;
    }
    put_record(&to, FCGI_TYPE_STDIN, begin, 0);
    free(content);
    *size = to.size;
    return to.data;
}

/* ---- the answer ---- */

uint64_t load_hash(uint64_t hash, const char *data, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        hash = (hash ^ (uint8_t)data[index]) * 1099511628211u;
    }
    return hash;
}

void load_answer_begin(load_answer *answer)
{
    char *head = answer->head;
    *answer = (load_answer){ .head = head, .body_hash = LOAD_HASH_SEED };
}

/* Bytes of STDOUT: headers up to a blank line, then the body. */
static load_error take_stdout(load_answer *answer, const char *data, size_t size)
{
    while (size > 0 && !answer->in_body) {
        if (answer->head_size == LOAD_HEADER_SIZE_MAX - 1) {
            return LOAD_PROTOCOL;
        }
        answer->head[answer->head_size++] = *data++;
        answer->head[answer->head_size] = '\0';
        size--;
        const char *end = answer->head + answer->head_size;
        answer->in_body = end[-1] == '\n' &&
            ((answer->head_size >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0) ||
             (answer->head_size >= 2 && end[-2] == '\n'));
    }
    answer->body_size += size;
    answer->body_hash = load_hash(answer->body_hash, data, size);
    return LOAD_GOOD;
}

static load_error take_content(load_answer *answer, const uint8_t *data, size_t size)
{
    if (answer->header[1] == FCGI_TYPE_STDOUT) {
        return take_stdout(answer, (const char *)data, size);
    }
    if (answer->header[1] == FCGI_TYPE_END_REQUEST) {
        memcpy(answer->end + answer->end_size, data, size);
        answer->end_size += (unsigned int)size;
    }
    return LOAD_GOOD;
}

static load_error check_header(load_answer *answer)
{
    const uint8_t *header = answer->header;
    answer->header_size = 0;
    answer->content_left = (unsigned int)header[4] << 8 | header[5];
    answer->padding_left = header[6];
    bool is_known = header[1] == FCGI_TYPE_STDOUT || header[1] == FCGI_TYPE_STDERR ||
        header[1] == FCGI_TYPE_END_REQUEST;
    bool fits = header[1] != FCGI_TYPE_END_REQUEST || answer->content_left == sizeof answer->end;
    return header[0] == 1 && is_known && fits && header[2] == 0 && header[3] == 1 &&
        !answer->is_complete ? LOAD_GOOD : LOAD_PROTOCOL;
}

/* The bytes that stand at `data`, of one kind. Sets how many they are. */
static load_error take_some(load_answer *answer, const uint8_t *data, size_t size, size_t *used)
{
    load_error error = LOAD_GOOD;
    if (answer->content_left > 0) {
        *used = size < answer->content_left ? size : answer->content_left;
        error = take_content(answer, data, *used);
        answer->content_left -= (unsigned int)*used;
    } else if (answer->padding_left > 0) {
        *used = size < answer->padding_left ? size : answer->padding_left;
        answer->padding_left -= (unsigned int)*used;
    } else {
        *used = 1;
        answer->header[answer->header_size++] = *data;
        error = answer->header_size == sizeof answer->header ? check_header(answer) : LOAD_GOOD;
    }
    answer->is_complete = answer->end_size == sizeof answer->end && answer->padding_left == 0;
    return error;
}

load_error load_answer_take(load_answer *answer, const uint8_t *data, size_t size)
{
    load_error error = LOAD_GOOD;
    for (size_t at = 0, used; at < size && error == LOAD_GOOD; at += used) {
        if (answer->is_complete) {
            return LOAD_PROTOCOL;
        }
        error = take_some(answer, data + at, size - at, &used);
    }
    bool ended_badly = answer->is_complete && answer->end[4] != FCGI_REQUEST_COMPLETE;
    return error == LOAD_GOOD && ended_badly ? LOAD_PROTOCOL : error;
}

int load_answer_status(const load_answer *answer)
{
    const char *line = answer->head;
    while (line != NULL && strncmp(line, "Status: ", 8) != 0) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return line == NULL ? 200 : atoi(line + 8);
}
