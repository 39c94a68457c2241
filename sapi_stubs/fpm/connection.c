/* connection: reading and writing with deadlines.
 * Owns        nothing; the descriptor is the connection's.
 * Thread      the worker that holds the connection.
 * Invariants  I1  a wait ends when `stop` says so: the interrupt's signal is let through only while
 *                 the thread waits, so none is lost between the test and the wait
 * Failure     a fpm_io other than FPM_IO_DONE; the connection is then closed by the caller.
 * Tests       tests/fpm/lot.c, tests/fpm/hostile.sh */
#include "config.h"

#include "fpm/connection.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "fpm/clock.h"
#include "fpm/fastcgi.h"

static bool is_stopped(const fpm_connection *connection)
{
    return connection->stop != NULL && engine_request_stop(connection->stop) != ENGINE_GO_ON;
}

/* Wait for `events` until `deadline`, in milliseconds of the monotonic clock. */
static fpm_io wait_for(const fpm_connection *connection, short events, int64_t deadline)
{
    sigset_t blocked, before;
    fpm_io result = FPM_IO_STOPPED;
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    while (!is_stopped(connection)) {
        int64_t left = deadline - fpm_clock_ms();
        if (left <= 0) {
            result = FPM_IO_TIMEOUT;
            break;
        }
        struct pollfd poll_file = { .fd = connection->file, .events = events };
        struct timespec timeout = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
        int ready = ppoll(&poll_file, 1, &timeout, &before);
        if (ready > 0) {
            result = FPM_IO_DONE;
            break;
        }
        if (ready < 0 && errno != EINTR) {
            result = FPM_IO_CLOSED;
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

fpm_io fpm_connection_read(fpm_connection *connection, int64_t timeout)
{
    if (connection->input_begin > 0) {
        connection->input_end -= connection->input_begin;
        memmove(connection->input, connection->input + connection->input_begin,
            connection->input_end);
        connection->input_begin = 0;
    }
    if (connection->input_end == FPM_INPUT_SIZE) {
        return FPM_IO_FULL;
    }
    int64_t deadline = timeout > 0 ? fpm_clock_ms() + timeout : 0;
    for (;;) {
        ssize_t got = recv(connection->file, connection->input + connection->input_end,
            FPM_INPUT_SIZE - connection->input_end, MSG_DONTWAIT);
        if (got > 0) {
            connection->input_end += (size_t)got;
            return FPM_IO_DONE;
        }
        if (got == 0 || (!would_block() && errno != EINTR)) {
            return FPM_IO_CLOSED;
        }
        fpm_io result = timeout > 0 ? wait_for(connection, POLLIN, deadline) : FPM_IO_TIMEOUT;
        if (result != FPM_IO_DONE) {
            return result;
        }
    }
}

fpm_io fpm_connection_write(fpm_connection *connection, const void *data, size_t size,
    int64_t timeout)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t taken = send(connection->file, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken >= 0) {
            at += taken;
            size -= (size_t)taken;
            connection->bytes_sent += (uint64_t)taken;
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        fpm_io result = would_block()
            ? wait_for(connection, POLLOUT, fpm_clock_ms() + timeout) : FPM_IO_CLOSED;
        if (result != FPM_IO_DONE) {
            return result;
        }
    }
    return FPM_IO_DONE;
}

bool fpm_head_is_there(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (size - at >= FCGI_HEADER_SIZE) {
        const uint8_t *header = data + at;
        uint8_t type = header[1];
        size_t content_size = (size_t)header[4] << 8 | header[5];
        bool is_management = header[2] == 0 && header[3] == 0;
        if (header[0] != FCGI_VERSION || (type == FCGI_TYPE_PARAMS && content_size == 0)) {
            return true;
        }
        if (size - at - FCGI_HEADER_SIZE < content_size + header[6]) {
            break;
        }
        if (is_management || (type != FCGI_TYPE_BEGIN_REQUEST && type != FCGI_TYPE_PARAMS)) {
            return true;
        }
        /* A role that is refused: nothing has to follow. */
        if (type == FCGI_TYPE_BEGIN_REQUEST && (content_size != FCGI_BEGIN_SIZE
                || header[FCGI_HEADER_SIZE] != 0
                || header[FCGI_HEADER_SIZE + 1] != FCGI_ROLE_RESPONDER)) {
            return true;
        }
        at += FCGI_HEADER_SIZE + content_size + header[6];
    }
    /* Nothing waits for more than a worker can look at. A first byte that is no version is wrong
     * at once. */
    return size == FPM_INPUT_SIZE || (size > 0 && data[0] != FCGI_VERSION);
}
