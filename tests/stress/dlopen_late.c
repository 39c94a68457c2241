/* dlopen_late: a process whose threads already run loads the shared library, uses it from those
 * threads, and closes it again, as a plug-in host or a benchmark of several allocators does.
 *
 * Owns        nothing of the library: it links none of it and reaches it by dlsym only. The path
 *             is argv[1] or $TSRMALLOC_SO.
 * Thread      WORKER_COUNT threads, all older than the dlopen. The last LATE_COUNT of them end
 *             after dlclose: their end runs TSRM's key destructor, which must still be mapped (the
 *             library is linked -z nodelete). Without ZTS there is one heap and one worker.
 * Failure     a failed CHECK; a crash when the static TLS or a destructor is not there.
 * Tests       itself; part of `make check`, also under ThreadSanitizer. */
#include "config.h"

#include "alloc/zend_file_line.h"
#include "tests/support/check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef ZTS
#define WORKER_COUNT 8
#define LATE_COUNT (WORKER_COUNT / 2) /* the last ones end after dlclose */
#define STARTUP_PARAMETERS void ***
#define SHUTDOWN_PARAMETERS int, int, void ***
#else
#define WORKER_COUNT 1
#define LATE_COUNT 1
#define STARTUP_PARAMETERS void
#define SHUTDOWN_PARAMETERS int, int
#endif

#define BLOCK_COUNT 512
#define ROUND_COUNT 20

typedef void *emalloc_function(size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC);
typedef void efree_function(void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC);
typedef void *erealloc_function(void *block, size_t size, int allow_failure ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC);

typedef struct library {
    void *handle;                                           /* main thread only */
    emalloc_function *emalloc;                              /* const once the gate is open */
    efree_function *efree;                                  /* const once the gate is open */
    erealloc_function *erealloc;                            /* const once the gate is open */
    void (*start_memory_manager)(STARTUP_PARAMETERS);       /* main thread only */
    void (*shutdown_memory_manager)(SHUTDOWN_PARAMETERS);   /* const once the gate is open */
#ifdef ZTS
    int (*tsrm_startup)(int threads, int resources, int level, const char *file); /* main only */
    int (*tsrm_shutdown)(void);                             /* main thread only */
    void *(*ts_resource_ex)(int id, void *thread);          /* const once the gate is open */
#endif
} library;

/* A gate that opens step by step; each thread waits for the step it needs. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int step;               /* lock: gate */
    int finished_count;     /* lock: gate; workers done with the step LOADED */
} gate;

enum { CLOSED, LOADED, UNLOADED };

static library lib;
static gate the_gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, CLOSED, 0};

static void gate_open(int step)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.step = step;
    pthread_cond_broadcast(&the_gate.moved);
    pthread_mutex_unlock(&the_gate.lock);
}

static void gate_wait(int step)
{
    pthread_mutex_lock(&the_gate.lock);
    while (the_gate.step < step)
        pthread_cond_wait(&the_gate.moved, &the_gate.lock);
    pthread_mutex_unlock(&the_gate.lock);
}

static void worker_finished(void)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.finished_count++;
    pthread_cond_broadcast(&the_gate.moved);
    pthread_mutex_unlock(&the_gate.lock);
}

static void workers_wait(void)
{
    pthread_mutex_lock(&the_gate.lock);
    while (the_gate.finished_count < WORKER_COUNT)
        pthread_cond_wait(&the_gate.moved, &the_gate.lock);
    pthread_mutex_unlock(&the_gate.lock);
}

static bool block_is_filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

/* One request: small, large and huge blocks, grown, half of them freed, the rest left to reset. */
static void request_run(unsigned round)
{
    static const size_t sizes[] = {0, 1, 24, 100, 3000, 5000, 70000};
    unsigned char *blocks[BLOCK_COUNT];
    unsigned char *huge = lib.emalloc((size_t)3 << 20 ZEND_MM_HERE);

    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        size_t size = sizes[(i + round) % 7];
        blocks[i] = lib.emalloc(size ZEND_MM_HERE);
        memset(blocks[i], (int)(i & 0xff), size);
    }
    for (size_t i = 0; i < BLOCK_COUNT; i += 2) {
        size_t size = sizes[(i + round) % 7];
        blocks[i] = lib.erealloc(blocks[i], size + 100, 0 ZEND_MM_HERE);
        CHECK(block_is_filled(blocks[i], size, (unsigned char)(i & 0xff)));
        lib.efree(blocks[i] ZEND_MM_HERE);
    }
    lib.efree(huge ZEND_MM_HERE);
}

static void *worker_main(void *argument)
{
    size_t index = (size_t)(uintptr_t)argument;

    gate_wait(LOADED);
#ifdef ZTS
    void ***tsrm_ls = lib.ts_resource_ex(0, NULL);
    CHECK(tsrm_ls != NULL);
#endif
    for (unsigned round = 0; round < ROUND_COUNT; round++) {
        request_run(round);
#ifdef ZTS
        lib.shutdown_memory_manager(1, 0, tsrm_ls);
#else
        lib.shutdown_memory_manager(1, 0);
#endif
    }
    worker_finished();
    if (index + LATE_COUNT >= WORKER_COUNT)
        gate_wait(UNLOADED);
    return NULL;
}

static void *symbol(const char *name)
{
    void *address = dlsym(lib.handle, name);

    if (!CHECK(address != NULL))
        printf("%s: %s\n", name, dlerror());
    return address;
}

static bool library_open(const char *path)
{
    lib.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(lib.handle != NULL)) {
        printf("%s\n", dlerror());
        return false;
    }
    lib.emalloc = (emalloc_function *)symbol("_emalloc");
    lib.efree = (efree_function *)symbol("_efree");
    lib.erealloc = (erealloc_function *)symbol("_erealloc");
    lib.start_memory_manager = (void (*)(STARTUP_PARAMETERS))symbol("start_memory_manager");
    lib.shutdown_memory_manager =
        (void (*)(SHUTDOWN_PARAMETERS))symbol("shutdown_memory_manager");
#ifdef ZTS
    lib.tsrm_startup = (int (*)(int, int, int, const char *))symbol("tsrm_startup");
    lib.tsrm_shutdown = (int (*)(void))symbol("tsrm_shutdown");
    lib.ts_resource_ex = (void *(*)(int, void *))symbol("ts_resource_ex");
    return lib.tsrm_startup && lib.tsrm_shutdown && lib.ts_resource_ex && lib.emalloc &&
           lib.efree && lib.erealloc && lib.start_memory_manager && lib.shutdown_memory_manager;
#else
    return lib.emalloc && lib.efree && lib.erealloc && lib.start_memory_manager &&
           lib.shutdown_memory_manager;
#endif
}

/* In the order in which every user of the library through dlsym has to do it. */
static void library_start(void)
{
#ifdef ZTS
    CHECK(lib.tsrm_startup(1, 1, 0, NULL) == 1);
    void ***tsrm_ls = lib.ts_resource_ex(0, NULL);
    CHECK(tsrm_ls != NULL);
    lib.start_memory_manager(tsrm_ls);
#else
    lib.start_memory_manager();
#endif
    void *block = lib.emalloc(24 ZEND_MM_HERE);
    CHECK(block != NULL);
    lib.efree(block ZEND_MM_HERE);
}

static void library_shutdown(void)
{
#ifdef ZTS
    /* The workers that wait for the unloading keep their entries. */
    CHECK(lib.tsrm_shutdown() == LATE_COUNT);
#else
    lib.shutdown_memory_manager(1, 1);
#endif
}

static void late_load(const char *path)
{
    pthread_t threads[WORKER_COUNT];

    CHECK_CASE("threads that are older than the library");
    for (size_t i = 0; i < WORKER_COUNT; i++)
        if (!CHECK(pthread_create(&threads[i], NULL, worker_main, (void *)(uintptr_t)i) == 0))
            exit(check_summary());

    CHECK_CASE("the library loads into a running process, symbols kept local");
    if (!library_open(path))
        exit(check_summary());
    CHECK(dlsym(RTLD_DEFAULT, "_emalloc") == NULL);

    CHECK_CASE("tsrm_startup, ts_resource_ex, start_memory_manager");
    library_start();

    CHECK_CASE("every older thread allocates, grows and frees");
    gate_open(LOADED);
    workers_wait();
    for (size_t i = 0; i + LATE_COUNT < WORKER_COUNT; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);

    CHECK_CASE("shut down and closed while threads that used it still run");
    library_shutdown();
    CHECK(dlclose(lib.handle) == 0);

    CHECK_CASE("those threads end after the library was closed");
    gate_open(UNLOADED);
    for (size_t i = WORKER_COUNT - LATE_COUNT; i < WORKER_COUNT; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : getenv("TSRMALLOC_SO");

    if (!path) {
        fprintf(stderr, "usage: %s LIBTSRMALLOC.SO (or set TSRMALLOC_SO)\n", argv[0]);
        return 64;
    }
    if (!*path) {
        CHECK_CASE("the library loads into a running process");
        CHECK_SKIP("there is no shared library: configured with --disable-shared");
        return check_summary();
    }
    late_load(path);
    return check_summary();
}
