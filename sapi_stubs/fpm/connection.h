/* connection.h: one client's connection, and reading and writing with deadlines.
 *
 * A connection is held by one worker, or parked (lot.h). Its input is in the worker's buffer
 * while it is held: bytes [input_begin, input_end) are read and not yet used.
 */
#ifndef TSRMALLOC_FPM_CONNECTION_H
#define TSRMALLOC_FPM_CONNECTION_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

enum {
    FPM_INPUT_SIZE = 128 * 1024,    /* of a worker's buffer; more than any record */
    FPM_LINGER_NS = 50000,          /* a request that comes sooner behind the last one is quick */
};

typedef struct fpm_connection {
    /* Owner: who holds it. */
    int file;
    uint8_t *input;                 /* the holder's buffer of FPM_INPUT_SIZE bytes; NULL: parked */
    size_t input_begin, input_end;
    engine_request *stop;           /* waits end when it is told to stop; NULL: they do not */
    /* atomic: relaxed; the control thread peeks at the next bytes while a request runs. The id of
     * the request, once they must begin a record; until then 0. */
    _Atomic uint16_t abort_id;
    uint64_t bytes_sent;            /* since it was accepted */
    uint64_t accepted_at;           /* nanoseconds of CLOCK_MONOTONIC */
    bool is_quick;                  /* its last request followed the one before at once */
    uint64_t parked_at;             /* nanoseconds of CLOCK_MONOTONIC */
    uint64_t waiting_since;         /* the same: seen then with a request and without a worker; 0 */
    uint64_t queue_wait;            /* nanoseconds the request waited for a worker, where known */
    char address[INET6_ADDRSTRLEN]; /* of the peer; "" for a unix socket */

    /* The parking lot's. */
    _Atomic uint32_t word;          /* generation and state, see lot.c */
    uint32_t next_free;             /* lock: the lot's mutex */
    bool in_set;                    /* owner: it was added to the epoll set */
    uint8_t *staged;                /* owner: unused input while parked */
    size_t staged_size;
    _Atomic int64_t deadline;       /* atomic: relaxed; milliseconds of CLOCK_MONOTONIC */
} fpm_connection;

typedef enum fpm_io {
    FPM_IO_DONE,
    FPM_IO_CLOSED,          /* by the peer, or the connection failed */
    FPM_IO_TIMEOUT,
    FPM_IO_STOPPED,         /* connection->stop says so */
    FPM_IO_FULL,            /* read: there is no room for more input */
} fpm_io;

/* Read what is there into the input, waiting up to `timeout` milliseconds for the first byte (0: do
 * not wait, then FPM_IO_TIMEOUT says that there is none). Bytes in use may move to the buffer's
 * start: pointers into the input are dead afterwards. */
fpm_io fpm_connection_read(fpm_connection *connection, int64_t timeout);

/* Write all of it, waiting up to `timeout` milliseconds for each piece that the peer takes. */
fpm_io fpm_connection_write(fpm_connection *connection, const void *data, size_t size,
    int64_t timeout);

/* The input holds a request's head up to the end of its PARAMS, or something a parser has to judge
 * now. A function of the bytes alone. */
bool fpm_head_is_there(const uint8_t *data, size_t size);

#endif
