/* error: TSRM's own messages, silent unless asked for.
 * Owns        the file they go to.
 * Thread      any.
 * Invariants  I1  error_file is open or NULL, and NULL means stderr
 * Failure     a file that cannot be opened is replaced by stderr.
 * Tests       tests/unit/tsrm_helpers.c */
#include "config.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tsrm/mutex.h"
#include "tsrm/os.h"

static tsrm_os_lock error_lock = TSRM_OS_LOCK_INIT;
static FILE *error_file;       /* lock: error_lock */
static atomic_int error_level; /* atomic: relaxed, a threshold */

int tsrm_error(int level, const char *format, ...)
{
    FILE *file;
    va_list args;

    if (level > atomic_load_explicit(&error_level, memory_order_relaxed)) {
        return 0;
    }
    tsrm_os_lock_acquire(&error_lock);
    file = error_file != NULL ? error_file : stderr;
    fputs("TSRM:  ", file);
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    fputc('\n', file);
    fflush(file);
    tsrm_os_lock_release(&error_lock);
    return 1;
}

void tsrm_error_set(int level, const char *debug_filename)
{
    tsrm_os_lock_acquire(&error_lock);
    if (error_file != NULL) {
        fclose(error_file);
    }
    error_file = debug_filename != NULL ? fopen(debug_filename, "a") : NULL;
    atomic_store_explicit(&error_level, level, memory_order_relaxed);
    tsrm_os_lock_release(&error_lock);
}

void tsrm_error_after_fork(void)
{
    (void)!tsrm_os_lock_init(&error_lock);
}
