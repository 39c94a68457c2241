/* log: php-fpm's log lines.
 * Owns        the descriptor of the log file.
 * Thread      fpm_log: any. The rest: main thread before workers run, then the control thread.
 * Invariants  I1  a line is one write(2) to a descriptor that appends
 *             I2  the descriptor's number never changes while it is open: a reopen replaces the
 *                 file behind it (dup2), so a writer never meets a closed descriptor
 * Failure     a line that cannot be written is lost; nothing waits for the log.
 * Tests       tests/fpm/log.c, tests/fpm/signals.sh */
#include "config.h"

#include "fpm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { PREFIX_SIZE = 256, NO_REASON = -1 };

static _Atomic int level_min = FPM_LOG_NOTICE;      /* atomic: relaxed, a setting */
static _Atomic int limit = FPM_LOG_LIMIT_DEFAULT;   /* atomic: relaxed, a setting */
static _Atomic int file = STDERR_FILENO;            /* atomic: relaxed, see I2; -1: syslog */
static _Atomic bool to_stderr;                      /* atomic: relaxed, a setting */
static char *path;                                  /* main, then control thread only */

static const char *const level_names[] = { "", "DEBUG", "NOTICE", "WARNING", "ERROR", "ALERT" };
static const int priorities[] = { 0, LOG_DEBUG, LOG_NOTICE, LOG_WARNING, LOG_ERR, LOG_ALERT };

const char *fpm_log_level_name(fpm_log_level level)
{
    return level_names[level];
}

/* ---- writing ---- */

static void write_all(int to, const char *text, size_t size)
{
    /* A log that takes no more loses the line; a partial one is not completed, since another
     * thread's line may already stand behind it. */
    ssize_t ignored = write(to, text, size);
    (void)ignored;
}

static size_t write_prefix(char *text, fpm_log_level level, const char *pool)
{
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    size_t size = strftime(text, PREFIX_SIZE, "[%d-%b-%Y %H:%M:%S", &parts);
    if (atomic_load_explicit(&level_min, memory_order_relaxed) == FPM_LOG_DEBUG) {
        size += (size_t)snprintf(text + size, PREFIX_SIZE - size, ".%06ld", now.tv_nsec / 1000);
    }
    int more = snprintf(text + size, PREFIX_SIZE - size, "] %s: ", level_names[level]);
    size += (size_t)more;
    if (pool != NULL) {
        more = snprintf(text + size, PREFIX_SIZE - size, "[pool %.64s] ", pool);
        size += (size_t)more;
    }
    return size;
}

/* `text` has room for one byte more than `size`, in front of which the prefix stands. Control
 * characters but tabs would let a client's bytes begin a line of their own. */
static void write_line(fpm_log_level level, char *text, size_t size, size_t prefix_size)
{
    for (size_t index = prefix_size; index < size; index++) {
        if ((unsigned char)text[index] < ' ' && text[index] != '\t') {
            text[index] = ' ';
        }
    }
    int to = atomic_load_explicit(&file, memory_order_relaxed);
    text[size] = '\0';
    if (to < 0) {
        syslog(priorities[level], "%s", strchr(text, ']') + 2);
    }
    text[size] = '\n';
    if (to >= 0) {
        write_all(to, text, size + 1);
    }
    if (to != STDERR_FILENO && atomic_load_explicit(&to_stderr, memory_order_relaxed)) {
        write_all(STDERR_FILENO, text, size + 1);
    }
}

/* Lines of at most log_limit bytes, newline included, each with the prefix. */
static void write_lines(fpm_log_level level, const char *pool, const char *message, size_t size)
{
    char line[FPM_LOG_LINE_MAX + 1];
    size_t prefix_size = write_prefix(line, level, pool);
    size_t room = (size_t)atomic_load_explicit(&limit, memory_order_relaxed) - prefix_size - 1;
    do {
        size_t piece = size < room ? size : room;
        memcpy(line + prefix_size, message, piece);
        write_line(level, line, prefix_size + piece, prefix_size);
        message += piece;
        size -= piece;
    } while (size > 0);
}

static void log_arguments(fpm_log_level level, const char *pool, int error, const char *format,
    va_list arguments)
{
    char message[FPM_LOG_LINE_MAX];
    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed)) {
        return;
    }
    int length = vsnprintf(message, sizeof(message), format, arguments);
    size_t size = length < 0 ? 0 : (size_t)length;
    size = size < sizeof(message) ? size : sizeof(message) - 1;
    if (error != NO_REASON) {
        char reason[128];
        length = snprintf(message + size, sizeof(message) - size, ": %s (%d)",
            strerror_r(error, reason, sizeof(reason)), error);
        size += (size_t)length;
        size = size < sizeof(message) ? size : sizeof(message) - 1;
    }
    write_lines(level, pool, message, size);
}

void fpm_log(fpm_log_level level, const char *pool, const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    log_arguments(level, pool, NO_REASON, format, arguments);
    va_end(arguments);
    errno = error;
}

void fpm_log_errno(fpm_log_level level, const char *pool, const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    log_arguments(level, pool, error, format, arguments);
    va_end(arguments);
    errno = error;
}

/* ---- settings ---- */

void fpm_log_set_level(fpm_log_level level)
{
    atomic_store_explicit(&level_min, (int)level, memory_order_relaxed);
}

void fpm_log_set_limit(int bytes)
{
    atomic_store_explicit(&limit, bytes, memory_order_relaxed);
}

void fpm_log_to_stderr(bool also)
{
    atomic_store_explicit(&to_stderr, also, memory_order_relaxed);
}

int fpm_log_file(void)
{
    return atomic_load_explicit(&file, memory_order_relaxed);
}

/* Put what `opened` is behind the descriptor that writers use. */
static bool replace_file(int opened)
{
    int current = fpm_log_file();
    if (current <= STDERR_FILENO) {
        atomic_store_explicit(&file, opened, memory_order_relaxed);
        return true;
    }
    bool done = dup3(opened, current, O_CLOEXEC) >= 0;
    close(opened);
    return done;
}

bool fpm_log_open(const char *new_path, const char *ident, int facility)
{
    char *copy = strdup(new_path);
    if (copy == NULL) {
        return false;
    }
    if (strcmp(new_path, "syslog") == 0) {
        openlog(ident, LOG_PID, facility);
        atomic_store_explicit(&file, -1, memory_order_relaxed);
    } else {
        int opened = open(new_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (opened < 0 || !replace_file(opened)) {
            fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to open error_log (%s)", new_path);
            free(copy);
            return false;
        }
    }
    free(path);
    path = copy;
    return true;
}

bool fpm_log_reopen(void)
{
    if (path == NULL || fpm_log_file() < 0) {
        return true;
    }
    int opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0 || !replace_file(opened)) {
        fpm_log_errno(FPM_LOG_ERROR, NULL, "failed to re-open error_log (%s)", path);
        return false;
    }
    return true;
}
