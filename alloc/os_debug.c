/* os_debug: backtraces and page protection.
 * Owns        nothing.
 * Thread      any.
 * Invariants  none.
 * Failure     no frames; false.
 * Tests       tests/unit/debug.c, tests/unit/hardened.c
 */
#include "config.h"

#include "alloc/os_debug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
# include <io.h>
# include <windows.h>
#else
# include <errno.h>
# include <sys/mman.h>
# include <unistd.h>
#endif
#if defined(__GLIBC__) || defined(__APPLE__) || defined(__FreeBSD__)
# include <execinfo.h>
# define HAVE_BACKTRACE 1
#else
# define HAVE_BACKTRACE 0
#endif

#define FRAMES_MAX 32u

unsigned int zend_mm_os_backtrace(void **frames, unsigned int count)
{
    count = count < FRAMES_MAX ? count : FRAMES_MAX;
#ifdef _WIN32
    return CaptureStackBackTrace(1, count, frames, NULL);
#elif HAVE_BACKTRACE
    void *all[FRAMES_MAX + 1];
    int got = backtrace(all, (int)count + 1);
    unsigned int kept = got > 1 ? (unsigned int)got - 1 : 0;
    memcpy(frames, all + 1, kept * sizeof *frames);
    return kept;
#else
    (void)frames;
    return 0;
#endif
}

void zend_mm_os_describe_frame(void *frame, char *text, size_t size)
{
#if HAVE_BACKTRACE
    char **lines = backtrace_symbols(&frame, 1);
    if (lines != NULL) {
        snprintf(text, size, "%s", lines[0]);
        free(lines);
        return;
    }
#endif
    snprintf(text, size, "[%p]", frame);
}

bool zend_mm_os_protect(void *pages, size_t size, bool is_accessible)
{
#ifdef _WIN32
    DWORD before;
    return VirtualProtect(pages, size, is_accessible ? PAGE_READWRITE : PAGE_NOACCESS, &before) != 0;
#else
    return mprotect(pages, size, is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
#endif
}

bool zend_mm_os_local_time(struct tm *parts)
{
    time_t now = time(NULL);
#ifdef _WIN32
    return localtime_s(parts, &now) == 0;
#else
    return localtime_r(&now, parts) != NULL;
#endif
}

bool zend_mm_os_write(int file, const char *text, size_t size)
{
    while (size > 0) {
#ifdef _WIN32
        int got = _write(file, text, (unsigned int)size);
        bool is_interrupted = false;
#else
        ssize_t got = write(file, text, size);
        bool is_interrupted = got < 0 && errno == EINTR;
#endif
        if (got <= 0 && !is_interrupted) {
            return false;
        }
        if (got > 0) {
            text += got;
            size -= (size_t)got;
        }
    }
    return true;
}
