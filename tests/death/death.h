/* death: one misuse, one child process, one signal or exit status, one exact text on stderr.
 *
 *     CHECK_CASE("a block of malloc cannot be freed");
 *     check_panic(free_it, block, "free of an address that belongs to no heap", block, NO_BIN);
 *
 * The child does the misuse and must not survive it; the parent compares what it left behind.
 * One program, one .c file that includes this. Main thread only. */
#ifndef TSRMALLOC_TESTS_DEATH_DEATH_H
#define TSRMALLOC_TESTS_DEATH_DEATH_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/bin.h"
#include "alloc/heap.h"
#include "alloc/zend_alloc.h"
#include "tests/support/check.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
#define NO_BIN (-1)
#define SURVIVED 99     /* exit status of a child that lived on */

#if TSRMALLOC_SANITIZE_ADDRESS
/* A child that dies by design leaves its memory behind, and exit() must keep its status. The
 * sanitizer's library looks this up, so it must not be hidden. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:allocator_may_return_null=1";
}
#endif

#if TSRMALLOC_SANITIZE_THREAD
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

/* Can this build see a misuse of small blocks on the hot path? If not, the case is skipped. */
static inline bool has_free_checks(void)
{
    if (!ZEND_MM_FREE_CHECKS) {
        CHECK_SKIP("built with --disable-free-checks");
    }
    return ZEND_MM_FREE_CHECKS;
}

/* Does this run in the hardened mode (tests/death/hardened_misuse.sh)? Its slots come in random order. */
static inline bool is_hardened(void)
{
    return getenv("ZEND_MM_HARDENED") != NULL;
}

typedef struct death {
    int status;         /* of waitpid */
    pid_t pid;
    char text[4096];    /* all of stderr, ends with NUL */
} death;

/* Pointers as numbers: the compiler may not reason about what a test does with them. */
static inline void *at(const void *base, ptrdiff_t offset)
{
    volatile uintptr_t address = (uintptr_t)base + (uintptr_t)offset;
    return (void *)address;
}

static inline size_t unknown(size_t size)
{
    volatile size_t hidden = size;
    return hidden;
}

static inline void run_child(void (*body)(void *arg), void *arg, int end)
{
    const struct rlimit no_core = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (dup2(end, STDERR_FILENO) < 0) {
        _exit(SURVIVED);
    }
    close(end);
    body(arg);
    _exit(SURVIVED);
}

static inline void read_all(int end, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;
    while ((got = read(end, text + length, size - 1 - length)) > 0
            || (got < 0 && errno == EINTR)) {
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = '\0';
}

/* Run `body` in a child and tell how it ended. */
static inline death die(void (*body)(void *arg), void *arg)
{
    death result = { .status = -1 };
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0) {
        perror("pipe");
        return result;
    }
    result.pid = fork();
    if (result.pid == 0) {
        close(ends[0]);
        run_child(body, arg, ends[1]);
    }
    close(ends[1]);
    if (result.pid > 0) {
        read_all(ends[0], result.text, sizeof result.text);
        (void)waitpid(result.pid, &result.status, 0);
    }
    close(ends[0]);
    return result;
}

/* true when `text` is the whole of what was written; shows both if it is not. */
static inline bool is_text(const death *result, const char *text)
{
    if (strcmp(result->text, text) == 0) {
        return true;
    }
    printf("expected: %s\nfound: %s\n", text, result->text);
    return false;
}

static inline bool is_aborted(const death *result)
{
    bool aborted = WIFSIGNALED(result->status) && WTERMSIG(result->status) == SIGABRT;
    if (!aborted) {
        printf("no SIGABRT but status 0x%x, stderr: %s\n", (unsigned int)result->status,
            result->text);
    }
    return aborted;
}

static inline bool is_exit(const death *result, int status)
{
    bool exited = WIFEXITED(result->status) && WEXITSTATUS(result->status) == status;
    if (!exited) {
        printf("no exit(%d) but status 0x%x, stderr: %s\n", status, (unsigned int)result->status,
            result->text);
    }
    return exited;
}

/* `body` must end with SIGABRT and exactly the report of `what` at `address`. The thread is the
 * child's only one, whose number is its process id on Linux. */
static inline bool panics(void (*body)(void *arg), void *arg, const char *what,
    const void *address, int bin)
{
    char text[300], where[48] = "no bin";
    death result = die(body, arg);
    if (bin != NO_BIN) {
        snprintf(where, sizeof where, "bin %d (%u bytes)", bin,
            (unsigned int)zend_mm_bin_infos[bin].slot_size);
    }
    snprintf(text, sizeof text, "zend_mm_heap corrupted\n%s: address %p, %s, thread %ld\n", what,
        address, where, (long)result.pid);
    return is_aborted(&result) && is_text(&result, text);
}

/* `body(arg)` must panic; counts as one check. */
#define check_panic(body, arg, what, address, bin) \
    CHECK(panics((body), (arg), (what), (address), (bin)))

static inline void begin_memory_manager(void)
{
#ifdef ZTS
    if (!tsrm_startup(1, 1, 0, NULL) || ts_resource(0) == NULL) {
        fprintf(stderr, "tsrm_startup failed\n");
        exit(1);
    }
#endif
    TSRMLS_FETCH();
    start_memory_manager(TSRMLS_C);
}

static inline void end_request(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(1, 0 TSRMLS_CC);
}

static inline zend_mm_heap *new_heap(void)
{
    return zend_mm_startup_ex(&zend_mm_storage_find(NULL)->handlers, ZEND_MM_SEGMENT_SIZE,
        ZEND_MM_DEFAULT_RESERVE_SIZE, 0, NULL);
}

/* The body of most cases: free the address that the test names. */
static inline void free_it(void *address)
{
    efree(address);
}

#endif
