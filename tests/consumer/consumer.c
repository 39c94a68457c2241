/* consumer: a program that knows tsrmalloc only by its installed headers and pkg-config flags.
 * The same source is a ZTS program (four threads, four heaps) and an NTS one (one thread, one
 * heap), depending on the -DZTS that pkg-config gives or does not give.
 *
 * Owns        nothing; includes no header of the source tree, so it counts with its own CHECK.
 * Thread      main plus WORKER_COUNT workers (ZTS).
 * Failure     prints what was wrong; exit status 1.
 * Tests       run by tests/consumer/installed.sh */
#include <tsrmalloc/tsrm.h>
#include <tsrmalloc/zend_alloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER_COUNT 4
#define BLOCK_COUNT 1000

#define CHECK(condition) check((condition), #condition, __LINE__)

typedef struct worker {
    zend_mm_heap *heap;     /* the heap this worker had; read after its join */
    int failure_count;      /* owner only until its join */
} worker;

static _Thread_local int failure_count;

static void check(int holds, const char *expression, int line)
{
    if (!holds) {
        fprintf(stderr, "consumer.c:%d: failed: %s\n", line, expression);
        failure_count++;
    }
}

static void blocks_keep_their_content(void)
{
    unsigned char *blocks[BLOCK_COUNT];

    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        blocks[i] = emalloc(i * 7);
        memset(blocks[i], (int)(i & 0xff), i * 7);
    }
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        blocks[i] = erealloc(blocks[i], i * 9 + 1);
        for (size_t at = 0; at < i * 7; at++)
            if (blocks[i][at] != (i & 0xff))
                CHECK(!"a block lost its content");
        efree(blocks[i]);
    }
}

static void strings_and_sizes(TSRMLS_D)
{
    char *copy = estrdup("per-thread");
    char *prefix = estrndup(copy, 3);
    char *fixed = emalloc(24);
    int *zeros = ecalloc(100, sizeof(int));

    CHECK(strcmp(copy, "per-thread") == 0);
    CHECK(strcmp(prefix, "per") == 0);
    CHECK(zend_mem_block_size(fixed) == 24);
    CHECK(zeros[0] == 0 && zeros[99] == 0);
    CHECK(is_zend_ptr(copy));
    CHECK(zend_memory_usage(0 TSRMLS_CC) >= 24 + 400);
    efree(zeros);
    efree(fixed);
    efree(prefix);
    efree(copy);
}

static void the_limit_is_survived(void)
{
    volatile int caught = 0;

    CHECK(zend_set_memory_limit((size_t)8 << 20));
    zend_try {
        efree(emalloc((size_t)64 << 20));
    } zend_catch {
        caught = 1;
    } zend_end_try();
    CHECK(caught);
    CHECK(zend_set_memory_limit(SIZE_MAX));
}

static void request_run(worker *self TSRMLS_DC)
{
    CHECK(is_zend_mm());
    self->heap = zend_mm_get_heap();
    CHECK(self->heap != NULL);
    blocks_keep_their_content();
    strings_and_sizes(TSRMLS_C);
    the_limit_is_survived();
    CHECK(emalloc(100) != NULL); /* left to the request's end */
    shutdown_memory_manager(1, 0 TSRMLS_CC);
    CHECK(zend_memory_usage(0 TSRMLS_CC) == 0);
}

/* With any argument: what is left to a request's end that is not silent, and nothing else. */
static void leak_run(TSRMLS_D)
{
    CHECK(emalloc(100) != NULL); /* leaked on purpose */
    shutdown_memory_manager(0, 0 TSRMLS_CC);
}

#ifdef ZTS
static void *worker_main(void *argument)
{
    worker *self = argument;
    TSRMLS_FETCH();

    request_run(self TSRMLS_CC);
    ts_free_thread();
    self->failure_count = failure_count;
    return NULL;
}

/* The main thread's heap lives all the while, so each worker's must be another one. (Two workers
 * may get the same heap one after the other: heaps are recycled.) */
static void workers_have_heaps_of_their_own(void)
{
    worker workers[WORKER_COUNT] = {{0}};
    pthread_t threads[WORKER_COUNT];

    for (size_t i = 0; i < WORKER_COUNT; i++)
        CHECK(pthread_create(&threads[i], NULL, worker_main, &workers[i]) == 0);
    for (size_t i = 0; i < WORKER_COUNT; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        failure_count += workers[i].failure_count;
        CHECK(workers[i].heap != zend_mm_get_heap());
    }
}

int main(int argc, char **argv)
{
    worker self = {0};

    (void)argv;
    if (!tsrm_startup(1, 1, 0, NULL))
        return 1;
    void ***tsrm_ls = ts_resource(0);
    start_memory_manager(TSRMLS_C);
    if (argc > 1) {
        leak_run(TSRMLS_C);
        CHECK(tsrm_shutdown() == 0);
        return failure_count != 0;
    }
    request_run(&self TSRMLS_CC);
    workers_have_heaps_of_their_own();
    CHECK(tsrm_shutdown() == 0);
    printf("ZTS, %d failed\n", failure_count);
    return failure_count != 0;
}
#else
int main(int argc, char **argv)
{
    worker self = {0};

    (void)argv;
    start_memory_manager();
    if (argc > 1) {
        leak_run();
        shutdown_memory_manager(1, 1);
        return failure_count != 0;
    }
    request_run(&self);
    shutdown_memory_manager(1, 1);
    printf("NTS, %d failed\n", failure_count);
    return failure_count != 0;
}
#endif
