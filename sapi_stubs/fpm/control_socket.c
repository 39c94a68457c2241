/* control_socket: commands of tsrmalloc-fpmctl, a line each, answered as text.
 * Owns        the control socket and its path.
 * Thread      main thread.
 * Invariants  I1  a client that says nothing cannot hold the control thread up: it has what it has
 *                 sent when it is accepted, and a fifth of a second
 * Failure     a client that cannot be answered is closed.
 * Tests       tests/fpm/control.sh */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/log.h"
#include "fpm/server.h"

enum { PATIENCE = 200, LINE_SIZE = 256 };   /* milliseconds; bytes */

bool fpm_control_open(fpm_server *server, const fpm_conf *conf)
{
    const char *path = conf->global.control_listen;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &server->control_file };
    if (path == NULL) {
        return true;
    }
    if (strlen(path) >= sizeof(address.sun_path)) {
        fpm_log(FPM_LOG_ERROR, NULL, "control.listen = %s: the path is too long", path);
        return false;
    }
    strcpy(address.sun_path, path);
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        unlink(path);
    }
    mode_t before = umask(0177);
    bool done = file >= 0 && bind(file, (struct sockaddr *)&address, sizeof(address)) == 0
        && listen(file, 16) == 0 && epoll_ctl(server->set, EPOLL_CTL_ADD, file, &event) == 0;
    umask(before);
    if (!done) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "control.listen = %s cannot be opened", path);
        if (file >= 0) {
            close(file);
        }
        return false;
    }
    server->control_file = file;
    return true;
}

void fpm_control_close(fpm_server *server)
{
    if (server->control_file >= 0) {
        close(server->control_file);
        server->control_file = -1;
        if (server->conf != NULL && server->conf->global.control_listen != NULL) {
            unlink(server->conf->global.control_listen);
        }
    }
}

/* ---- commands ---- */

static void write_text(void *context, const char *data, size_t size)
{
    fwrite(data, 1, size, context);
}

static void print_pool(FILE *out, fpm_pool *pool, status_format format)
{
    size_t capacity = fpm_pool_capacity(pool);
    status_worker *rows = calloc(capacity, sizeof(*rows));
    fpm_score *scores = calloc(capacity, sizeof(*scores));
    if (rows != NULL && scores != NULL) {
        status_pool status;
        status_sink sink = { .write = write_text, .context = out };
        fpm_pool_status(pool, &status, rows, scores, capacity);
        status_write(&status, format, true, &sink);
        fputc('\n', out);
    }
    free(rows);
    free(scores);
}

static void answer_status(fpm_server *server, FILE *out, const char *argument)
{
    bool full;
    status_format format = status_query(argument, strlen(argument), &full);
    for (fpm_pool *pool = server->pools; pool != NULL; pool = pool->next) {
        if (!pool->is_leaving && pool->about == pool) {
            print_pool(out, pool, format);
        }
    }
}

/* Each heap of the process, as its owner last published it. */
static void answer_heaps(fpm_server *server, FILE *out, const char *argument)
{
    (void)server;
    (void)argument;
    enum { HEAP_COUNT_MAX = 512 };
    zend_mm_process_heap heaps[HEAP_COUNT_MAX];
    zend_mm_process_statistics process;
    size_t count = zend_mm_process_stats(&process, heaps, HEAP_COUNT_MAX);
    fprintf(out, "process: %zu bytes held, %zu of them in pools\n", process.usage,
        process.pooled_size);
    for (size_t index = 0; index < count && index < HEAP_COUNT_MAX; index++) {
        fprintf(out, "heap %u: thread %llu, %zu bytes in blocks, peak %zu, %zu held, %zu cached\n",
            heaps[index].heap_index, (unsigned long long)heaps[index].thread, heaps[index].size,
            heaps[index].peak, heaps[index].real_size, heaps[index].cached_size);
    }
}

static void answer_reload(fpm_server *server, FILE *out, const char *argument)
{
    (void)argument;
    fpm_server_reload(server);
    fputs("ok: see the log\n", out);
}

static void answer_reopen(fpm_server *server, FILE *out, const char *argument)
{
    (void)argument;
    fpm_server_reopen_logs(server);
    fputs("ok\n", out);
}

static const struct {
    const char *name;
    void (*answer)(fpm_server *server, FILE *out, const char *argument);
} commands[] = {
    { "status", answer_status },
    { "heaps", answer_heaps },
    { "reload", answer_reload },
    { "reopen", answer_reopen },
};

static void answer_line(fpm_server *server, FILE *out, char *line)
{
    char *argument = line + strcspn(line, " \r\n");
    if (*argument != '\0') {
        *argument++ = '\0';
        argument[strcspn(argument, "\r\n")] = '\0';
    }
    for (size_t index = 0; index < sizeof(commands) / sizeof(commands[0]); index++) {
        if (strcmp(commands[index].name, line) == 0) {
            commands[index].answer(server, out, argument);
            return;
        }
    }
    fprintf(out, "error: unknown command '%s'; there are status [json|xml|html|openmetrics], "
        "heaps, reload, reopen\n", line);
}

void fpm_control_answer(fpm_server *server)
{
    char line[LINE_SIZE];
    int file = accept4(server->control_file, NULL, NULL, SOCK_CLOEXEC);
    struct pollfd poll_file = { .fd = file, .events = POLLIN };
    struct timeval patience = { .tv_usec = PATIENCE * 1000 };
    if (file < 0) {
        return;
    }
    (void)setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    ssize_t size = poll(&poll_file, 1, PATIENCE) > 0
        ? recv(file, line, sizeof(line) - 1, MSG_DONTWAIT) : -1;
    char *text = NULL;
    size_t text_size = 0;
    FILE *out = size > 0 ? open_memstream(&text, &text_size) : NULL;
    if (out != NULL) {
        line[size] = '\0';
        answer_line(server, out, line);
        fclose(out);
        ssize_t ignored = send(file, text, text_size, MSG_NOSIGNAL);
        (void)ignored;
    }
    free(text);
    close(file);
}
