/* The persistent family: the C library's memory, and the pe* macros that choose. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

TestSuite(persistent, .init = begin_memory_manager, .fini = end_memory_manager, .timeout = 60);

Test(persistent, blocks_are_the_c_librarys)
{
    char *block = __zend_malloc(unknown(100));
    cr_assert_not_null(block);
    cr_assert_not(is_zend_ptr(block));
    memset(block, 1, 100);
    block = __zend_realloc(block, unknown(1000));
    cr_assert_not_null(block);
    cr_assert_eq(block[99], 1);
    free(block);
    cr_assert_eq(usage(0), 0u);
}

Test(persistent, calloc_is_zeroed)
{
    char *block = __zend_calloc(unknown(30), 10);
    for (int index = 0; index < 300; index++) {
        cr_assert_eq(block[index], 0);
    }
    free(block);
}

Test(persistent, strings_are_copied_with_their_end)
{
    char *copy = __zend_strdup("tsrmalloc");
    cr_assert_str_eq(copy, "tsrmalloc");
    free(copy);
    copy = zend_strndup("tsrmalloc", 4);
    cr_assert_str_eq(copy, "tsrm");
    free(copy);
    copy = zend_strndup("", 0);
    cr_assert_str_eq(copy, "");
    free(copy);
    copy = zend_strndup("a\0b", 3);
    cr_assert_eq(memcmp(copy, "a\0b", 4), 0);
    free(copy);
}

Test(persistent, safe_sizes_are_product_plus_offset)
{
    char *block = safe_malloc(unknown(10), 20, 3);
    memset(block, 1, 203);
    block = safe_realloc(block, unknown(30), 20, 5);
    cr_assert_eq(block[202], 1);
    memset(block, 1, 605);
    free(block);
}

/* Every macro, once with the heap and once with the C library. */
Test(persistent, the_pe_macros_choose_by_their_last_argument)
{
    for (int persistent = 0; persistent <= 1; persistent++) {
        char *block = pemalloc(unknown(100), persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        memset(block, 7, 100);
        block = perealloc(block, unknown(5000), persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        cr_assert_eq(block[99], 7);
        block = perealloc2(block, unknown(9000), 100, persistent);
        cr_assert_eq(block[99], 7);
        block = perealloc_recoverable(block, unknown(100), persistent);
        cr_assert_eq(block[99], 7);
        block = perealloc2_recoverable(block, unknown(200), 100, persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        cr_assert_eq(block[99], 7);
        block = safe_perealloc(block, unknown(10), 20, 30, persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        cr_assert_eq(block[99], 7);
        pefree(block, persistent);

        block = pecalloc(unknown(10), 10, persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        cr_assert_eq(block[0] | block[99], 0);
        pefree_size(block, 100, persistent);

        block = pestrdup("tsrmalloc", persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        cr_assert_str_eq(block, "tsrmalloc");
        pefree(block, persistent);

        block = pestrndup("tsrmalloc", 4, persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        cr_assert_str_eq(block, "tsrm");
        pefree(block, persistent);

        block = safe_pemalloc(unknown(10), 20, 30, persistent);
        cr_assert_eq(is_zend_ptr(block), !persistent);
        memset(block, 1, 230);
        pefree(block, persistent);
    }
    cr_assert_eq(usage(0), 0u);
}

Test(persistent, blocks_outlive_the_request)
{
    char *block = pestrdup("still here", 1);
    end_request();
    cr_assert_str_eq(block, "still here");
    free(block);
}
