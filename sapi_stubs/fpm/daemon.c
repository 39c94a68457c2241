/* daemon: into the background, the pid file, the service manager.
 * Owns        the pipe to the process that was started.
 * Thread      main thread.
 * Invariants  I1  who starts the server learns whether it is up, never only that it was forked
 * Failure     false, logged; fpm_notify fails silently: it is a courtesy.
 * Tests       tests/fpm/daemon.sh */
#include "config.h"

#include "fpm/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fpm/conf.h"
#include "fpm/log.h"

enum { START_TIMEOUT = 10000 };     /* milliseconds */

static int start_pipe = -1;         /* the child's end; main thread only */

/* The parent: wait for a byte. */
static void wait_for_child(int file)
{
    char byte;
    struct pollfd poll_file = { .fd = file, .events = POLLIN };
    int ready;
    do {
        ready = poll(&poll_file, 1, START_TIMEOUT);
    } while (ready < 0 && errno == EINTR);
    if (ready > 0 && read(file, &byte, 1) == 1) {
        _exit(FPM_EXIT_OK);
    }
    if (ready == 0) {
        fpm_log(FPM_LOG_ERROR, NULL, "the master process didn't send back its status in %d s",
            START_TIMEOUT / 1000);
    }
    _exit(FPM_EXIT_SOFTWARE);
}

bool fpm_daemon_begin(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to create the pipe to the background process");
        return false;
    }
    pid_t child = fork();
    if (child < 0) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to daemonize");
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (child > 0) {
        close(ends[1]);
        wait_for_child(ends[0]);
    }
    close(ends[0]);
    start_pipe = ends[1];
    setsid();
    return true;
}

void fpm_daemon_ready(void)
{
    if (start_pipe < 0) {
        return;
    }
    ssize_t ignored = write(start_pipe, "1", 1);
    (void)ignored;
    close(start_pipe);
    start_pipe = -1;
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        if (null > STDERR_FILENO) {
            close(null);
        }
    }
}

/* ---- pid file ---- */

bool fpm_pid_write(const char *path)
{
    char text[32];
    if (path == NULL) {
        return true;
    }
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int size = snprintf(text, sizeof(text), "%ld", (long)getpid());
    bool done = file >= 0 && write(file, text, (size_t)size) == size;
    if (!done) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "Unable to create the PID file (%s).", path);
    }
    if (file >= 0) {
        close(file);
    }
    return done;
}

void fpm_pid_remove(const char *path)
{
    if (path != NULL) {
        unlink(path);
    }
}

/* ---- service manager ---- */

void fpm_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (path == NULL || (*path != '/' && *path != '@')
        || strlen(path) >= sizeof(address.sun_path)) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path));
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (*path == '@') {
        address.sun_path[0] = '\0';     /* an abstract name */
    }
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file >= 0) {
        (void)sendto(file, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
            (struct sockaddr *)&address, size);
        close(file);
    }
}

unsigned long long fpm_notify_watchdog(void)
{
    const char *microseconds = getenv("WATCHDOG_USEC");
    return microseconds != NULL ? strtoull(microseconds, NULL, 10) * 1000 / 2 : 0;
}
