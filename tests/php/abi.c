/* abi: PHP's memory manager as extensions use it from C, against the installed PHP's own headers.
 * Run with the drop-in and without (tests/php/abi.sh): what it expects holds for both, so that it
 * is what PHP does and not what we believe. Linked with libphp; compiled by tests/php/support.sh.
 * --misuse: frees what is no block, and nothing else.
 */
#include <sapi/embed/php_embed.h>

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/check.h"

/* ---- blocks ---- */

static void fill(char *block, size_t size)
{
    memset(block, (int)(size % 251), size);
}

static bool is_filled(const char *block, size_t size, size_t with)
{
    for (size_t index = 0; index < size; index++) {
        if (block[index] != (char)(with % 251)) {
            return false;
        }
    }
    return true;
}

static const size_t sizes[] = { 0, 1, 8, 24, 100, 3072, 3073, 4096, 100000, 2093056, 2093057,
    3000001 };
#define SIZE_COUNT (sizeof sizes / sizeof sizes[0])

static void test_blocks(void)
{
    CHECK_CASE("every size gives a block that is 8-aligned and holds what was asked for");
    for (size_t index = 0; index < SIZE_COUNT; index++) {
        size_t size = sizes[index];
        char *block = emalloc(size);
        CHECK(((uintptr_t)block & 7) == 0);
        CHECK(zend_mem_block_size(block) >= size);
        fill(block, size);
        char *grown = erealloc(block, size * 2 + 1);
        CHECK(is_filled(grown, size, size));
        char *cut = erealloc2(grown, size / 2 + 1, size / 2);
        CHECK(is_filled(cut, size / 2, size));
        efree(cut);
    }
    CHECK_CASE("efree(NULL) does nothing, erealloc(NULL) allocates");
    void *none = NULL;
    efree(none);
    char *block = erealloc(none, 50);
    CHECK(block != NULL);
    efree(block);
    CHECK_CASE("blocks of a known size may be freed by size, by address, and the other way round");
    char *constant = emalloc(56);
    efree(constant);
    volatile size_t unknown = 56;
    char *variable = emalloc(unknown);
    efree_size(variable, 56);
    char *smaller = emalloc(unknown - 3);
    efree_size(smaller, 56);
    char *large = emalloc_large(5000);
    efree_size(large, 5000);
    char *huge = emalloc_huge(3000000);
    _efree_huge(huge, 3000000);
    CHECK(true);
    CHECK_CASE("functions of bins are usable as destructors: the last freed is the next given");
    void (*destroy)(void *) = _efree;
    char *first = emalloc(32);
    destroy(first);
    CHECK(emalloc(32) == (void *)first);
    efree(first);
}

static void test_copies(void)
{
    CHECK_CASE("copies, zeroed and safe allocations");
    char *copy = estrdup("a string");
    CHECK(strcmp(copy, "a string") == 0);
    char *part = estrndup("a string", 3);
    CHECK(strcmp(part, "a s") == 0);
    char *zeroed = ecalloc(10, 10);
    CHECK(is_filled(zeroed, 100, 0));
    char *safe = safe_emalloc(10, 10, 5);
    safe = safe_erealloc(safe, 20, 10, 5);
    CHECK(zend_mem_block_size(safe) >= 205);
    efree(copy);
    efree(part);
    efree(zeroed);
    efree(safe);
    CHECK_CASE("persistent memory is the C library's");
    char *persistent = pemalloc(100, 1);
    persistent = perealloc(persistent, 200, 1);
    free(persistent);
    free(zend_strndup("text", 2));
    free(pestrdup("text", 1));
    free(safe_pemalloc(2, 3, 4, 1));
    CHECK(true);
}

/* ---- heaps ---- */

static void test_heap(void)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    CHECK_CASE("the thread's heap serves _zend_mm_*, and is told apart from other memory");
    char *block = zend_mm_alloc(heap, 1000);
    block = zend_mm_realloc(heap, block, 2000);
    block = zend_mm_realloc2(heap, block, 20000, 2000);
    CHECK(zend_mm_block_size(heap, block) >= 20000);
    CHECK(is_zend_ptr(block));
    CHECK(!is_zend_ptr(&heap));
    CHECK(!is_zend_ptr(NULL));
    zend_mm_free(heap, block);
    zend_mm_free(heap, NULL);
    char *huge = emalloc(3000000);
    CHECK(is_zend_ptr(huge));
    efree(huge);
    CHECK(is_zend_mm());
    CHECK(!zend_mm_is_custom_heap(heap));
    CHECK(zend_mm_get_storage(heap) == NULL);
    CHECK_CASE("usage counts blocks, real usage what the heap holds");
    size_t before = zend_memory_usage(0);
    char *counted = emalloc(100000);
    CHECK(zend_memory_usage(0) == before + 102400);
    CHECK(zend_memory_usage(1) >= zend_memory_usage(0));
    CHECK(zend_memory_peak_usage(0) >= before + 102400);
    efree(counted);
    CHECK(zend_memory_usage(0) == before);
    CHECK_CASE("a limit below what is held is refused");
    CHECK(zend_set_memory_limit(1 << 20) == FAILURE);
    CHECK(zend_set_memory_limit(64 << 20) == SUCCESS);
    CHECK(!zend_alloc_in_memory_limit_error_reporting());
}

/* A second heap, as phpdbg has one: memory of the caller's, one chunk at a time. */
static unsigned int chunks_in_use;

static void *chunk_alloc(zend_mm_storage *storage, size_t size, size_t alignment)
{
    CHECK(*(int *)storage->data == 42);
    char *area = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) {
        return NULL;
    }
    char *chunk = (char *)(((uintptr_t)area + alignment - 1) & ~(uintptr_t)(alignment - 1));
    munmap(area, (size_t)(chunk - area));
    munmap(chunk + size, alignment - (size_t)(chunk - area));
    chunks_in_use++;
    return chunk;
}

static void chunk_free(zend_mm_storage *storage, void *chunk, size_t size)
{
    (void)storage;
    munmap(chunk, size);
    chunks_in_use--;
}

static void test_storage(void)
{
    CHECK_CASE("a heap on a storage of the caller's, with a copy of its data");
    int data = 42;
    zend_mm_handlers handlers = { chunk_alloc, chunk_free, NULL, NULL };
    zend_mm_heap *heap = zend_mm_startup_ex(&handlers, &data, sizeof data);
    data = 0;
    CHECK(heap != NULL && chunks_in_use == 1);
    CHECK(zend_mm_get_storage(heap) != NULL);
    CHECK(*(int *)zend_mm_get_storage(heap)->data == 42);
    zend_mm_heap *before = zend_mm_set_heap(heap);
    char *small = emalloc(100), *huge = emalloc(5 << 20);
    fill(small, 100);
    huge = erealloc(huge, 7 << 20);
    huge[(7 << 20) - 1] = 1;
    CHECK(is_zend_ptr(small) && chunks_in_use > 1);
    CHECK(zend_mm_set_heap(before) == heap);
    CHECK(!is_zend_ptr(small));
    zend_mm_shutdown(heap, 1, 1);
    CHECK(chunks_in_use == 0);
}

/* As phpdbg, which has one chunk for what runs in its signal handler, and leaves at the second. */
static jmp_buf no_chunk;

static void *only_chunk_alloc(zend_mm_storage *storage, size_t size, size_t alignment)
{
    if (chunks_in_use > 0) {
        longjmp(no_chunk, 1);
    }
    return chunk_alloc(storage, size, alignment);
}

static void test_jump(void)
{
    CHECK_CASE("a storage may leave an allocation by a jump; the heap goes on");
    int data = 42;
    zend_mm_handlers handlers = { only_chunk_alloc, chunk_free, NULL, NULL };
    zend_mm_heap *heap = zend_mm_startup_ex(&handlers, &data, sizeof data);
    zend_mm_heap *before = zend_mm_set_heap(heap);
    char *volatile block = emalloc(1 << 20);
    volatile bool has_jumped = false;
    for (int turn = 0; turn < 3; turn++) {
        if (setjmp(no_chunk) == 0) {
            (void)emalloc(turn == 2 ? 3 << 20 : 1500000);
            CHECK(false);
        } else {
            has_jumped = true;
        }
    }
    CHECK(has_jumped);
    fill(block, 1 << 20);
    efree(block);
    block = emalloc(1 << 20);
    CHECK(chunks_in_use == 1);
    efree(block);
    CHECK(zend_mm_set_heap(before) == heap);
    zend_mm_shutdown(heap, 1, 1);
    CHECK(chunks_in_use == 0);
}

/* ---- handlers: what profilers do ---- */

static unsigned int mallocs, frees, reallocs;

static void *counting_malloc(size_t size)
{
    mallocs++;
    return zend_mm_alloc(zend_mm_get_heap(), size);
}

static void counting_free(void *block)
{
    frees++;
    zend_mm_free(zend_mm_get_heap(), block);
}

static void *counting_realloc(void *block, size_t size)
{
    reallocs++;
    return zend_mm_realloc(zend_mm_get_heap(), block, size);
}

static void test_handlers(void)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    CHECK_CASE("custom handlers hear every call, and reach the heap below");
    char *old = emalloc(24);
    zend_mm_set_custom_handlers(heap, counting_malloc, counting_free, counting_realloc);
    CHECK(!is_zend_mm() && zend_mm_is_custom_heap(heap));
    void *(*get_malloc)(size_t);
    void (*get_free)(void *);
    void *(*get_realloc)(void *, size_t);
    zend_mm_get_custom_handlers(heap, &get_malloc, &get_free, &get_realloc);
    CHECK(get_malloc == counting_malloc && get_free == counting_free
        && get_realloc == counting_realloc);
    char *constant = emalloc(24);
    volatile size_t size = 5000;
    char *variable = emalloc(size);
    variable = erealloc(variable, 10000);
    efree_size(constant, 24);
    efree(variable);
    efree(old);
    CHECK(mallocs == 2 && frees == 3 && reallocs == 1);
    CHECK_CASE("the heap's first int switches them off and on");
    int *mode = (int *)heap;
    CHECK(*mode == 1);
    *mode = 0;
    efree(emalloc(size));
    CHECK(mallocs == 2 && frees == 3);
    *mode = 1;
    efree(emalloc(size));
    CHECK(mallocs == 3 && frees == 4);
    CHECK_CASE("three NULLs restore the heap");
    zend_mm_set_custom_handlers(heap, NULL, NULL, NULL);
    CHECK(is_zend_mm() && *mode == 0);
    efree(emalloc(size));
    CHECK(mallocs == 3);
    zend_mm_get_custom_handlers(heap, &get_malloc, &get_free, &get_realloc);
    CHECK(get_malloc == NULL && get_free == NULL && get_realloc == NULL);
}

/* ---- the limit, and a request's end ---- */

static void test_limit(void)
{
    CHECK_CASE("at the limit the error is PHP's, and the heap goes on");
    zend_set_memory_limit(4 << 20);
    PG(display_errors) = 0;
    volatile bool is_over = false;
    zend_first_try {
        for (int turn = 0; turn < 100 && !PG(last_error_message); turn++) {
            (void)emalloc(100000);
            is_over = turn == 99;
#ifdef ZEND_HAS_OOM
            if (ZEND_HAS_OOM()) {
                zend_handle_delayed_oom();
            }
#endif
        }
    } zend_end_try();
    CHECK(!is_over);
    CHECK(PG(last_error_message) != NULL && strstr(ZSTR_VAL(PG(last_error_message)),
        "Allowed memory size of 4194304 bytes exhausted (tried to allocate ") != NULL);
    CHECK(!zend_alloc_in_memory_limit_error_reporting());
    char *after = emalloc(100);
    CHECK(after != NULL);
    efree(after);
}

#ifdef ZEND_HAS_OOM
static void test_fallible(void)
{
    CHECK_CASE("a fallible allocation at the limit is NULL, and the error is noted");
    zend_set_memory_limit(zend_memory_usage(1) + (4 << 20));
    CHECK(!zend_mm_is_fallible());
    char *fits = _femalloc(1000);
    CHECK(fits != NULL);
    fits = _ferealloc(fits, 2000);
    CHECK(fits != NULL);
    char *zeroed = _fecalloc(3, 3);
    CHECK(is_filled(zeroed, 9, 0));
    CHECK(!ZEND_HAS_OOM());
    CHECK(_femalloc(64 << 20) == NULL);
    CHECK(ZEND_HAS_OOM());
    CHECK(_ferealloc(fits, 64 << 20) == NULL);
    CHECK(_safe_femalloc(SIZE_MAX, 2, 0) == NULL);
    CHECK(!zend_mm_is_fallible());
    zend_first_try {
        zend_handle_delayed_oom();
    } zend_end_try();
    CHECK(PG(last_error_message) != NULL);
    CHECK_CASE("percentages below 100 are no hard limit");
    CHECK(zend_set_memory_hard_limit_percent(99) == FAILURE);
    CHECK(zend_set_memory_hard_limit_percent(-2) == FAILURE);
    CHECK(zend_set_memory_hard_limit_percent(100) == SUCCESS);
    CHECK(zend_set_memory_hard_limit_percent(-1) == SUCCESS);
    CHECK(!zend_mm_max_allocs_hit());
}
#endif

/* Only with the drop-in: PHP's own would follow what it finds at such an address. */
static int misuse(void)
{
    static char mine[64];
    void *volatile foreign = mine + 16;
    fflush(stdout);
    efree(foreign);
    return 0;
}

int main(int argc, char **argv)
{
    bool misuses = argc == 2 && strcmp(argv[1], "--misuse") == 0;
    if (php_embed_init(argc, argv) == FAILURE) {
        return 70;
    }
    if (misuses) {
        return misuse();
    }
    test_blocks();
    test_copies();
    test_heap();
    test_storage();
    test_jump();
    test_handlers();
#ifdef ZEND_HAS_OOM
    test_fallible();
    php_request_shutdown(NULL);
    php_request_startup();
#endif
    test_limit();
    CHECK_CASE("a request's end frees what was left");
    php_request_shutdown(NULL);
    CHECK(zend_memory_usage(0) == 0);
    CHECK(zend_set_memory_limit(8 << 20) == SUCCESS);
    php_request_startup();
    int status = check_summary();
    php_embed_shutdown();
    return status;
}
