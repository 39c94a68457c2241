/* storage_fault: the built-in storages when the system has no memory to give: no heap, no error
 * that ends the process, and a heap as soon as there is memory again.
 *
 * Owns        the process's limit of address space, and the error callback.
 * Thread      main; one worker whose ctor meets the failure.
 * Invariants  the limit is lifted whenever a case ends.
 * Failure     a CHECK.
 * Tests       alloc/storage.c, alloc/os_posix.c, alloc/globals.c */
#include "config.h"

#include <string.h>
#include <sys/resource.h>

#include "alloc/heap.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

/* Larger than what the C library's heap has free, so that it must ask the system. */
#define BLOCK_SIZE ((size_t)64 * 1024 * 1024)

static unsigned int error_count;
static zend_mm_error_kind last_kind;

static void on_error(zend_mm_error_kind kind, const char *message)
{
    (void)message;
    error_count++;
    last_kind = kind;
}

/* ---- the limit ---- */

static void set_address_space(rlim_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0) {
        perror("getrlimit");
        abort();
    }
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        perror("setrlimit");
        abort();
    }
}

/* From now on the system gives nothing; false where it does not tell what it gave. */
static bool exhaust(void)
{
    size_t mapped, resident;
    alloc_process_size(&mapped, &resident);
    if (mapped != 0) {
        set_address_space(mapped);
    }
    return mapped != 0;
}

static void recover(void)
{
    set_address_space(RLIM_INFINITY);
}

/* ---- cases ---- */

static void storage_gives_null(const char *name, const char *sentence)
{
    CHECK_CASE(sentence);
    const zend_mm_storage_type *type = zend_mm_storage_find(name);
    zend_mm_storage *storage = type->handlers.init(NULL);
    if (!CHECK(storage != NULL)) {
        return;
    }
    char *block = type->handlers._alloc(storage, BLOCK_SIZE);
    CHECK(block != NULL);
    memset(block, 'a', 4096);
    CHECK(exhaust());
    void *refused = type->handlers._alloc(storage, BLOCK_SIZE);
    void *grown = type->handlers._realloc(storage, block, BLOCK_SIZE, 2 * BLOCK_SIZE);
    recover();
    CHECK(refused == NULL);
    CHECK(grown == NULL);
    CHECK(block[0] == 'a' && block[4095] == 'a');
    refused = type->handlers._alloc(storage, BLOCK_SIZE);
    CHECK(refused != NULL);
    type->handlers._free(storage, refused, BLOCK_SIZE);
    type->handlers._free(storage, block, BLOCK_SIZE);
    type->handlers.dtor(storage);
}

/* An allocation in the calling thread; NULL: one error, then a bailout. */
static void *guarded_emalloc(size_t size)
{
    void *volatile block = NULL;
    error_count = 0;
    zend_try {
        block = emalloc(size);
    } zend_end_try();
    CHECK(error_count == (block == NULL ? 1 : 0));
    return block;
}

static void memory_manager_starts_without_memory(void)
{
    CHECK_CASE("without memory the memory manager starts, and has a heap once there is memory");
#ifdef ZTS
    CHECK(tsrm_startup(1, 1, 0, NULL) == 1);
    CHECK(ts_resource(0) != NULL);
    CHECK(exhaust());
    start_memory_manager(tsrm_get_ls_cache());
#else
    CHECK(exhaust());
    start_memory_manager();
#endif
    zend_mm_heap *heap = zend_mm_get_heap();
    void *refused = guarded_emalloc(100);
    zend_mm_error_kind kind = last_kind;
    recover();
    CHECK(heap == NULL);
    CHECK(refused == NULL);
    CHECK(kind == ZEND_MM_ERROR_OUT_OF_MEMORY);
    void *block = guarded_emalloc(100);
    CHECK(block != NULL);
    CHECK(zend_mm_get_heap() != NULL);
    CHECK(alloc_usage(0) == 112);
    efree(block);
}

static void heap_meets_exhaustion(void)
{
    const char *what;
    CHECK_CASE("a heap that gets no more memory keeps what it has, and goes on later");
    char *kept = emalloc(3 * ZEND_MM_SEGMENT_SIZE);
    memset(kept, 'k', 4096);
    CHECK(exhaust());
    void *huge = guarded_emalloc(BLOCK_SIZE);
    void *resized = erealloc_recoverable(kept, BLOCK_SIZE);
    size_t large_count = 0;
    while (large_count < 100 && guarded_emalloc(ZEND_MM_SEGMENT_SIZE / 2 + 4096) != NULL) {
        large_count++;
    }
    recover();
    CHECK(huge == NULL);
    CHECK(resized == NULL);
    CHECK(large_count < 100);
    CHECK(zend_mm_heap_is_valid(zend_mm_get_heap(), &what));
    CHECK(kept[0] == 'k' && kept[4095] == 'k');
    kept = erealloc_recoverable(kept, BLOCK_SIZE);
    CHECK(kept != NULL && kept[4095] == 'k');
    alloc_reset();
    CHECK(alloc_usage(0) == 0);
}

#ifdef ZTS

#include "tests/unit/tsrm_support.h"

static struct gate started = GATE_INIT, exhausted = GATE_INIT, tried = GATE_INIT,
    recovered = GATE_INIT;

static void *worker_body(void *arg)
{
    gate_open(&started, 1);
    gate_pass(&exhausted, 1);
    CHECK(ts_resource(0) != NULL);
    CHECK(zend_mm_get_heap() == NULL);
    CHECK(guarded_emalloc(100) == NULL);
    gate_open(&tried, 1);
    gate_pass(&recovered, 1);
    void *block = guarded_emalloc(100);
    CHECK(block != NULL);
    CHECK(zend_mm_get_heap() != NULL);
    efree(block);
    ts_free_thread();
    return arg;
}

static void *warm_body(void *arg)
{
    CHECK(ts_resource(0) != NULL);
    ts_free_thread();
    return arg;
}

/* TSRM recycles the first thread's entry, so that the second needs memory for its heap only. */
static void worker_starts_without_memory(void)
{
    CHECK_CASE("a worker whose ctor gets no memory has its resources, and a heap later");
    thread_result(thread_run(warm_body, NULL));
    pthread_t worker = thread_run(worker_body, NULL);
    gate_pass(&started, 1);
    CHECK(exhaust());
    gate_open(&exhausted, 1);
    gate_pass(&tried, 1);
    recover();
    gate_open(&recovered, 1);
    thread_result(worker);
    CHECK(tsrm_thread_count() == 1);
}

#else

static void worker_starts_without_memory(void)
{
    CHECK_CASE("a worker whose ctor gets no memory has its resources, and a heap later");
    CHECK_SKIP("built without ZTS: there are no workers");
}

#endif

int main(void)
{
    if (TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD) {
        CHECK_CASE("the built-in storages meet a system without memory");
        CHECK_SKIP("a sanitizer's own memory does not fit under a limit of address space");
        return check_summary();
    }
    unsetenv("USE_ZEND_ALLOC");
    unsetenv("ZEND_MM_MEM_TYPE");
    setenv("ZEND_MM_SEG_SIZE", "4M", 1);    /* units of this size do not come from the pool */
    zend_mm_set_error_callback(on_error);
    storage_gives_null("malloc", "the storage malloc gives NULL, and memory later");
    storage_gives_null("mmap_anon", "the storage mmap_anon gives NULL, and memory later");
    storage_gives_null("mmap_zero", "the storage mmap_zero gives NULL, and memory later");
    memory_manager_starts_without_memory();
    heap_meets_exhaustion();
    worker_starts_without_memory();
    CHECK(alloc_end() == 0);
    return check_summary();
}
