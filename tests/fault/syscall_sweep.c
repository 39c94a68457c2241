/* syscall_sweep: every call to the system that a fixed workload makes is made to fail once: its
 * first use, its second, and so on to the last. Where memory or a thread is asked for, the library
 * gives a clean error and the same step succeeds when it is tried again; advice, unmapping and
 * sources of random bits may fail and nobody sees it.
 *     syscall_sweep              the sweep: each run in a process of its own
 *     syscall_sweep KIND N       one run: exit status 0, 1 wrong, 2 there is no N-th use
 *
 * Owns        nothing.
 * Thread      main, and threads of the workload that are joined at once.
 * Invariants  in a run, at most one call fails (and every getrandom(), where read() is looked at).
 * Failure     a CHECK per kind of call; the run that failed can be repeated by its arguments.
 * Tests       alloc/os_posix.c, tsrm/os_posix.c, and all that asks them. */
#include "config.h"

#include <string.h>
#include <sys/wait.h>

#include "tests/fault/syscall_wrap.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"
#include "tests/support/child.h"

enum { RUN_OK = 0, RUN_WRONG = 1, RUN_OVER = 2, MOST_USES = 500, SEGMENTS_FEW = 2, SEGMENTS_MAX = 10,
    KIB = 1024, MIB = 1024 * 1024 };

/* ---- one run ---- */

static int error_count;             /* clean errors, each followed by a success */

static void wrong(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(RUN_WRONG);
}

/* A step that may fail once is done twice at most. */
static void must(bool (*step)(void *arg), void *arg, const char *what)
{
    if (!step(arg)) {
        error_count++;
        if (!step(arg)) {
            wrong(what);
        }
    }
}

static void on_error(zend_mm_error_kind kind, const char *message)
{
    if (kind != ZEND_MM_ERROR_OUT_OF_MEMORY || strncmp(message, "Out of memory", 13) != 0) {
        wrong(message);
    }
}

typedef struct resize {
    char *block;
    size_t size;
    size_t old_size;
} resize;

static bool try_resize(void *arg)
{
    resize *asked = arg;
    volatile bool done = false;
    zend_try {
        asked->block = erealloc(asked->block, asked->size);
        done = true;
    } zend_end_try();
    return done;
}

static char *resized(char *block, size_t old_size, size_t size)
{
    resize asked = { block, size, old_size };
    size_t kept = old_size < size ? old_size : size;
    must(try_resize, &asked, "an allocation failed twice");
    if (kept > 0 && (asked.block[0] != 'a' || asked.block[kept - 1] != 'z')) {
        wrong("a resize lost the contents");
    }
    asked.block[0] = 'a';
    asked.block[size - 1] = 'z';
    return asked.block;
}

static char *allocated(size_t size)
{
    return resized(NULL, 0, size);
}

static bool has_heap(void *arg)
{
    (void)arg;
    return zend_mm_get_heap() != NULL;
}

/* Small, large and huge blocks, and `segment_count` segments; what is left dies with the request. */
static void use_heap(size_t segment_count)
{
    char *blocks[SEGMENTS_MAX];
    must(has_heap, NULL, "a thread has no heap");
    for (size_t index = 0; index < 60; index++) {
        (void)allocated(10 + index * 50);
    }
    char *huge = allocated(3 * MIB);
    huge = resized(huge, 3 * MIB, 9 * MIB);
    huge = resized(huge, 9 * MIB, 3 * MIB);
    for (size_t index = 0; index < segment_count; index++) {
        blocks[index] = allocated(MIB + 100 * KIB);
    }
    efree(huge);
    for (size_t index = 0; index < segment_count; index += 2) {
        efree(blocks[index]);
    }
    (void)zend_mm_gc(zend_mm_get_heap());
    (void)allocated(70 * KIB);
    (void)allocated(2 * MIB - 64 * KIB);        /* a full segment: a worker's gets huge pages */
    alloc_reset();
    if (alloc_usage(0) != 0) {
        wrong("a reset heap is not empty");
    }
}

static bool try_start_heap(void *arg)
{
    *(zend_mm_heap **)arg = zend_mm_startup();
    return *(zend_mm_heap **)arg != NULL;
}

/* A heap of its own on another storage. */
static void use_storage(const char *name)
{
    zend_mm_heap *heap = NULL;
    setenv("ZEND_MM_MEM_TYPE", name, 1);
    must(try_start_heap, &heap, "a heap could not be started twice");
    unsetenv("ZEND_MM_MEM_TYPE");
    zend_mm_heap *before = alloc_set_heap(heap);
    use_heap(SEGMENTS_FEW);
    alloc_set_heap(before);
    zend_mm_shutdown(heap, 1, 1);
}

static void use_fork(void)
{
    pid_t child = fork();
    if (child == 0) {
        use_heap(SEGMENTS_FEW);
        _exit(0);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        wrong("a forked child did not end well");
    }
}

#ifdef ZTS

static bool try_startup(void *arg)
{
    (void)arg;
    return tsrm_startup(4, 4, 0, NULL) != 0;
}

static bool try_resource(void *arg)
{
    (void)arg;
    return ts_resource(0) != NULL;
}

static bool try_id(void *arg)
{
    return ts_allocate_id(arg, 1000, NULL, NULL) != 0;
}

static bool try_mutex(void *arg)
{
    *(MUTEX_T *)arg = tsrm_mutex_alloc();
    return *(MUTEX_T *)arg != NULL;
}

static bool try_context(void *arg)
{
    *(void **)arg = tsrm_new_interpreter_context();
    return *(void **)arg != NULL;
}

static void *thread_main(void *arg)
{
    must(try_resource, NULL, "a thread has no entry");
    efree(arg);
    use_heap(SEGMENTS_FEW);
    return NULL;
}

static pthread_t thread;

static bool try_thread(void *arg)
{
    return pthread_create(&thread, NULL, thread_main, arg) == 0;
}

static void use_threads(void)
{
    for (int number = 0; number < 2; number++) {
        must(try_thread, allocated(50), "a thread could not be started twice");
        pthread_join(thread, NULL);
    }
}

static void use_tsrm(void)
{
    ts_rsrc_id id = 0;
    MUTEX_T mutex = NULL;
    void *context = NULL;
    must(try_id, &id, "an id could not be allocated twice");
    must(try_mutex, &mutex, "a mutex could not be made twice");
    must(try_context, &context, "an interpreter context could not be made twice");
    void *own = tsrm_set_interpreter_context(context);
    use_heap(SEGMENTS_FEW);
    tsrm_set_interpreter_context(own);
    tsrm_free_interpreter_context(context);
    tsrm_mutex_free(mutex);
    ts_free_id(id);
}

static void start(void)
{
    must(try_startup, NULL, "TSRM could not be started twice");
    must(try_resource, NULL, "the main thread has no entry");
    start_memory_manager(tsrm_get_ls_cache());
    if (!has_heap(NULL) && !has_heap(NULL)) {       /* it had no id: its caller starts it again */
        start_memory_manager(tsrm_get_ls_cache());
    }
}

#else

static void use_threads(void)
{
}

static void use_tsrm(void)
{
}

static void start(void)
{
    start_memory_manager();
}

#endif

static void workload(void)
{
    start();
    zend_mm_set_error_callback(on_error);
    use_heap(SEGMENTS_MAX);
    use_heap(SEGMENTS_FEW);
    use_storage("mmap_zero");
    use_storage("malloc");
    use_tsrm();
    use_threads();
    use_fork();
    use_heap(SEGMENTS_FEW);
    if (alloc_end() != 0) {
        wrong("entries were left behind");
    }
}

/* May nobody notice when this call fails? */
static bool is_invisible(syscall_kind kind)
{
    return kind == SYSCALL_munmap || kind == SYSCALL_madvise || kind == SYSCALL_mincore
        || kind == SYSCALL_close || kind == SYSCALL_getrandom || kind == SYSCALL_read
        || kind == SYSCALL_mremap;
}

static int run(const char *name, size_t n)
{
    for (int kind = 0; kind < SYSCALL_KIND_COUNT; kind++) {
        if (strcmp(syscall_names[kind], name) == 0) {
            if (kind == SYSCALL_read || kind == SYSCALL_open || kind == SYSCALL_close) {
                syscall_fail_always(SYSCALL_getrandom);     /* else nobody reads */
            }
            syscall_fail_at((syscall_kind)kind, n);
            workload();
            if (error_count > 1 || (error_count != 0 && is_invisible((syscall_kind)kind))) {
                wrong("a failure was seen that must not be seen, or twice");
            }
            return syscall_has_failed() ? RUN_OK : RUN_OVER;
        }
    }
    return 64;
}

/* ---- the sweep ---- */

/* Uses of `kind` in the workload; each one fails in a run of its own. */
static size_t sweep(syscall_kind kind)
{
    char number[24];
    char *arguments[] = { "syscall_sweep", (char *)syscall_names[kind], number, NULL };
    for (size_t n = 1; n <= MOST_USES; n++) {
        snprintf(number, sizeof number, "%zu", n);
        child_end end = child_exec(arguments);
        if (end.exit_status == RUN_OVER) {
            return n - 1;
        }
        if (!CHECK(end.exit_status == RUN_OK)) {
            printf("syscall_sweep %s %zu: exit status %d, signal %d\n%s\n", syscall_names[kind], n,
                end.exit_status, end.signal, end.output);
            return n - 1;
        }
    }
    return MOST_USES;
}

static bool is_used(syscall_kind kind)
{
#ifdef ZTS
    (void)kind;
#else
    if (kind == SYSCALL_pthread_create || kind == SYSCALL_pthread_mutex_init
            || kind == SYSCALL_pthread_key_create || kind == SYSCALL_pthread_setspecific
            || kind == SYSCALL_aligned_alloc) {
        return false;
    }
#endif
    return true;
}

int main(int argc, char **argv)
{
    size_t all = 0;
    if (argc == 3) {
        return run(argv[1], strtoull(argv[2], NULL, 10));
    }
    for (int kind = 0; kind < SYSCALL_KIND_COUNT; kind++) {
        char sentence[100];
        snprintf(sentence, sizeof sentence, "%s fails at each use: %s", syscall_names[kind],
            is_invisible((syscall_kind)kind) ? "nobody notices" : "a clean error, then success");
        CHECK_CASE(sentence);
        size_t count = sweep((syscall_kind)kind);
        printf("%s: %zu uses\n", syscall_names[kind], count);
        CHECK(count < MOST_USES);
        CHECK(count > 0 || !is_used((syscall_kind)kind));
        check_case_end();       /* before `sentence` is gone */
        all += count;
    }
    CHECK_CASE("the workload makes calls of many kinds");
    printf("%zu calls failed in turn\n", all);
    CHECK(all > 50);
    return check_summary();
}
