/* request_body: reading a request from its connection.
 * Owns        request->body; where the connection's input is used up to.
 * Thread      the worker's.
 * Invariants  I1  body.piece is in the input, and nothing is read while it is not used up
 * Failure     a wait that ended without bytes stops the run: engine.stop, and failure_status if it
 *             was not the client that left.
 * Tests       tests/fpm/request.c */
#include "config.h"

#include <string.h>

#include "fpm/request_internal.h"
#include "zend_alloc.h"

fpm_io fpm_request_next_event(fpm_request *self, fcgi_event *event, int64_t timeout)
{
    fpm_connection *connection = self->connection;
    const fpm_conf_pool *conf = self->worker->conf;
    for (;;) {
        connection->input_begin += fcgi_parse(&self->parser,
            connection->input + connection->input_begin,
            connection->input_end - connection->input_begin, event);
        fpm_io io = FPM_IO_DONE;
        if (event->kind == FCGI_REPLY) {
            io = fpm_connection_write(connection, event->reply, event->size,
                conf->request_send_timeout);
            io = io == FPM_IO_DONE && event->close ? FPM_IO_CLOSED : io;
        } else if (event->kind == FCGI_MORE) {
            io = fpm_connection_read(connection, timeout);
        } else {
            return FPM_IO_DONE;
        }
        if (io != FPM_IO_DONE) {
            event->kind = FCGI_MORE;
            return io;
        }
    }
}

/* The run cannot go on: `status` is the answer, unless its head is out. */
static void stop_run(fpm_request *self, engine_stop reason, unsigned int status)
{
    engine_stop none = ENGINE_GO_ON;
    if (atomic_compare_exchange_strong(&self->engine.stop, &none, reason)) {
        self->failure_status = status;
    }
}

/* Make the next piece of the body current. false: there is none. */
static bool next_piece(fpm_request *self)
{
    fpm_body *body = &self->body;
    fcgi_event event;
    if (body->is_over) {
        return false;
    }
    fpm_io io = fpm_request_next_event(self, &event, self->worker->conf->request_body_timeout);
    switch (event.kind) {
    case FCGI_STDIN:
        body->piece = event.data;
        body->piece_size = event.size;
        return true;
    case FCGI_STDIN_END:
        body->is_over = true;
        body->is_short = event.body_is_short;
        if (body->is_short) {
            stop_run(self, ENGINE_STOP_CLIENT_GONE, 400);
        }
        return false;
    case FCGI_ABORT:
        self->is_aborted = true;
        break;
    default:
        break;
    }
    body->is_over = true;
    self->must_close = true;
    if (io == FPM_IO_TIMEOUT) {
        stop_run(self, ENGINE_STOP_TIMEOUT, 408);
    } else {
        stop_run(self, ENGINE_STOP_CLIENT_GONE, 0);
    }
    return false;
}

static size_t read_piece(fpm_request *self, char *buffer, size_t size)
{
    fpm_body *body = &self->body;
    if (body->piece_size == 0 && !next_piece(self)) {
        return 0;
    }
    size = size < body->piece_size ? size : body->piece_size;
    memcpy(buffer, body->piece, size);
    body->piece += size;
    body->piece_size -= size;
    return size;
}

unsigned int fpm_body_read_ahead(fpm_request *self)
{
    fpm_body *body = &self->body;
    uint64_t size = self->parser.content_length;
    if (size > FPM_BODY_AHEAD_MAX) {
        return 0;
    }
    if (size > 0) {
        body->ahead = erealloc_recoverable(NULL, (size_t)size);
        if (body->ahead == NULL) {
            return 500;
        }
    }
    while (body->ahead_size < size) {
        size_t got = read_piece(self, body->ahead + body->ahead_size,
            (size_t)size - body->ahead_size);
        if (got == 0) {
            break;
        }
        body->ahead_size += got;
    }
    /* The end of the stream, too: an answer may follow at once. */
    if (body->ahead_size == size) {
        (void)next_piece(self);
    }
    return self->failure_status;
}

/* The next event that has come, without waiting, is the peer's giving up. */
static bool abort_has_come(fpm_request *self)
{
    fcgi_event event;
    self->is_aborted = fpm_request_next_event(self, &event, 0) == FPM_IO_DONE
        && event.kind == FCGI_ABORT;
    return self->is_aborted;
}

bool fpm_body_look_behind(fpm_request *self)
{
    fpm_connection *connection = self->connection;
    size_t size = connection->input_end - connection->input_begin;
    if (self->parser.phase != FCGI_PHASE_ANSWER || !fcgi_parser_is_between_records(&self->parser)) {
        return false;
    }
    if (size == 0) {
        atomic_store_explicit(&connection->abort_id, self->parser.request_id,
            memory_order_relaxed);
    }
    /* Another record is the next request's, and stays where it is. */
    return size >= FCGI_HEADER_SIZE
        && fcgi_is_abort(connection->input + connection->input_begin, self->parser.request_id)
        && abort_has_come(self);
}

bool fpm_body_was_aborted(fpm_request *self)
{
    return self->parser.phase == FCGI_PHASE_ANSWER && abort_has_come(self);
}

size_t fpm_body_read(fpm_request *self, char *buffer, size_t size)
{
    fpm_body *body = &self->body;
    size_t ahead = body->ahead_size - body->ahead_used;
    if (ahead == 0) {
        return read_piece(self, buffer, size);
    }
    size = size < ahead ? size : ahead;
    memcpy(buffer, body->ahead + body->ahead_used, size);
    body->ahead_used += size;
    return size;
}

void fpm_body_drain(fpm_request *self)
{
    fcgi_event event;
    while (!self->must_close && self->parser.phase == FCGI_PHASE_STDIN) {
        fpm_io io = fpm_request_next_event(self, &event, self->worker->conf->request_body_timeout);
        self->must_close = io != FPM_IO_DONE || event.kind == FCGI_BROKEN;
        if (event.kind == FCGI_ABORT) {
            return;
        }
    }
}
