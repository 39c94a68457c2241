/* A storage of the program's own: a heap in a file that other processes map, too. The example for
 * zend_mm_startup_ex() with params, storage->data and zend_mm_get_storage(). */
#include "config.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/alloc_support.h"

#define FILE_SIZE (64 * MIB)
#define UNIT_COUNT (FILE_SIZE / ZEND_MM_SEGMENT_SIZE)

/* What the program gives to zend_mm_startup_ex() and finds in storage->data: a file, mapped once at
 * a multiple of 2 MiB, and which of its units are taken. */
typedef struct shared_file {
    int file;
    char *base;
    bool is_taken[UNIT_COUNT];
    size_t taken_count;
    zend_mm_storage storage;
} shared_file;

static zend_mm_storage *file_init(void *params)
{
    shared_file *shared = params;
    char name[] = "/tmp/tsrmalloc-storage-XXXXXX";
    shared->file = mkstemp(name);
    if (shared->file < 0) {
        return NULL;
    }
    (void)unlink(name);
    char *reserved = mmap(NULL, FILE_SIZE + ZEND_MM_SEGMENT_SIZE, PROT_NONE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ftruncate(shared->file, (off_t)FILE_SIZE) != 0 || reserved == MAP_FAILED) {
        close(shared->file);
        return NULL;
    }
    shared->base = reserved + (-(uintptr_t)reserved & (ZEND_MM_SEGMENT_SIZE - 1));
    if (mmap(shared->base, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, shared->file,
            0) == MAP_FAILED) {
        close(shared->file);
        return NULL;
    }
    shared->storage.data = shared;
    return &shared->storage;
}

static void file_dtor(zend_mm_storage *storage)
{
    shared_file *shared = storage->data;
    munmap(shared->base, FILE_SIZE);
    close(shared->file);
    shared->file = -1;
}

static size_t units_of(size_t size)
{
    return (size + ZEND_MM_SEGMENT_SIZE - 1) / ZEND_MM_SEGMENT_SIZE;
}

static bool are_free(const shared_file *shared, size_t first, size_t count)
{
    for (size_t unit = first; unit < first + count; unit++) {
        if (unit >= UNIT_COUNT || shared->is_taken[unit]) {
            return false;
        }
    }
    return true;
}

static void *file_alloc(zend_mm_storage *storage, size_t size)
{
    shared_file *shared = storage->data;
    size_t count = units_of(size);
    for (size_t first = 0; first + count <= UNIT_COUNT; first++) {
        if (are_free(shared, first, count)) {
            memset(&shared->is_taken[first], true, count);
            shared->taken_count += count;
            return shared->base + first * ZEND_MM_SEGMENT_SIZE;
        }
    }
    return NULL;
}

static void file_free(zend_mm_storage *storage, void *block, size_t size)
{
    shared_file *shared = storage->data;
    size_t first = (size_t)((char *)block - shared->base) / ZEND_MM_SEGMENT_SIZE;
    memset(&shared->is_taken[first], false, units_of(size));
    shared->taken_count -= units_of(size);
}

static void *file_realloc(zend_mm_storage *storage, void *block, size_t old_size, size_t new_size)
{
    (void)storage;
    return units_of(old_size) == units_of(new_size) ? block : NULL;
}

static const zend_mm_mem_handlers file_handlers = {
    "file", file_init, file_dtor, NULL, file_alloc, file_realloc, file_free,
};

static zend_mm_heap *new_file_heap(shared_file *shared, int internal)
{
    zend_mm_heap *heap =
        zend_mm_startup_ex(&file_handlers, ZEND_MM_SEGMENT_SIZE, 0, internal, shared);
    cr_assert_not_null(heap);
    return heap;
}

TestSuite(user_storage, .init = begin_memory_manager, .timeout = 60);

Test(user_storage, the_programs_data_is_found_through_the_heap)
{
    shared_file shared = { 0 };
    zend_mm_heap *heap = new_file_heap(&shared, 0);
    cr_assert_eq(zend_mm_get_storage(heap), &shared.storage);
    cr_assert_eq(zend_mm_get_storage(heap)->data, &shared);
    cr_assert_eq(zend_mm_get_storage(heap)->handlers, &file_handlers);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(shared.taken_count, 0u);
    cr_assert_eq(shared.file, -1);
}

Test(user_storage, every_kind_of_block_lies_in_the_file)
{
    shared_file shared = { 0 };
    zend_mm_heap *heap = new_file_heap(&shared, 0);
    const size_t sizes[] = { 24, 3000, 100000, 3 * MIB, 7 * MIB };
    for (size_t index = 0; index < 5; index++) {
        char *block = zend_mm_alloc(heap, sizes[index]);
        cr_assert(block >= shared.base && block + sizes[index] <= shared.base + FILE_SIZE);
        memset(block, 'x', sizes[index]);
        char byte = 0;
        cr_assert_eq(pread(shared.file, &byte, 1, (off_t)(block - shared.base)), 1);
        cr_assert_eq(byte, 'x');
    }
    cr_assert_geq(shared.taken_count, 7u);
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(shared.taken_count, 1u);
    zend_mm_shutdown(heap, 1, 1);
}

Test(user_storage, an_internal_heap_and_its_blocks_are_seen_by_another_process)
{
    shared_file shared = { 0 };
    zend_mm_heap *heap = new_file_heap(&shared, 1);
    cr_assert((char *)heap > shared.base && (char *)heap < shared.base + FILE_SIZE);
    char *volatile *mailbox = zend_mm_alloc(heap, sizeof *mailbox);
    *mailbox = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        /* The child's heap is the parent's: one process at a time may use it. */
        char *text = zend_mm_alloc(heap, 6);
        memcpy(text, "hello", 6);
        *mailbox = text;
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_str_eq(*mailbox, "hello");
    /* The parent goes on where the child stopped: the accounts are in the file, too. */
    char *next = zend_mm_alloc(heap, 6);
    cr_assert_neq(next, *mailbox);
    check_valid(heap);
    zend_mm_shutdown(heap, 1, 1);
}

Test(user_storage, a_file_that_is_full_is_out_of_memory_and_the_heap_goes_on)
{
    shared_file shared = { 0 };
    zend_mm_heap *heap = new_file_heap(&shared, 0);
    cr_assert_null(zend_mm_try_alloc(heap, FILE_SIZE));
    void *most = zend_mm_try_alloc(heap, FILE_SIZE - ZEND_MM_SEGMENT_SIZE);
    cr_assert_not_null(most);
    cr_assert_null(zend_mm_try_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    zend_mm_free(heap, most);
    cr_assert_not_null(zend_mm_try_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    zend_mm_shutdown(heap, 1, 1);
}
