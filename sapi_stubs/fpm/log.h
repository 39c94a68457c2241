/* log.h: the log of tsrmalloc-fpm, in php-fpm's format.
 *
 *     [dd-Mon-yyyy hh:mm:ss] LEVEL: [pool x] text
 *
 * Each line is one write to a descriptor opened for appending, so lines never mix. Any thread.
 */
#ifndef TSRMALLOC_FPM_LOG_H
#define TSRMALLOC_FPM_LOG_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fpm_log_level {
    FPM_LOG_DEBUG = 1,
    FPM_LOG_NOTICE,
    FPM_LOG_WARNING,
    FPM_LOG_ERROR,
    FPM_LOG_ALERT,
} fpm_log_level;

enum { FPM_LOG_LINE_MAX = 16384, FPM_LOG_LIMIT_DEFAULT = 1024, FPM_LOG_LIMIT_MIN = 512 };

/* One line; `pool` may be NULL. errno is kept. A text that is longer than log_limit is continued
 * on further lines. */
void fpm_log(fpm_log_level level, const char *pool, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": reason (errno)" at its end. */
void fpm_log_errno(fpm_log_level level, const char *pool, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "NOTICE", ... */
const char *fpm_log_level_name(fpm_log_level level);

/* What follows is for the main thread before workers run, and for the control thread. */

void fpm_log_set_level(fpm_log_level level);
void fpm_log_set_limit(int limit);
/* Begin to write to a file, or to syslog ("syslog"). false: logged, everything is as before. */
bool fpm_log_open(const char *path, const char *ident, int facility)
    __attribute__((warn_unused_result));
/* Open the file again under its name (USR1). */
bool fpm_log_reopen(void);
/* Write to stderr too, or no longer. It is so until the log file is open, and with -O. */
void fpm_log_to_stderr(bool also);
/* The descriptor of the file; 2 while there is none; -1 with syslog. */
int fpm_log_file(void);

#endif
