/* fastcgi: the FastCGI responder protocol as a function over bytes.
 * Owns        nothing but the params of the request it is in.
 * Thread      one at a time for each parser.
 * Invariants  I1  what the parser keeps between calls does not depend on where the pieces ended
 *             I2  content > 0 or padding > 0 or the record's end is still to be acted on while
 *                 in_record
 *             I3  bytes of a body are handed out up to CONTENT_LENGTH, never more
 * Failure     FCGI_BROKEN for good, FCGI_REFUSED for this request.
 * Tests       tests/fpm/fastcgi_rows.c, tests/fpm/fastcgi_cuts.c, tests/fuzz/fastcgi.c
 */
#include "config.h"

#include "fpm/fastcgi.h"

#include <stdio.h>
#include <string.h>

#include "fpm/fastcgi_output.h"

const fcgi_limits fcgi_default_limits = {
    .params_size_max = 256 * 1024,
    .params_count_max = 1000,
    .body_size_max = 8 * 1024 * 1024,
    .connections_max = 1,
    .requests_max = 1,
};

void fcgi_parser_init(fcgi_parser *parser, const fcgi_limits *limits, const fcgi_memory *memory)
{
    *parser = (fcgi_parser){ .limits = limits, .memory = *memory };
}

/* ---- the record at hand ---- */

static fcgi_type record_type(const fcgi_parser *parser)
{
    return (fcgi_type)parser->header[1];
}

static uint16_t record_id(const fcgi_parser *parser)
{
    return (uint16_t)(parser->header[2] << 8 | parser->header[3]);
}

static bool is_of_request(const fcgi_parser *parser)
{
    return parser->phase != FCGI_PHASE_NO_REQUEST && record_id(parser) == parser->request_id;
}

/* ---- events ---- */

/* All but the reply, which is 80 bytes and rarely used. */
static void clear(fcgi_event *event)
{
    event->kind = FCGI_MORE;
    event->data = NULL;
    event->size = 0;
    event->status = 0;
    event->body_is_short = event->close = event->is_foreign = false;
    event->text = NULL;
}

static bool broken(fcgi_parser *parser, fcgi_event *event, const char *text)
{
    parser->is_broken = true;
    event->kind = FCGI_BROKEN;
    event->text = text;
    return false;
}

static void refuse(fcgi_parser *parser, fcgi_event *event, int status, const char *text)
{
    fcgi_params_free(&parser->params, &parser->memory);
    parser->phase = FCGI_PHASE_REFUSED;
    event->kind = FCGI_REFUSED;
    event->status = status;
    event->text = text;
}

static void reply_end(fcgi_event *event, uint16_t request_id, fcgi_protocol_status status)
{
    fcgi_make_end(event->reply, request_id, 0, status);
    event->kind = FCGI_REPLY;
    event->size = FCGI_END_SIZE;
}

static size_t add_pair(uint8_t *to, const char *name, unsigned int value)
{
    char text[16];
    int value_size = snprintf(text, sizeof text, "%u", value);
    size_t name_size = strlen(name);
    to[0] = (uint8_t)name_size;
    to[1] = (uint8_t)value_size;
    memcpy(to + 2, name, name_size);
    memcpy(to + 2 + name_size, text, (size_t)value_size);
    return 2 + name_size + (size_t)value_size;
}

static void reply_values(const fcgi_parser *parser, fcgi_event *event)
{
    uint8_t content[FCGI_REPLY_SIZE_MAX];
    size_t size = 0;
    if (parser->values.asked & FCGI_VALUE_MAX_CONNS) {
        size += add_pair(content + size, "FCGI_MAX_CONNS", parser->limits->connections_max);
    }
    if (parser->values.asked & FCGI_VALUE_MAX_REQS) {
        size += add_pair(content + size, "FCGI_MAX_REQS", parser->limits->requests_max);
    }
    if (parser->values.asked & FCGI_VALUE_MPXS_CONNS) {
        size += add_pair(content + size, "FCGI_MPXS_CONNS", 0);
    }
    fcgi_make_header(event->reply, FCGI_TYPE_GET_VALUES_RESULT, 0, size);
    memset(event->reply + FCGI_HEADER_SIZE, 0, sizeof event->reply - FCGI_HEADER_SIZE);
    memcpy(event->reply + FCGI_HEADER_SIZE, content, size);
    event->kind = FCGI_REPLY;
    event->size = FCGI_HEADER_SIZE + size + event->reply[6];
}

static void reply_unknown_type(const fcgi_parser *parser, fcgi_event *event)
{
    fcgi_make_header(event->reply, FCGI_TYPE_UNKNOWN, 0, 8);
    memset(event->reply + FCGI_HEADER_SIZE, 0, 8);
    event->reply[FCGI_HEADER_SIZE] = parser->header[1];
    event->kind = FCGI_REPLY;
    event->size = FCGI_HEADER_SIZE + 8;
}

/* ---- a header is complete ---- */

static bool check_begin(fcgi_parser *parser, fcgi_event *event)
{
    if (record_id(parser) == 0) {
        return broken(parser, event, "BEGIN_REQUEST with id 0");
    }
    if (parser->content != FCGI_BEGIN_SIZE) {
        return broken(parser, event, "BEGIN_REQUEST whose content is not 8 bytes");
    }
    if (is_of_request(parser) &&
        (parser->phase == FCGI_PHASE_PARAMS || parser->phase == FCGI_PHASE_STDIN)) {
        return broken(parser, event, "BEGIN_REQUEST with the id of a request that is not read yet");
    }
    return true;
}

static bool check_stream(fcgi_parser *parser, fcgi_event *event)
{
    if (!is_of_request(parser)) {
        return true;
    }
    if (record_type(parser) == FCGI_TYPE_STDIN && parser->phase == FCGI_PHASE_PARAMS) {
        return broken(parser, event, "STDIN before the end of PARAMS");
    }
    if (record_type(parser) == FCGI_TYPE_PARAMS && parser->phase != FCGI_PHASE_PARAMS &&
        parser->phase != FCGI_PHASE_REFUSED) {
        return broken(parser, event, "PARAMS after the end of PARAMS");
    }
    return true;
}

/* Rules that depend on the header alone. false: broken. */
static bool begin_record(fcgi_parser *parser, fcgi_event *event)
{
    parser->in_record = true;
    parser->any_record = true;
    parser->content = (uint16_t)(parser->header[4] << 8 | parser->header[5]);
    parser->padding = parser->header[6];
    switch (record_type(parser)) {
    case FCGI_TYPE_BEGIN_REQUEST:
        return check_begin(parser, event);
    case FCGI_TYPE_PARAMS:
    case FCGI_TYPE_STDIN:
        return check_stream(parser, event);
    case FCGI_TYPE_GET_VALUES:
        parser->values = (fcgi_value_scanner){ 0 };
        return true;
    default:
        return true;
    }
}

static bool check_version(fcgi_parser *parser, uint8_t version, fcgi_event *event)
{
    if (version == FCGI_VERSION) {
        return true;
    }
    /* Text, or the first byte of TLS. */
    event->is_foreign = !parser->any_record && (version == 0x16 || version >= ' ');
    return broken(parser, event,
        event->is_foreign ? "not FastCGI" : "a FastCGI version that is not 1");
}

/* Returns the bytes used; parser->in_record once the header is there, unless an event came up. */
static size_t take_header(fcgi_parser *parser, const uint8_t *data, size_t size, fcgi_event *event)
{
    size_t piece = FCGI_HEADER_SIZE - (size_t)parser->header_size;
    piece = piece < size ? piece : size;
    if (parser->header_size == 0 && piece > 0 && !check_version(parser, data[0], event)) {
        return 0;
    }
    memcpy(parser->header + parser->header_size, data, piece);
    parser->header_size = (uint8_t)(parser->header_size + piece);
    if (parser->header_size == FCGI_HEADER_SIZE) {
        (void)begin_record(parser, event);
    }
    return piece;
}

/* ---- content ---- */

static void take_params(fcgi_parser *parser, const uint8_t *data, size_t size, fcgi_event *event)
{
    switch (fcgi_params_append(&parser->params, &parser->memory, data, size,
        parser->limits->params_size_max)) {
    case FCGI_PARAMS_GOOD:
        break;
    case FCGI_PARAMS_NO_MEMORY:
        refuse(parser, event, 500, "no memory for the params");
        break;
    default:
        refuse(parser, event, 431, "params larger than params_size_max");
        break;
    }
}

static void take_body(fcgi_parser *parser, const uint8_t *data, size_t size, fcgi_event *event)
{
    uint64_t left = parser->content_length - parser->body_size;
    size_t wanted = size < left ? size : (size_t)left;
    if (wanted > 0) {
        parser->body_size += wanted;
        event->kind = FCGI_STDIN;
        event->data = data;
        event->size = wanted;
    }
}

/* Take up to `size` bytes of the record's content. Returns how many. */
static size_t take_content(fcgi_parser *parser, const uint8_t *data, size_t size,
    fcgi_event *event)
{
    fcgi_type type = record_type(parser);
    size_t piece = size < parser->content ? size : parser->content;
    if (type == FCGI_TYPE_BEGIN_REQUEST) {
        memcpy(parser->begin + FCGI_BEGIN_SIZE - parser->content, data, piece);
    } else if (type == FCGI_TYPE_GET_VALUES && record_id(parser) == 0) {
        fcgi_value_scan(&parser->values, data, piece);
    } else if (type == FCGI_TYPE_PARAMS && is_of_request(parser) &&
        parser->phase == FCGI_PHASE_PARAMS) {
        take_params(parser, data, piece, event);
    } else if (type == FCGI_TYPE_STDIN && is_of_request(parser) &&
        parser->phase == FCGI_PHASE_STDIN) {
        take_body(parser, data, piece, event);
    }
    parser->content = (uint16_t)(parser->content - piece);
    return piece;
}

/* ---- a record is complete ---- */

/* Digits only, as a number below 2^63. */
static bool parse_length(const fcgi_param *param, uint64_t *length)
{
    *length = 0;
    for (uint32_t index = 0; index < param->value_size; index++) {
        unsigned int digit = (unsigned int)(unsigned char)param->value[index] - '0';
        if (digit > 9 || *length > (INT64_MAX - 9) / 10) {
            return false;
        }
        *length = *length * 10 + digit;
    }
    return true;
}

static void check_params(fcgi_parser *parser, fcgi_event *event)
{
    const fcgi_param *method = fcgi_params_find(&parser->params, "REQUEST_METHOD", 14);
    const fcgi_param *length = fcgi_params_find(&parser->params, "CONTENT_LENGTH", 14);
    parser->content_length = 0;
    if (method == NULL || method->value_size == 0) {
        refuse(parser, event, 400, "no REQUEST_METHOD");
    } else if (length != NULL && !parse_length(length, &parser->content_length)) {
        refuse(parser, event, 400, "CONTENT_LENGTH is not a number");
    } else if (parser->content_length > parser->limits->body_size_max) {
        refuse(parser, event, 413, "CONTENT_LENGTH larger than the body may be");
    } else {
        parser->phase = FCGI_PHASE_STDIN;
        event->kind = FCGI_PARAMS;
    }
}

static void end_params(fcgi_parser *parser, fcgi_event *event)
{
    switch (fcgi_params_finish(&parser->params, &parser->memory,
        parser->limits->params_count_max)) {
    case FCGI_PARAMS_GOOD:
        check_params(parser, event);
        break;
    case FCGI_PARAMS_TOO_MANY:
        refuse(parser, event, 431, "more params than params_count_max");
        break;
    case FCGI_PARAMS_NO_MEMORY:
        refuse(parser, event, 500, "no memory for the params");
        break;
    default:
        refuse(parser, event, 400, "a param longer than the params");
        break;
    }
}

static void end_begin(fcgi_parser *parser, fcgi_event *event)
{
    unsigned int role = (unsigned int)parser->begin[0] << 8 | parser->begin[1];
    bool keep = (parser->begin[2] & FCGI_KEEP_CONN) != 0;
    if (parser->phase != FCGI_PHASE_NO_REQUEST) {
        reply_end(event, record_id(parser), FCGI_CANT_MPX_CONN);
    } else if (role != FCGI_ROLE_RESPONDER) {
        reply_end(event, record_id(parser), FCGI_UNKNOWN_ROLE);
        event->close = !keep;
    } else {
        parser->phase = FCGI_PHASE_PARAMS;
        parser->request_id = record_id(parser);
        parser->keep_connection = keep;
        parser->content_length = 0;
        parser->body_size = 0;
        event->kind = FCGI_BEGIN;
    }
}

static void end_of_request_record(fcgi_parser *parser, bool is_empty, fcgi_event *event)
{
    if (!is_of_request(parser)) {
        return;
    }
    fcgi_type type = record_type(parser);
    if (type == FCGI_TYPE_ABORT_REQUEST && parser->phase != FCGI_PHASE_REFUSED) {
        parser->phase = FCGI_PHASE_REFUSED;
        event->kind = FCGI_ABORT;
    } else if (type == FCGI_TYPE_PARAMS && is_empty && parser->phase == FCGI_PHASE_PARAMS) {
        end_params(parser, event);
    } else if (type == FCGI_TYPE_STDIN && is_empty && parser->phase == FCGI_PHASE_STDIN) {
        parser->phase = FCGI_PHASE_ANSWER;
        event->kind = FCGI_STDIN_END;
        event->body_is_short = parser->body_size < parser->content_length;
    }
}

/* Content and padding are used up. */
static void end_record(fcgi_parser *parser, fcgi_event *event)
{
    bool is_empty = parser->header[4] == 0 && parser->header[5] == 0;
    fcgi_type type = record_type(parser);
    parser->in_record = false;
    parser->header_size = 0;
    if (type == FCGI_TYPE_BEGIN_REQUEST) {
        end_begin(parser, event);
    } else if (record_id(parser) != 0) {
        end_of_request_record(parser, is_empty, event);
    } else if (type == FCGI_TYPE_GET_VALUES) {
        reply_values(parser, event);
    } else if (parser->header[1] > FCGI_TYPE_GET_VALUES || parser->header[1] == 0) {
        reply_unknown_type(parser, event);
    }
}

/* ---- the whole ---- */

/* The next request of a connection that does not wait for the answer to this one. */
static bool must_wait(const fcgi_parser *parser)
{
    return parser->in_record && record_type(parser) == FCGI_TYPE_BEGIN_REQUEST &&
        is_of_request(parser);
}

/* Use bytes of the record at hand. Returns how many. */
static size_t take_record(fcgi_parser *parser, const uint8_t *data, size_t size,
    fcgi_event *event)
{
    size_t used = 0;
    if (parser->content > 0) {
        used = take_content(parser, data, size, event);
    } else if (parser->padding > 0) {
        used = size < parser->padding ? size : parser->padding;
        parser->padding = (uint8_t)(parser->padding - used);
    }
    /* A record that has just handed out bytes ends in the next call. */
    if (parser->content == 0 && parser->padding == 0 && event->kind == FCGI_MORE) {
        end_record(parser, event);
    }
    return used;
}

size_t fcgi_parse(fcgi_parser *parser, const uint8_t *data, size_t size, fcgi_event *event)
{
    size_t used = 0;
    clear(event);
    if (parser->is_broken) {
        (void)broken(parser, event, "closed after an error");
        return 0;
    }
    while (event->kind == FCGI_MORE) {
        if (must_wait(parser)) {
            event->kind = FCGI_NEXT;
        } else if (parser->in_record) {
            bool needs_bytes = parser->content > 0 || parser->padding > 0;
            if (needs_bytes && used == size) {
                break;
            }
            used += take_record(parser, data + used, size - used, event);
        } else if (used < size) {
            used += take_header(parser, data + used, size - used, event);
        } else {
            break;
        }
    }
    return used;
}

void fcgi_parser_end_request(fcgi_parser *parser, bool params_are_gone)
{
    if (params_are_gone) {
        parser->params = (fcgi_params){ 0 };
    } else {
        fcgi_params_free(&parser->params, &parser->memory);
    }
    parser->phase = FCGI_PHASE_NO_REQUEST;
}

bool fcgi_parser_is_between_records(const fcgi_parser *parser)
{
    return parser->header_size == 0 && !parser->in_record;
}

bool fcgi_is_abort(const uint8_t header[FCGI_HEADER_SIZE], uint16_t request_id)
{
    return header[0] == FCGI_VERSION && header[1] == FCGI_TYPE_ABORT_REQUEST &&
        (header[2] << 8 | header[3]) == request_id;
}

bool fcgi_parser_is_idle(const fcgi_parser *parser)
{
    return parser->phase == FCGI_PHASE_NO_REQUEST && fcgi_parser_is_between_records(parser);
}
