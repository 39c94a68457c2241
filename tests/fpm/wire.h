/* wire: a FastCGI client that sends what it is told, well-formed or not, and reads what comes. All
 * waits end after 20 seconds: a server that does not answer fails a test, it does not stop it. */
#ifndef TSRMALLOC_TESTS_FPM_WIRE_H
#define TSRMALLOC_TESTS_FPM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fpm/fastcgi.h"

enum { WIRE_SIZE_MAX = 256 * 1024 };

typedef struct wire {
    int connection;             /* -1: none */
    bool is_closed;             /* by the server */
    uint8_t *received;          /* WIRE_SIZE_MAX bytes; what does not fit is counted only */
    size_t size;
    unsigned int end_count;     /* END_REQUEST records in it */
    uint8_t protocol_status;    /* of the last one */
    char text[64 * 1024];       /* contents of STDOUT, cut, NUL-terminated */
} wire;

bool wire_open(wire *wire, const char *path);
void wire_close(wire *wire);

/* Send bytes, reading meanwhile. false: the server closed before all were taken. */
bool wire_send(wire *wire, const uint8_t *data, size_t size);
/* Read until so many END_REQUEST records have come / until the server closes. */
bool wire_wait_ends(wire *wire, unsigned int count);
bool wire_wait_close(wire *wire);

/* A request in the making. */
typedef struct wire_request {
    uint8_t bytes[32 * 1024];
    size_t size;
    uint8_t params[16 * 1024];
    size_t params_size;
} wire_request;

void wire_request_begin(wire_request *request, uint16_t id, bool keep);
void wire_request_param(wire_request *request, const char *name, const char *value,
    size_t value_size);
void wire_request_record(wire_request *request, fcgi_type type, uint16_t id, const void *content,
    size_t size);
/* The params gathered so far, and their end. */
void wire_request_params(wire_request *request, uint16_t id);

/* A whole GET request for a script, "" for none. */
void wire_request_get(wire_request *request, bool keep, const char *name, const char *script,
    const char *query);

#endif
