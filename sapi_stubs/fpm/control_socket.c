/* control_socket: where tsrmalloc-fpmctl asks, a line each, answered as text.
 * Owns        the control socket and its path.
 * Thread      main thread.
 * Invariants  I1  a client that says nothing cannot hold the control thread up: it has what it has
 *                 sent when it is accepted, and a fifth of a second
 * Failure     a client that cannot be answered is closed.
 * Tests       tests/fpm/control.sh */
#include "config.h"

#include <errno.h>
#include <poll.h>
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

/* ---- clients ---- */

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
        fpm_control_run(server, file, out, line);
        fclose(out);
        ssize_t ignored = send(file, text, text_size, MSG_NOSIGNAL);
        (void)ignored;
    }
    free(text);
    close(file);
}
