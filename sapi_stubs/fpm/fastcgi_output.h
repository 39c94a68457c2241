/* fastcgi_output.h: records to a peer, gathered in a buffer of the caller's.
 *
 * Bytes written become STDOUT and STDERR records, padded to 8 bytes, at most 65528 bytes of content
 * each. Reserved and padding bytes are zero. When the buffer is full the caller sends
 * `buffer[0..size)` and calls fcgi_output_clear(); there is always room left for fcgi_output_end().
 */
#ifndef TSRMALLOC_FPM_FASTCGI_OUTPUT_H
#define TSRMALLOC_FPM_FASTCGI_OUTPUT_H

#include "fpm/fastcgi.h"

enum {
    FCGI_RECORD_CONTENT_MAX = 65528,    /* a multiple of 8: a full record needs no padding */
    FCGI_OUTPUT_TAIL_SIZE = 32,         /* padding, end of STDOUT, END_REQUEST */
    FCGI_OUTPUT_CAPACITY_MIN = 256,     /* a multiple of 8 */
    FCGI_END_SIZE = 16,                 /* bytes of an END_REQUEST record */
};

typedef struct fcgi_output {
    uint8_t *buffer;        /* 8-aligned */
    size_t capacity;        /* a multiple of 8, at least FCGI_OUTPUT_CAPACITY_MIN */
    size_t size;            /* bytes to send; server: read */
    size_t record;          /* where the header of the open record stands */
    bool is_open;
    fcgi_type type;         /* of the open record */
    uint16_t request_id;
    bool any_stdout;        /* a STDOUT record was made, so the stream needs its end */
    uint64_t stdout_size;   /* bytes of content so far; server: read */
} fcgi_output;

void fcgi_output_init(fcgi_output *output, uint8_t *buffer, size_t capacity, uint16_t request_id);

/* Add bytes to FCGI_TYPE_STDOUT or FCGI_TYPE_STDERR. Returns the bytes taken; fewer: the buffer is
 * full, send it, clear it and give the rest. */
size_t fcgi_output_write(fcgi_output *output, fcgi_type type, const char *data, size_t size);

/* Complete the open record, so that buffer[0..size) may be sent. */
void fcgi_output_flush(fcgi_output *output);
/* What was in the buffer is sent. */
void fcgi_output_clear(fcgi_output *output);

/* The answer is complete: the end of STDOUT and END_REQUEST. Always fits. */
void fcgi_output_end(fcgi_output *output, uint32_t app_status, fcgi_protocol_status status);

/* One header; content and padding follow it. For bytes that are sent from where they are. */
void fcgi_make_header(uint8_t header[FCGI_HEADER_SIZE], fcgi_type type, uint16_t request_id,
    size_t content_size);
/* A whole END_REQUEST record: for a request that is refused before anything is read of it. */
void fcgi_make_end(uint8_t record[FCGI_END_SIZE], uint16_t request_id, uint32_t app_status,
    fcgi_protocol_status status);

#endif
