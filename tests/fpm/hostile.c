/* hostile: what clients may try with the running server. After each try it still answers.
 *     hostile GROUP SOCKET ROOT       GROUP: rows, silence, abort, paths; tests/fpm/hostile.sh */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fpm/fastcgi_rows.h"
#include "tests/fpm/wire.h"
#include "tests/support/check.h"

/* More than the server has workers. */
enum { CROWD = 6 };

static const char *socket_path, *root;
static wire own, crowd[CROWD];
static wire_request request;

static bool is_alive(void)
{
    static wire other;
    static wire_request ping;
    wire_request_get(&ping, false, "/ping", "/ping", "");
    bool good = wire_open(&other, socket_path) && wire_send(&other, ping.bytes, ping.size) &&
        wire_wait_ends(&other, 1) && strstr(other.text, "\r\n\r\npong") != NULL;
    wire_close(&other);
    return good;
}

static const char *script(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static bool says(const char *text)
{
    bool found = strstr(own.text, text) != NULL;
    if (!found) {
        printf("expected %s, have %zu bytes: %s\n", text, own.size, own.text);
    }
    return found;
}

/* ---- the rows of the parser, on the wire ---- */

static bool has_abort(const fastcgi_row *row)
{
    for (size_t index = 0; index < row->count; index++) {
        if (row->records[index].type == FCGI_TYPE_ABORT_REQUEST) {
            return true;
        }
    }
    return false;
}

/* What must come back for a row follows from what the parser says of it. */
static void check_answer(const fastcgi_row *row)
{
    char status[32];
    const char *expected = row->expected;
    const char *refused = strstr(expected, "refused ");
    if (has_abort(row)) {
        /* Whether it comes before the answer or behind it is the server's to say. */
        CHECK(wire_wait_ends(&own, 1) && own.protocol_status == FCGI_REQUEST_COMPLETE);
    } else if (refused != NULL) {
        snprintf(status, sizeof status, "Status: %.3s", refused + strlen("refused "));
        CHECK(wire_wait_ends(&own, 1) && says(status));
    } else if (strstr(expected, "broken") != NULL) {
        CHECK(wire_wait_close(&own));
    } else if (strstr(expected, "end short") != NULL) {
        CHECK(wire_wait_ends(&own, 1) && says("Status: 400"));
    } else if (strstr(expected, "params") != NULL) {
        /* There is no SCRIPT_FILENAME in them. A request that was refused beside has its end, too. */
        unsigned int ends = strstr(expected, "reply 0103") != NULL ? 2 : 1;
        CHECK(wire_wait_ends(&own, ends) && says("Status: 404"));
    } else if (strstr(expected, "reply") != NULL) {
        while (own.size < 16 && !own.is_closed && wire_wait_ends(&own, own.end_count + 1)) {
        }
        CHECK(own.size >= 8);
    } else {
        CHECK(true);    /* nothing is due */
    }
}

static void check_row(const fastcgi_row *row)
{
    size_t size;
    uint8_t *bytes = fastcgi_row_bytes(row, &size);
    bool may_close = strstr(row->expected, "broken") != NULL ||
        strstr(row->expected, "refused") != NULL;
    CHECK_CASE(row->sentence);
    CHECK(wire_open(&own, socket_path));
    bool sent = wire_send(&own, bytes, size);
    CHECK(sent || may_close || own.end_count > 0);
    check_answer(row);
    wire_close(&own);
    CHECK(is_alive());
    free(bytes);
}

static void check_rows(void)
{
    for (size_t index = 0; index < fastcgi_row_count; index++) {
        check_row(&fastcgi_rows[index]);
    }
}

/* ---- clients that stop in the middle; the server's timeouts are short ---- */

/* Sends the first bytes of a request on connections that hold no worker: others are answered. */
static void check_crowd(size_t size)
{
    for (size_t index = 0; index < CROWD; index++) {
        CHECK(wire_open(&crowd[index], socket_path));
        CHECK(size == 0 || wire_send(&crowd[index], request.bytes, size));
    }
    CHECK(is_alive());
    for (size_t index = 0; index < CROWD; index++) {
        CHECK(wire_wait_close(&crowd[index]));
        CHECK(crowd[index].size == 0);
        wire_close(&crowd[index]);
    }
    CHECK(is_alive());
}

static void check_stalled_body(void)
{
    CHECK_CASE("a body that stops coming is answered 408");
    wire_request_begin(&request, 1, true);
    wire_request_param(&request, "REQUEST_METHOD", "POST", 4);
    wire_request_param(&request, "CONTENT_LENGTH", "100", 3);
    wire_request_param(&request, "SCRIPT_FILENAME", script("echo.lua"), strlen(script("echo.lua")));
    wire_request_params(&request, 1);
    wire_request_record(&request, FCGI_TYPE_STDIN, 1, "ten bytes.", 10);
    CHECK(wire_open(&own, socket_path) && wire_send(&own, request.bytes, request.size));
    CHECK(wire_wait_ends(&own, 1) && says("Status: 408"));
    wire_close(&own);
    CHECK(is_alive());
}

static void check_silence(void)
{
    wire_request_get(&request, true, "/ping", "/ping", "");
    CHECK_CASE("clients that say nothing are closed, and others served meanwhile");
    check_crowd(0);
    CHECK_CASE("clients that stop in a header are closed, and others served meanwhile");
    check_crowd(1);
    CHECK_CASE("clients that stop in their params are closed, and others served meanwhile");
    check_crowd(40);
    CHECK_CASE("a kept connection that is idle for long is closed");
    CHECK(wire_open(&own, socket_path) && wire_send(&own, request.bytes, request.size));
    CHECK(wire_wait_ends(&own, 1) && says("pong"));
    CHECK(wire_wait_close(&own));
    wire_close(&own);
    check_stalled_body();
    CHECK_CASE("clients that do not read their page lose it, and hold no worker for long");
    wire_request_get(&request, false, "/large.lua", script("large.lua"), "size=20000000");
    for (size_t index = 0; index < CROWD; index++) {
        CHECK(wire_open(&crowd[index], socket_path));
        CHECK(wire_send(&crowd[index], request.bytes, request.size));
    }
    CHECK(is_alive());
    for (size_t index = 0; index < CROWD; index++) {
        wire_close(&crowd[index]);
    }
}

/* ---- clients that give up ---- */

static void check_abort(void)
{
    wire_request_get(&request, true, "/wait.lua", script("wait.lua"), "ms=600000");
    CHECK_CASE("an ABORT ends a page that runs, and the connection goes on");
    CHECK(wire_open(&own, socket_path) && wire_send(&own, request.bytes, request.size));
    wire_request_begin(&request, 1, true);
    request.size = 0;
    wire_request_record(&request, FCGI_TYPE_ABORT_REQUEST, 1, NULL, 0);
    CHECK(wire_send(&own, request.bytes, request.size));
    CHECK(wire_wait_ends(&own, 1) && own.protocol_status == FCGI_REQUEST_COMPLETE);
    wire_close(&own);
    CHECK_CASE("clients that close while their page runs leave no worker behind");
    wire_request_get(&request, false, "/wait.lua", script("wait.lua"), "ms=600000");
    for (size_t index = 0; index < CROWD; index++) {
        CHECK(wire_open(&crowd[index], socket_path));
        CHECK(wire_send(&crowd[index], request.bytes, request.size));
        wire_close(&crowd[index]);
    }
    CHECK(is_alive());
}

/* ---- scripts that are none of a client's business ---- */

static const struct path_try {
    const char *sentence, *path;
    size_t extra;               /* bytes behind the NUL */
    const char *status;
} path_tries[] = {
    { "a path that leaves the root with .. is refused", "/../secret.lua", 0, "Status: 40" },
    { "a link that leads out of the root is refused", "/link.lua", 0, "Status: 40" },
    { "a path with a NUL in it is refused", "/echo.lua\0.txt", 5, "Status: 40" },
    { "a script that is not there is not found", "/none.lua", 0, "Status: 404" },
    { "a file of another kind is denied", "/notes.txt", 0, "Status: 403" },
    { "a folder is no script", "/folder.lua", 0, "Status: 40" },
};

static void check_paths(void)
{
    for (size_t index = 0; index < sizeof path_tries / sizeof path_tries[0]; index++) {
        const struct path_try *try = &path_tries[index];
        char path[4096];
        size_t size = (size_t)snprintf(path, sizeof path, "%s%s", root, try->path);
        memcpy(path + size, try->path + strlen(try->path), try->extra);
        CHECK_CASE(try->sentence);
        wire_request_begin(&request, 1, false);
        wire_request_param(&request, "REQUEST_METHOD", "GET", 3);
        wire_request_param(&request, "DOCUMENT_ROOT", root, strlen(root));
        wire_request_param(&request, "SCRIPT_FILENAME", path, size + try->extra);
        wire_request_params(&request, 1);
        wire_request_record(&request, FCGI_TYPE_STDIN, 1, NULL, 0);
        CHECK(wire_open(&own, socket_path) && wire_send(&own, request.bytes, request.size));
        CHECK(wire_wait_ends(&own, 1) && says(try->status));
        wire_close(&own);
    }
    CHECK(is_alive());
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: hostile GROUP SOCKET ROOT\n", stderr);
        return 64;
    }
    socket_path = argv[2];
    root = argv[3];
    if (strcmp(argv[1], "rows") == 0) {
        check_rows();
    } else if (strcmp(argv[1], "silence") == 0) {
        check_silence();
    } else if (strcmp(argv[1], "abort") == 0) {
        check_abort();
    } else if (strcmp(argv[1], "paths") == 0) {
        check_paths();
    }
    return check_summary();
}
