/* The built-in storages: each gives aligned blocks, resizes or says it cannot, and takes back. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "alloc/segment_pool.h"
#include "tests/unit/alloc_support.h"

TestSuite(storage, .timeout = 60);

static zend_mm_storage *open_storage(const zend_mm_storage_type *type)
{
    zend_mm_storage *storage = type->handlers.init(NULL);
    cr_assert_not_null(storage, "%s", type->handlers.name);
    storage->handlers = &type->handlers;
    return storage;
}

static bool is_zeroed(const unsigned char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Calls `body` with a storage of each type. */
static void for_each_storage(void (*body)(zend_mm_storage *storage))
{
    int count = 0;
    for (const zend_mm_storage_type *type = zend_mm_storage_types; type->handlers.name; type++) {
        zend_mm_storage *storage = open_storage(type);
        body(storage);
        type->handlers.dtor(storage);
        count++;
    }
    cr_assert_eq(count, 3);
}

/* ---- the table ---- */

Test(storage, the_table_has_malloc_mmap_anon_and_mmap_zero_in_this_order)
{
    cr_assert_str_eq(zend_mm_storage_types[0].handlers.name, "malloc");
    cr_assert_str_eq(zend_mm_storage_types[1].handlers.name, "mmap_anon");
    cr_assert_str_eq(zend_mm_storage_types[2].handlers.name, "mmap_zero");
    cr_assert_null(zend_mm_storage_types[3].handlers.name);
}

Test(storage, a_storage_is_found_by_exactly_its_name)
{
    cr_assert_eq(zend_mm_storage_find("malloc"), &zend_mm_storage_types[0]);
    cr_assert_eq(zend_mm_storage_find("mmap_zero"), &zend_mm_storage_types[2]);
    cr_assert_null(zend_mm_storage_find("MALLOC"));
    cr_assert_null(zend_mm_storage_find("mmap"));
    cr_assert_null(zend_mm_storage_find("mmap_anon "));
    cr_assert_null(zend_mm_storage_find(""));
}

Test(storage, without_a_name_it_is_mmap_anon)
{
    cr_assert_str_eq(zend_mm_storage_find(NULL)->handlers.name, "mmap_anon");
}

Test(storage, only_the_mmap_storages_have_a_pool)
{
    cr_assert_null(zend_mm_storage_pool(&zend_mm_storage_find("malloc")->handlers));
    cr_assert_eq(zend_mm_storage_pool(&zend_mm_storage_find("mmap_anon")->handlers),
        &zend_mm_mmap_anon_pool);
    cr_assert_eq(zend_mm_storage_pool(&zend_mm_storage_find("mmap_zero")->handlers),
        &zend_mm_mmap_zero_pool);
    cr_assert_null(zend_mm_storage_pool(&counted_handlers));
    zend_mm_mem_handlers copy = zend_mm_storage_find("mmap_anon")->handlers;
    cr_assert_null(zend_mm_storage_pool(&copy));
}

/* ---- the functions ---- */

static void check_alignment(zend_mm_storage *storage)
{
    const size_t sizes[] = { 2 * MIB, 8 * MIB, 2 * MIB + 4096, 3 * MIB - 4096, 4096 };
    void *blocks[5];
    for (size_t index = 0; index < 5; index++) {
        blocks[index] = storage->handlers->_alloc(storage, sizes[index]);
        cr_assert_not_null(blocks[index]);
        cr_assert(is_aligned_to(blocks[index], ZEND_MM_SEGMENT_SIZE), "%s gave %p for %zu",
            storage->handlers->name, blocks[index], sizes[index]);
        memset(blocks[index], (int)index + 1, sizes[index]);
    }
    for (size_t index = 0; index < 5; index++) {
        const unsigned char *bytes = blocks[index];
        cr_assert_eq(bytes[0], index + 1);
        cr_assert_eq(bytes[sizes[index] - 1], index + 1);
        storage->handlers->_free(storage, blocks[index], sizes[index]);
    }
}

Test(storage, every_block_is_2_mib_aligned_and_all_of_it_can_be_written)
{
    for_each_storage(check_alignment);
}

Test(storage, mmap_blocks_are_zeroed)
{
    for (int number = 1; number <= 2; number++) {
        zend_mm_storage *storage = open_storage(&zend_mm_storage_types[number]);
        for (int round = 0; round < 2; round++) {
            unsigned char *block = storage->handlers->_alloc(storage, 2 * MIB);
            cr_assert_not_null(block);
            cr_assert(is_zeroed(block, 2 * MIB));
            memset(block, 1, 2 * MIB);
            storage->handlers->_free(storage, block, 2 * MIB);
        }
        storage->handlers->dtor(storage);
    }
}

static void check_impossible_size(zend_mm_storage *storage)
{
    cr_assert_null(storage->handlers->_alloc(storage, unknown(SIZE_MAX / 2 & ~(size_t)4095)));
    cr_assert_null(storage->handlers->_alloc(storage, unknown(SIZE_MAX & ~(size_t)4095)));
}

Test(storage, a_size_that_no_machine_has_gives_nothing)
{
    for_each_storage(check_impossible_size);
}

static void check_resizing(zend_mm_storage *storage)
{
    const size_t sizes[] = { 4 * MIB, 12 * MIB + 4096, 3 * MIB, 64 * MIB, 2 * MIB };
    size_t size = 2 * MIB;
    unsigned char *block = storage->handlers->_alloc(storage, size);
    cr_assert_not_null(block);
    block[0] = 11;
    block[2 * MIB - 1] = 22;
    for (size_t index = 0; index < 5; index++) {
        unsigned char *moved = storage->handlers->_realloc(storage, block, size, sizes[index]);
        if (moved == NULL) {
            cr_assert_str_eq(storage->handlers->name, "malloc");
            break;
        }
        cr_assert(is_aligned_to(moved, ZEND_MM_SEGMENT_SIZE));
        block = moved;
        cr_assert(sizes[index] <= size || is_zeroed(block + size, sizes[index] - size));
        size = sizes[index];
    }
    cr_assert_eq(block[0], 11);
    cr_assert_eq(block[2 * MIB - 1], 22);
    storage->handlers->_free(storage, block, size);
}

Test(storage, resizing_keeps_contents_and_alignment_or_changes_nothing)
{
    for_each_storage(check_resizing);
}

Test(storage, mmap_blocks_grow_where_something_follows_them)
{
    for (int number = 1; number <= 2; number++) {
        zend_mm_storage *storage = open_storage(&zend_mm_storage_types[number]);
        unsigned char *blocks[3];
        for (int index = 0; index < 3; index++) {
            blocks[index] = storage->handlers->_alloc(storage, 2 * MIB);
            cr_assert_not_null(blocks[index]);
            memset(blocks[index], index + 1, 2 * MIB);
        }
        for (int index = 0; index < 3; index++) {
            blocks[index] = storage->handlers->_realloc(storage, blocks[index], 2 * MIB, 6 * MIB);
            cr_assert_not_null(blocks[index]);
            cr_assert(is_aligned_to(blocks[index], ZEND_MM_SEGMENT_SIZE));
        }
        for (int index = 0; index < 3; index++) {
            cr_assert_eq(blocks[index][0], index + 1);
            cr_assert_eq(blocks[index][2 * MIB - 1], index + 1);
            cr_assert(is_zeroed(blocks[index] + 2 * MIB, 4 * MIB));
            storage->handlers->_free(storage, blocks[index], 6 * MIB);
        }
        storage->handlers->dtor(storage);
    }
}

Test(storage, growing_to_an_impossible_size_leaves_the_block_as_it_was)
{
    for (int number = 1; number <= 2; number++) {
        zend_mm_storage *storage = open_storage(&zend_mm_storage_types[number]);
        unsigned char *block = storage->handlers->_alloc(storage, 2 * MIB);
        cr_assert_not_null(block);
        block[5] = 55;
        cr_assert_null(storage->handlers->_realloc(storage, block, 2 * MIB,
            unknown(SIZE_MAX / 2 & ~(size_t)4095)));
        cr_assert_null(storage->handlers->_realloc(storage, block, 2 * MIB,
            unknown(SIZE_MAX & ~(size_t)4095)));
        cr_assert_eq(block[5], 55);
        memset(block, 1, 2 * MIB);
        storage->handlers->_free(storage, block, 2 * MIB);
        storage->handlers->dtor(storage);
    }
}

Test(storage, giving_memory_back_keeps_errno)
{
    for (int number = 0; number < 3; number++) {
        zend_mm_storage *storage = open_storage(&zend_mm_storage_types[number]);
        void *block = storage->handlers->_alloc(storage, 2 * MIB);
        cr_assert_not_null(block);
        errno = 77;
        storage->handlers->_free(storage, block, 2 * MIB);
        cr_assert_eq(errno, 77);
        storage->handlers->dtor(storage);
    }
}

Test(storage, the_descriptor_of_mmap_zero_is_opened_once)
{
    int file = zend_mm_os_zero_file();
    cr_assert_geq(file, 0);
    cr_assert_eq(zend_mm_os_zero_file(), file);
}

Test(storage, every_heap_works_on_every_storage)
{
    for (const zend_mm_storage_type *type = zend_mm_storage_types; type->handlers.name; type++) {
        zend_mm_heap *heap = zend_mm_startup_ex(&type->handlers, ZEND_MM_SEGMENT_SIZE,
            ZEND_MM_DEFAULT_RESERVE_SIZE, 0, NULL);
        cr_assert_not_null(heap);
        for (size_t size = 1; size < 16 * MIB; size = size * 2 + 1) {
            unsigned char *block = zend_mm_alloc(heap, size);
            memset(block, 0x77, size);
            block = zend_mm_realloc(heap, block, size * 2);
            cr_assert_eq(block[size - 1], 0x77);
            zend_mm_free(heap, block);
        }
        check_valid(heap);
        zend_mm_shutdown(heap, 1, 1);
    }
}
