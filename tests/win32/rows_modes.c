/* rows_modes: programs that end in a way of their own: wrong settings, misuse, an error that nobody
 * catches, an exit while threads run. check.sh compares how they end.
 * Owns        nothing.
 * Thread      main.
 * Invariants  what is printed depends on the system in the storage's name and in addresses only.
 * Failure     is the point.
 * Tests       alloc/environment.c, alloc/panic.c, alloc/error.c, tsrm/os_win32.c. */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tests/win32/rows.h"
#include "tests/win32/system.h"

/* ---- what the settings made ---- */

static int start(void)
{
    zend_mm_heap_statistics statistics = { .storage = "none" };
    row_process_begin();
    TSRMLS_FETCH();
    (void)zend_set_memory_limit(SIZE_MAX);
    (void)zend_mm_heap_stats(NULL, &statistics);
    row_text("storage", statistics.storage);
    row_figure("is_zend_mm", is_zend_mm());
    for (int request = 0; request < 3; request++) {
        row_workload workload = { .seed = 1, .operation_count = 800, .size_max = 3 << 20,
            .free_all = request == 1 };
        row_work(&workload);
        row_figure("damaged blocks", workload.damaged_count);
        row_figure("live blocks", workload.live_count);
        row_figure("size", zend_memory_usage(0 TSRMLS_CC));
        shutdown_memory_manager(1, 0 TSRMLS_CC);
        row_figure("size after the request", zend_memory_usage(0 TSRMLS_CC));
        row_figure("real size after the request", zend_memory_usage(1 TSRMLS_CC));
    }
    return 0;
}

/* ---- an error outside any zend_try ---- */

static int limit(void)
{
    row_process_begin();
    if (!zend_set_memory_limit(8 << 20)) {
        return 1;
    }
    for (;;) {
        memset(emalloc(500), 'x', 500);
    }
}

/* ---- the end of the process while threads work ---- */

#ifdef ZTS
static atomic_int rounds;   /* atomic: any order */

static void busy_body(void *arg)
{
    (void)arg;
    for (;;) {
        void *block = emalloc(64);
        TSRMLS_FETCH();
        (void)tsrm_ls;
        efree(block);
        ts_free_thread();
        rounds++;
    }
}

static int leave(void)
{
    row_process_begin();
    for (int count = 0; count < 3; count++) {
        (void)row_thread_start(busy_body, NULL);
    }
    while (rounds < 300) {
        row_thread_yield();
    }
    return 0;
}
#else
static int leave(void)
{
    row_process_begin();
    return 0;
}
#endif

/* ---- misuse ---- */

static int free_twice(size_t size)
{
    row_process_begin();
    void *block = emalloc(size);
    void *volatile alias = block;
    efree(block);
    efree(alias);
    return 0;
}

static int free_small_twice(void)
{
    return free_twice(40);
}

static int free_large_twice(void)
{
    return free_twice(40000);
}

static int free_huge_twice(void)
{
    return free_twice(4000000);
}

static int free_foreign(void)
{
    static char foreign[64];
    char *volatile block = foreign;
    row_process_begin();
    efree(block);
    return 0;
}

static int free_interior(void)
{
    row_process_begin();
    char *volatile block = emalloc(40000);
    efree(block + 4096);
    return 0;
}

/* What only ZEND_MM_HARDENED and ZEND_MM_DEBUG see. */

static int free_twice_later(void)
{
    void *blocks[20];
    row_process_begin();
    for (int index = 0; index < 20; index++) {
        blocks[index] = emalloc(40);
    }
    for (int index = 0; index < 20; index++) {
        efree(blocks[index]);
    }
    void *volatile alias = blocks[3];
    efree(alias);
    return 0;
}

/* Write one byte `offset` bytes from the start of a block of 40 bytes, and free it. */
static int write_beside(ptrdiff_t offset)
{
    row_process_begin();
    char *volatile block = emalloc(40);
    ((volatile char *)block)[offset] = 1;
    efree(block);
    return 0;
}

static int write_behind(void)
{
    return write_beside(40);
}

static int write_before(void)
{
    return write_beside(-1);
}

static int write_after_free(void)
{
    row_process_begin();
    void *kept = emalloc(40), *block = emalloc(40);
    char *volatile alias = block;
    efree(block);
    ((volatile char *)alias)[39] ^= 1;
    (void)zend_mm_gc(zend_mm_get_heap());
    efree(kept);
    return 0;
}

static int leak(void)
{
    row_process_begin();
    memset(emalloc(40), 'x', 40);
    memset(emalloc(5000), 'x', 5000);
    TSRMLS_FETCH();
    shutdown_memory_manager(0, 0 TSRMLS_CC);
    return 0;
}

typedef struct mode {
    const char *name;
    int (*run)(void);
} mode;

static const mode modes[] = {
    { "start", start },
    { "limit", limit },
    { "leave", leave },
    { "free-small-twice", free_small_twice },
    { "free-large-twice", free_large_twice },
    { "free-huge-twice", free_huge_twice },
    { "free-foreign", free_foreign },
    { "free-interior", free_interior },
    { "free-twice-later", free_twice_later },
    { "write-behind", write_behind },
    { "write-before", write_before },
    { "write-after-free", write_after_free },
    { "leak", leak },
};

int row_mode(const char *name)
{
    for (size_t index = 0; index < sizeof modes / sizeof modes[0]; index++) {
        if (strcmp(modes[index].name, name) == 0) {
            return modes[index].run();
        }
    }
    return -1;
}
