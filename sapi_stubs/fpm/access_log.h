/* access_log.h: lines of an access log, by php-fpm's access.format.
 *
 *     %%  a per cent sign            %C  CPU in per cent: %{user}C %{system}C %{total}C (total)
 *     %d  duration: %{seconds}d %{milliseconds}d %{milli}d %{microseconds}d %{micro}d (seconds)
 *     %{NAME}e  variable of the request         %f  script
 *     %l  content length of the request         %m  method
 *     %M  most bytes that the heap held: %{bytes}M %{kilobytes}M %{kilo}M %{megabytes}M %{mega}M
 *     %n  pool          %{NAME}o  header of the answer
 *     %p  worker (its thread id)                %P  server (its process id)
 *     %q  query         %Q  '?' if there is one          %r  URI without query
 *     %R  address of the client                 %s  status             %u  user
 *     %{STRFTIME}t  when it began               %{STRFTIME}T  when it ended
 *     %{peak}  as %M   %{real}  bytes held at the end of the request
 *     %{size}  bytes of blocks then             %{reset_us}  microseconds of the last heap reset
 *
 * The last four are ours and have no letter behind them.
 *
 * Thread     a compiled format is read-only: any number of threads.
 */
#ifndef TSRMALLOC_FPM_ACCESS_LOG_H
#define TSRMALLOC_FPM_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define ACCESS_LOG_DEFAULT_FORMAT "%R - %u %t \"%m %r\" %s"

enum {
    ACCESS_LOG_LINE_MAX = 2048,     /* bytes of a line, its newline included; longer ones are cut */
    ACCESS_LOG_ERROR_SIZE = 200,
};

/* Texts may be NULL: printed as "-". */
typedef struct access_log_entry {
    const char *pool;
    const char *method;
    const char *uri;                /* without query */
    const char *query;
    const char *script;
    const char *user;
    const char *address;
    int status;
    uint64_t content_length;
    int worker_tid;
    int server_pid;
    time_t begin_time;
    time_t end_time;
    uint64_t duration;              /* nanoseconds */
    double cpu_user, cpu_system;    /* per cent of the duration */
    size_t heap_peak;               /* bytes: most that the heap held */
    size_t heap_real_size;          /* bytes held at the end of the request */
    size_t heap_size;               /* bytes of blocks then */
    uint64_t reset_duration;        /* nanoseconds */

    /* For %{NAME}e and %{NAME}o; return NULL for what there is not. */
    const char *(*variable)(const void *context, const char *name);
    const char *(*header)(const void *context, const char *name);
    const void *context;
} access_log_entry;

typedef struct access_log_format access_log_format;

/* NULL: `error` names the token, or there is no memory. Free with access_log_format_free(). */
access_log_format *access_log_compile(const char *format, char error[ACCESS_LOG_ERROR_SIZE]);
void access_log_format_free(access_log_format *format);

/* One line with its newline. Returns its size. What could end the line or an entry's quotes
 * (control characters, `"`, `\`) is written as \xNN. */
size_t access_log_print(const access_log_format *format, const access_log_entry *entry,
    char line[ACCESS_LOG_LINE_MAX]);

#endif
