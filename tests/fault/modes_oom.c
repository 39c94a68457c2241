/* modes_oom: the modes that keep records beside the heap, when there is no memory for a record: the
 * n-th call for memory that a fixed workload makes fails, for every n. The call that was made gives
 * NULL, the heap is as before, and the same call succeeds when it is repeated.
 *
 * Owns        the counter of calls. The linker's --wrap sends the calls here; see tests/stress.mk.
 * Thread      main.
 * Invariants  at most one call fails between arm() and disarm().
 * Failure     a CHECK; the mode and n are printed.
 * Tests       alloc/block_table.c, alloc/debug.c, alloc/hardened.c, alloc/leaks.c,
 *             alloc/live_bits.c, alloc/observer.c, alloc/storage_guarded.c, alloc/tracked.c,
 *             alloc/globals.c */
#include "config.h"

#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc/heap.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"

enum { BLOCK_COUNT = 220, LEAK_COUNT = 30, MOST_CALLS = 3000 };

/* ---- the calls that can fail ---- */

static struct {
    size_t fail_at;     /* 0: none */
    size_t call_count;
    bool has_failed;
} plan;

static void arm(size_t n)
{
    plan.fail_at = n;
    plan.call_count = 0;
    plan.has_failed = false;
}

/* Has the n-th call come? */
static bool disarm(void)
{
    plan.fail_at = 0;
    return plan.has_failed;
}

static bool fails(void)
{
    bool now = plan.fail_at != 0 && ++plan.call_count == plan.fail_at;
    plan.has_failed |= now;
    return now;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
int __real_mprotect(void *address, size_t size, int protection);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
int __wrap_mprotect(void *address, size_t size, int protection);

#ifdef __GLIBC__
char **__real_backtrace_symbols(void *const *frames, int count);
char **__wrap_backtrace_symbols(void *const *frames, int count);

char **__wrap_backtrace_symbols(void *const *frames, int count)
{
    return fails() ? NULL : __real_backtrace_symbols(frames, count);
}
#endif

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(address, size, protection, flags, file, offset);
}

int __wrap_mprotect(void *address, size_t size, int protection)
{
    return fails() ? -1 : __real_mprotect(address, size, protection);
}

/* ---- the workload ---- */

typedef struct block {
    char *address;
    size_t size;
} block;

static bool is_whole(const block *checked)
{
    return checked->address[0] == 'a' && checked->address[checked->size - 1] == 'z';
}

/* Take or resize a block, twice if need be; counts the error. */
static void resize(zend_mm_heap *heap, block *resized, size_t size, unsigned int *error_count)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        char *address = zend_mm_try_realloc(heap, resized->address, size);
        if (address != NULL) {
            address[0] = 'a';
            address[size - 1] = 'z';
            *resized = (block){ address, size };
            return;
        }
        ++*error_count;
        CHECK(resized->address == NULL || is_whole(resized));
    }
}

/* Small, large and huge blocks; more than the first tables have room for. */
static size_t size_number(size_t index)
{
    return index % 50 == 49 ? 5 * ZEND_MM_SEGMENT_SIZE / 2 : 2 + index % 7 * 900;
}

/* Returns how many calls gave NULL. */
static unsigned int work(zend_mm_heap *heap)
{
    static block blocks[BLOCK_COUNT];
    unsigned int error_count = 0;
    size_t before = zend_mm_heap_size(heap);
    memset(blocks, 0, sizeof blocks);
    for (size_t index = 0; index < BLOCK_COUNT; index++) {
        resize(heap, &blocks[index], size_number(index), &error_count);
    }
    for (size_t index = 0; index < BLOCK_COUNT; index += 9) {
        resize(heap, &blocks[index], size_number(index + 4), &error_count);
    }
    size_t alignment = heap->storage != NULL ? 64 : alignof(max_align_t);
    void *aligned = zend_mm_try_alloc_aligned(heap, alignment, 100);
    if (aligned == NULL) {
        error_count++;
        aligned = zend_mm_try_alloc_aligned(heap, alignment, 100);
    }
    CHECK(aligned != NULL && (uintptr_t)aligned % alignment == 0);
    zend_mm_free(heap, aligned);
    for (size_t index = 0; index < BLOCK_COUNT; index++) {
        CHECK(is_whole(&blocks[index]));
        zend_mm_free(heap, blocks[index].address);
    }
    CHECK(zend_mm_heap_size(heap) == before);
    return error_count;
}

/* ---- heaps ---- */

typedef struct mode {
    const char *name;
    const char *variable, *value;
    const char *second_variable;    /* set to 1, or NULL */
} mode;

static const mode modes[] = {
    { "tracked", "USE_ZEND_ALLOC", "0", "USE_TRACKED_ALLOC" },
    { "debug", "ZEND_MM_DEBUG", "leaks=1,backtrace=1", NULL },
    { "padding", "ZEND_MM_DEBUG", "padding=16,poison_free=1", NULL },
    { "hardened", "ZEND_MM_HARDENED", "1", NULL },
};

static void enter(const mode *entered)
{
    setenv(entered->variable, entered->value, 1);
    if (entered->second_variable != NULL) {
        setenv(entered->second_variable, "1", 1);
    }
}

static void leave(const mode *left)
{
    unsetenv(left->variable);
    if (left->second_variable != NULL) {
        unsetenv(left->second_variable);
    }
}

/* A heap of its own for the calling thread, as its first allocation makes one; NULL: no memory. */
static zend_mm_heap *new_heap(void)
{
    (void)alloc_set_heap(NULL);
    return zend_mm_get_heap();
}

static void end_heap(zend_mm_heap *heap)
{
    (void)alloc_set_heap(NULL);
    zend_mm_shutdown(heap, 1, 1);
}

static void check_heap(zend_mm_heap *heap)
{
    const char *what = NULL;
    CHECK(heap->storage == NULL || zend_mm_heap_is_valid(heap, &what));
}

/* ---- the sweeps ---- */

static void test_start(const mode *tested)
{
    size_t n = 0;
    bool has_failed;
    do {
        arm(++n);
        zend_mm_heap *heap = new_heap();
        has_failed = disarm();
        CHECK((heap == NULL) == has_failed);
        heap = heap != NULL ? heap : new_heap();
        if (!CHECK(heap != NULL)) {
            return;
        }
        check_heap(heap);
        end_heap(heap);
    } while (has_failed && n < MOST_CALLS);
    printf("%s: %zu calls while a heap starts\n", tested->name, n - 1);
    CHECK(n > 1);
}

static void test_work(const mode *tested)
{
    size_t n = 0;
    bool has_failed;
    do {
        zend_mm_heap *heap = new_heap();
        if (!CHECK(heap != NULL)) {
            return;
        }
        arm(++n);
        unsigned int error_count = work(heap);
        has_failed = disarm();
        /* A backtrace that there was no memory for is left out, and a refused unit is had on a
         * retry inside the heap: neither is an error. */
        CHECK(error_count <= has_failed);
        check_heap(heap);
        CHECK(work(heap) == 0);
        end_heap(heap);
    } while (has_failed && n < MOST_CALLS);
    printf("%s: %zu calls while a heap works\n", tested->name, n - 1);
    CHECK(n > 1 && n < MOST_CALLS);
}

/* ---- single calls ---- */

static bool bails_out(void)
{
    volatile bool done = false;
    zend_try {
        efree(emalloc_aligned(16, 100));
        done = true;
    } zend_end_try();
    return !done;
}

static void ignore(zend_mm_error_kind kind, const char *message)
{
    CHECK(kind == ZEND_MM_ERROR_OUT_OF_MEMORY && message[0] != '\0');
}

static void test_no_heap(void)
{
    CHECK_CASE("a thread that could not get a heap reports it, and gets one when it asks again");
    (void)zend_mm_set_error_callback(ignore);
    (void)alloc_set_heap(NULL);
    enter(&modes[0]);
    arm(1);
    CHECK(bails_out());
    CHECK(disarm());
    CHECK(!bails_out());
    end_heap(zend_mm_get_heap());
    leave(&modes[0]);
}

static void test_observer(void)
{
    CHECK_CASE("an observer that there is no memory for is not registered");
    static const zend_mm_observer_handlers nothing;
    zend_mm_heap *heap = new_heap();
    arm(1);
    CHECK(zend_mm_observer_register(heap, &nothing, NULL) == NULL);
    CHECK(disarm());
    CHECK(heap->sees_calls == ZEND_DEBUG);
    zend_mm_observer *observer = zend_mm_observer_register(heap, &nothing, NULL);
    CHECK(observer != NULL && heap->sees_calls);
    zend_mm_observer_unregister(heap, observer);
    end_heap(heap);
}

/* ---- the report of leaks ---- */

/* Blocks whose backtraces differ in their lengths. */
static __attribute__((noinline)) void leak_at_depth(zend_mm_heap *heap, int depth)
{
    if (depth > 0) {
        leak_at_depth(heap, depth - 1);
    }
    __asm__ volatile("");       /* no tail call: each depth is a frame */
    if (depth == 0) {
        (void)!zend_mm_try_alloc(heap, 100);
    }
}

/* What a request end with leaks prints when the n-th call of it fails; had it an n-th call? */
static bool report_leaks(size_t n, char *text, size_t size)
{
    zend_mm_heap *heap = new_heap();
    for (int number = 0; number < LEAK_COUNT; number++) {
        leak_at_depth(heap, number % 5);
    }
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    arm(n);
    zend_mm_shutdown(heap, 0, 0);
    bool has_failed = disarm();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    end_heap(heap);
    return has_failed;
}

static void test_leaks(void)
{
    CHECK_CASE("a report of leaks that there is no memory for still tells how many there are");
    static char text[65536];
    size_t n = 0;
    enter(&modes[1]);
    while (report_leaks(++n, text, sizeof text) && n < MOST_CALLS) {
        CHECK(strstr(text, "=== Total 30 memory leaks detected ===\n") != NULL);
    }
    CHECK(n > 2);
    CHECK(strstr(text, "Last leak repeated") != NULL);
    CHECK(strstr(text, "=== Total 30 memory leaks detected ===\n") != NULL);
    leave(&modes[1]);
}

int main(void)
{
    alloc_begin();
    zend_mm_heap *first = zend_mm_get_heap();
    for (size_t index = 0; index < sizeof modes / sizeof modes[0]; index++) {
        enter(&modes[index]);
        CHECK_CASE("no memory while a heap starts: no heap, and one when it is tried again");
        test_start(&modes[index]);
        CHECK_CASE("no memory while a heap works: one call is refused, nothing else changes");
        test_work(&modes[index]);
        leave(&modes[index]);
    }
    test_no_heap();
    test_observer();
    test_leaks();
    (void)alloc_set_heap(first);
    CHECK(alloc_end() == 0);
    return check_summary();
}
