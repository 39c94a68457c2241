/* fastcgi.h: the FastCGI 1.0 responder protocol as a function over bytes.
 *
 * Words      connection: a stream of bytes from one peer; one parser each.
 *            record: header of 8 bytes, content of 0..65535, padding of 0..255.
 *            request: from BEGIN_REQUEST until the server has called fcgi_parser_end_request().
 *            One at a time: a second one beside it is answered CANT_MPX_CONN by the parser.
 *            stream: the contents of the records of one type, ended by an empty record.
 * Life       fcgi_parser_init -> for each request { fcgi_parse until FCGI_PARAMS, then until
 *            FCGI_STDIN_END; the answer (fastcgi_output.h); fcgi_parser_end_request } -> nothing:
 *            a parser owns no memory but the params of the request it is in.
 * Input      bytes in pieces of any size: where a piece ends changes no event, except that body
 *            bytes (FCGI_STDIN) come in as many pieces.
 * Threads    a parser is used by one thread at a time; it may change hands between calls.
 */
#ifndef TSRMALLOC_FPM_FASTCGI_H
#define TSRMALLOC_FPM_FASTCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fpm/fastcgi_params.h"

enum {
    FCGI_HEADER_SIZE = 8,
    FCGI_VERSION = 1,
    FCGI_BEGIN_SIZE = 8,            /* bytes of BEGIN_REQUEST's content */
    FCGI_ROLE_RESPONDER = 1,
    FCGI_KEEP_CONN = 1,             /* the flag in BEGIN_REQUEST */
    FCGI_REPLY_SIZE_MAX = 80,       /* GET_VALUES_RESULT with all three values is the largest */
};

typedef enum fcgi_type {
    FCGI_TYPE_BEGIN_REQUEST = 1,
    FCGI_TYPE_ABORT_REQUEST,
    FCGI_TYPE_END_REQUEST,
    FCGI_TYPE_PARAMS,
    FCGI_TYPE_STDIN,
    FCGI_TYPE_STDOUT,
    FCGI_TYPE_STDERR,
    FCGI_TYPE_DATA,
    FCGI_TYPE_GET_VALUES,
    FCGI_TYPE_GET_VALUES_RESULT,
    FCGI_TYPE_UNKNOWN,
} fcgi_type;

/* What END_REQUEST says about the protocol. */
typedef enum fcgi_protocol_status {
    FCGI_REQUEST_COMPLETE,
    FCGI_CANT_MPX_CONN,
    FCGI_OVERLOADED,
    FCGI_UNKNOWN_ROLE,
} fcgi_protocol_status;

/* Bounds of what a peer may make the parser hold, and what it is told about the server. */
typedef struct fcgi_limits {
    size_t params_size_max;     /* bytes of the PARAMS stream; most FCGI_PARAMS_SIZE_LARGEST */
    size_t params_count_max;    /* pairs in it; most FCGI_PARAMS_COUNT_LARGEST */
    uint64_t body_size_max;     /* bytes of a body, by CONTENT_LENGTH */
    unsigned int connections_max;   /* FCGI_MAX_CONNS */
    unsigned int requests_max;      /* FCGI_MAX_REQS */
} fcgi_limits;

/* 256 KiB, 1000 pairs, 8 MiB: the defaults; 1 connection and request, to be set by the server. */
extern const fcgi_limits fcgi_default_limits;

typedef enum fcgi_event_kind {
    FCGI_MORE,          /* all bytes are used up; give the next ones when they come */
    FCGI_BEGIN,         /* a request began; params will be asked of the memory from now on */
    FCGI_PARAMS,        /* parser->params is complete, parser->content_length is set */
    FCGI_STDIN,         /* event->data, event->size: bytes of the body, inside the given piece */
    FCGI_STDIN_END,     /* the body is over; event->body_is_short: before CONTENT_LENGTH bytes */
    FCGI_ABORT,         /* the peer gave the request up: end it soon, with FCGI_REQUEST_COMPLETE */
    FCGI_REPLY,         /* send event->reply, which needs no request; then go on, or close */
    FCGI_REFUSED,       /* answer event->status, a HTTP status; event->text is for the log */
    FCGI_NEXT,          /* the next request waits behind this one: end this one, call again */
    FCGI_BROKEN,        /* not the protocol: close; event->text is for the log */
} fcgi_event_kind;

typedef struct fcgi_event {
    fcgi_event_kind kind;
    const uint8_t *data;        /* FCGI_STDIN */
    size_t size;                /* FCGI_STDIN; FCGI_REPLY: bytes of reply */
    int status;                 /* FCGI_REFUSED: 400, 413, 431 or 500 (no memory) */
    bool body_is_short;         /* FCGI_STDIN_END */
    bool close;                 /* FCGI_REPLY: close when it is sent */
    bool is_foreign;            /* FCGI_BROKEN: the first byte already was another protocol's */
    const char *text;           /* FCGI_REFUSED, FCGI_BROKEN: static text */
    uint8_t reply[FCGI_REPLY_SIZE_MAX];
} fcgi_event;

typedef enum fcgi_phase {
    FCGI_PHASE_NO_REQUEST,
    FCGI_PHASE_PARAMS,
    FCGI_PHASE_STDIN,
    FCGI_PHASE_ANSWER,          /* all is read; the server answers */
    FCGI_PHASE_REFUSED,         /* the same, but the rest of the request is ignored */
} fcgi_phase;

/* Members are read by the server as marked; the rest is the parser's. */
typedef struct fcgi_parser {
    const fcgi_limits *limits;
    fcgi_memory memory;

    /* The request; valid from FCGI_BEGIN to fcgi_parser_end_request(). Server: read. */
    fcgi_phase phase;
    uint16_t request_id;
    bool keep_connection;
    fcgi_params params;         /* from FCGI_PARAMS on */
    uint64_t content_length;    /* from FCGI_PARAMS on; 0 if the peer did not give one */
    uint64_t body_size;         /* bytes handed out by FCGI_STDIN so far */

    /* The record that is being read. */
    uint8_t header[FCGI_HEADER_SIZE];
    uint8_t header_size;        /* bytes of it that are there */
    uint8_t padding;            /* bytes still to be skipped */
    uint16_t content;           /* bytes of content still to come */
    bool in_record;             /* the header is complete and was looked at */
    bool any_record;            /* one was complete on this connection */
    bool is_broken;
    uint8_t begin[8];           /* the content of BEGIN_REQUEST */
    fcgi_value_scanner values;  /* of GET_VALUES */
} fcgi_parser;

/* `limits` must outlive the parser. The memory may still be set by FCGI_BEGIN: parser->memory. */
void fcgi_parser_init(fcgi_parser *parser, const fcgi_limits *limits, const fcgi_memory *memory);

/* Read up to the next event. Returns the bytes used, which is all of them with FCGI_MORE; the rest
 * belongs into the next call. After FCGI_BROKEN nothing is read any more. */
size_t fcgi_parse(fcgi_parser *parser, const uint8_t *data, size_t size, fcgi_event *event);

/* The answer is complete: records of this request's id are ignored from now on. The params are
 * dropped, not freed, when `params_are_gone` (the heap they were in was reset). */
void fcgi_parser_end_request(fcgi_parser *parser, bool params_are_gone);

/* A record begins with the next byte: nothing of one has been read. */
bool fcgi_parser_is_between_records(const fcgi_parser *parser);
/* The header of an ABORT of that request. For who looks at bytes that are not read yet. */
bool fcgi_is_abort(const uint8_t header[FCGI_HEADER_SIZE], uint16_t request_id);

/* Nothing of a record and nothing of a request has been read: the connection may be parked, or
 * closed without loss. */
bool fcgi_parser_is_idle(const fcgi_parser *parser);

#endif
