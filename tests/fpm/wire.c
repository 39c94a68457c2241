/* wire: see the header.
 * Owns        one connection, and what was received on it.
 * Thread      one.
 * Invariants  I1  no wait is longer than WAIT_MS
 * Failure     false; a lack of memory ends the program.
 * Tests       tests/fpm/hostile.c uses it
 */
#include "config.h"

#include "tests/fpm/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/fastcgi_output.h"

enum { WAIT_MS = 20000 };

bool wire_open(wire *wire, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memset(wire, 0, sizeof *wire);
    wire->received = malloc(WIRE_SIZE_MAX);
    wire->connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->received == NULL || wire->connection < 0 ||
        strlen(path) >= sizeof address.sun_path) {
        abort();
    }
    strcpy(address.sun_path, path);
    return connect(wire->connection, (struct sockaddr *)&address, sizeof address) == 0;
}

void wire_close(wire *wire)
{
    close(wire->connection);
    free(wire->received);
    wire->connection = -1;
    wire->received = NULL;
}

/* ---- what was received ---- */

static void take_stdout(wire *wire, size_t *text_size, const uint8_t *content, size_t size)
{
    size_t room = sizeof wire->text - 1 - *text_size;
    size = size < room ? size : room;
    memcpy(wire->text + *text_size, content, size);
    *text_size += size;
}

/* Looks at all records from the first on; what was received is small. */
static void look(wire *wire)
{
    size_t held = wire->size < WIRE_SIZE_MAX ? wire->size : WIRE_SIZE_MAX, text_size = 0;
    wire->end_count = 0;
    for (size_t at = 0; at + 8 <= held;) {
        const uint8_t *header = wire->received + at;
        size_t content = (size_t)header[4] << 8 | header[5];
        size_t present = content < held - at - 8 ? content : held - at - 8;
        if (header[1] == FCGI_TYPE_STDOUT) {
            take_stdout(wire, &text_size, header + 8, present);
        } else if (header[1] == FCGI_TYPE_END_REQUEST && present == 8) {
            wire->end_count++;
            wire->protocol_status = header[12];
        }
        at += 8 + content + header[6];
    }
    wire->text[text_size] = '\0';
}

static void take(wire *wire)
{
    uint8_t rest[4096];
    bool fits = wire->size < WIRE_SIZE_MAX;
    ssize_t size = recv(wire->connection, fits ? wire->received + wire->size : rest,
        fits ? WIRE_SIZE_MAX - wire->size : sizeof rest, MSG_DONTWAIT);
    if (size > 0) {
        wire->size += (size_t)size;
        look(wire);
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        wire->is_closed = true;
    }
}

/* Wait for something to read, or for room to write. false: nothing came. */
static bool wait_some(wire *wire, short events)
{
    struct pollfd poll_one = { .fd = wire->connection, .events = (short)(POLLIN | events) };
    if (poll(&poll_one, 1, WAIT_MS) <= 0) {
        return false;
    }
    if ((poll_one.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        take(wire);
    }
    return true;
}

bool wire_send(wire *wire, const uint8_t *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        if (wire->is_closed || !wait_some(wire, POLLOUT)) {
            return false;
        }
        ssize_t taken = send(wire->connection, data + sent, size - sent,
            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0 && errno != EAGAIN && errno != EINTR) {
            wire->is_closed = errno == EPIPE || errno == ECONNRESET;
            take(wire);     /* what it had said before */
            return false;
        }
        sent += taken > 0 ? (size_t)taken : 0;
    }
    return true;
}

bool wire_wait_ends(wire *wire, unsigned int count)
{
    while (wire->end_count < count && !wire->is_closed) {
        if (!wait_some(wire, 0)) {
            return false;
        }
    }
    return wire->end_count >= count;
}

bool wire_wait_close(wire *wire)
{
    while (!wire->is_closed) {
        if (!wait_some(wire, 0)) {
            return false;
        }
    }
    return true;
}

/* ---- requests ---- */

void wire_request_record(wire_request *request, fcgi_type type, uint16_t id, const void *content,
    size_t size)
{
    uint8_t *to = request->bytes + request->size;
    if (request->size + size + 16 > sizeof request->bytes) {
        abort();
    }
    fcgi_make_header(to, type, id, size);
    if (size > 0) {
        memcpy(to + FCGI_HEADER_SIZE, content, size);
    }
    memset(to + FCGI_HEADER_SIZE + size, 0, to[6]);
    request->size += FCGI_HEADER_SIZE + size + to[6];
}

void wire_request_begin(wire_request *request, uint16_t id, bool keep)
{
    const uint8_t begin[8] = { 0, 1, keep };
    request->size = 0;
    request->params_size = 0;
    wire_request_record(request, FCGI_TYPE_BEGIN_REQUEST, id, begin, sizeof begin);
}

void wire_request_param(wire_request *request, const char *name, const char *value,
    size_t value_size)
{
    size_t name_size = strlen(name);
    uint8_t *to = request->params + request->params_size;
    if (name_size > 127 || request->params_size + 5 + name_size + value_size >
        sizeof request->params) {
        abort();
    }
    *to++ = (uint8_t)name_size;
    *to++ = 0x80;
    *to++ = 0;
    *to++ = (uint8_t)(value_size >> 8);
    *to++ = (uint8_t)value_size;
    memcpy(to, name, name_size);
    memcpy(to + name_size, value, value_size);
    request->params_size += 5 + name_size + value_size;
}

void wire_request_params(wire_request *request, uint16_t id)
{
    wire_request_record(request, FCGI_TYPE_PARAMS, id, request->params, request->params_size);
    wire_request_record(request, FCGI_TYPE_PARAMS, id, NULL, 0);
}

void wire_request_get(wire_request *request, bool keep, const char *name, const char *script,
    const char *query)
{
    wire_request_begin(request, 1, keep);
    wire_request_param(request, "REQUEST_METHOD", "GET", 3);
    wire_request_param(request, "SCRIPT_NAME", name, strlen(name));
    wire_request_param(request, "REQUEST_URI", name, strlen(name));
    wire_request_param(request, "QUERY_STRING", query, strlen(query));
    if (script[0] != '\0') {
        wire_request_param(request, "SCRIPT_FILENAME", script, strlen(script));
    }
    wire_request_params(request, 1);
    wire_request_record(request, FCGI_TYPE_STDIN, 1, NULL, 0);
}
