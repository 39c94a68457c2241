/* USE_ZEND_ALLOC=0 with USE_TRACKED_ALLOC=1: blocks of the C library under limit and request end. */
#include "config.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "alloc/block_table.h"
#include "alloc/process_limit.h"
#include "tests/unit/alloc_support.h"

static void begin(void)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    setenv("USE_TRACKED_ALLOC", "1", 1);
    begin_memory_manager();
    zend_mm_set_error_callback(hear);
}

TestSuite(tracked, .init = begin, .timeout = 60);

static bool fails(size_t size)
{
    volatile bool bailed_out = false;
    zend_try {
        efree(emalloc(unknown(size)));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    return bailed_out;
}

Test(tracked, every_block_is_remembered_and_counted)
{
    void *block = emalloc(unknown(100));
    cr_assert_not(is_zend_mm());
    cr_assert_eq(usage(0), 100u);
    cr_assert_eq(usage(1), 100u);
    cr_assert_eq(zend_mem_block_size(block), 100u);
    block = erealloc(block, unknown(1000));
    cr_assert_eq(usage(0), 1000u);
    block = erealloc(block, unknown(10));
    cr_assert_eq(usage(0), 10u);
    cr_assert_eq(peak_usage(0), 1000u);
    efree(block);
    efree(NULL);
    cr_assert_eq(usage(0), 0u);
}

Test(tracked, sizes_of_0_are_blocks)
{
    void *a = emalloc(unknown(0)), *b = erealloc(NULL, unknown(0));
    cr_assert_neq(a, b);
    a = erealloc(a, unknown(0));
    cr_assert_not_null(a);
    efree(a);
    efree(b);
    cr_assert_eq(usage(0), 0u);
}

Test(tracked, the_limit_holds_to_the_byte)
{
    cr_assert(zend_set_memory_limit(MIB));
    void *block = emalloc(unknown(MIB));
    cr_assert(fails(1));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_LIMIT);
    cr_assert_str_eq(heard.message,
        "Allowed memory size of 1048576 bytes exhausted (tried to allocate 1 bytes)");
    cr_assert_null(erealloc_recoverable(block, unknown(MIB + 1)));
    cr_assert_eq(usage(0), MIB);
    efree(block);
    cr_assert_not(fails(MIB));
    cr_assert_eq(heard.count, 1);
}

static void allocate(void)
{
    efree(emalloc(unknown(3000)));
}

Test(tracked, while_an_error_is_reported_the_limit_is_lifted)
{
    cr_assert(zend_set_memory_limit(MIB));
    cr_assert_not_null(emalloc(unknown(MIB)));
    heard.meanwhile = allocate;
    cr_assert(fails(1));
    cr_assert(fails(1));
    cr_assert_eq(heard.count, 2);
}

Test(tracked, the_process_limit_counts_them)
{
    cr_assert(zend_mm_set_process_limit(MIB));
    void *block = emalloc(unknown(MIB));
    cr_assert_eq(zend_mm_process_usage(), MIB);
    cr_assert(fails(1));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_PROCESS_LIMIT);
    efree(block);
    cr_assert_eq(zend_mm_process_usage(), 0u);
}

Test(tracked, is_zend_ptr_knows_the_blocks)
{
    char *block = emalloc(unknown(100));
    cr_assert(is_zend_ptr(block));
    cr_assert_not(is_zend_ptr(block + 8));
    efree(block);
    cr_assert_not(is_zend_ptr(&block));
}

Test(tracked, a_silent_request_end_frees_the_survivors)
{
    for (size_t size = 1; size < 1000; size++) {
        cr_assert_not_null(emalloc(unknown(size)));
    }
    end_request();      /* LeakSanitizer looks whether that is so */
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(peak_usage(1), 0u);
    cr_assert_eq(zend_mm_get_heap()->tracked->count, 0u);
    cr_assert_not_null(emalloc(unknown(100)));
    end_memory_manager();
    cr_assert_eq(zend_mm_process_usage(), 0u);
}

Test(tracked, another_request_end_forgets_them_for_a_leak_checker)
{
    char *block = emalloc(unknown(100));
    block[0] = 'x';
    TSRMLS_FETCH();
    shutdown_memory_manager(0, 0 TSRMLS_CC);
    cr_assert_eq(block[0], 'x');
    cr_assert_eq(usage(0), 0u);
    free(block);
}

Test(tracked, an_alignment_beyond_mallocs_is_refused)
{
    void *block = emalloc_aligned(16, unknown(100));
    cr_assert(is_aligned_to(block, 16));
    efree(block);
    cr_assert_null(zend_mm_try_alloc_aligned(zend_mm_get_heap(), 64, 100));
}

Test(tracked_alone, without_use_zend_alloc_0_it_is_ignored)
{
    setenv("USE_TRACKED_ALLOC", "1", 1);
    begin_memory_manager();
    cr_assert(is_zend_mm());
    cr_assert_null(zend_mm_get_heap()->tracked);
}

/* ---- USE_ZEND_ALLOC_HUGE_PAGES ---- */

/* Does /proc/self/smaps say that `address` lies in a mapping advised to have huge pages? */
static bool is_advised(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool is_here = false, advised = false;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            is_here = number_of(address) >= start && number_of(address) < end;
        } else if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
            advised = advised || strstr(line, " hg") != NULL;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return advised;
}

static bool system_has_huge_pages(void)
{
    return access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) == 0
        && access("/proc/self/smaps", R_OK) == 0;
}

Test(huge_pages, all_mappings_are_advised_to_have_them)
{
    if (!system_has_huge_pages()) {
        cr_skip_test("this system has no transparent huge pages");
    }
    setenv("USE_ZEND_ALLOC_HUGE_PAGES", "1", 1);
    begin_memory_manager();
    char *small = emalloc(unknown(100)), *huge = emalloc(unknown(5 * MIB));
    small[0] = huge[0] = 1;
    cr_assert(is_advised(small));
    cr_assert(is_advised(huge));
    cr_assert(zend_mm_segment_rest_of(zend_mm_segment_of(small))->has_huge_pages,
        "the first segment is advised before its first page is touched");
}

Test(huge_pages, without_the_variable_or_with_0_they_are_not)
{
    if (!system_has_huge_pages()) {
        cr_skip_test("this system has no transparent huge pages");
    }
    setenv("USE_ZEND_ALLOC_HUGE_PAGES", "0", 1);
    begin_memory_manager();
    char *huge = emalloc(unknown(5 * MIB));
    huge[0] = 1;
    cr_assert_not(is_advised(huge));
}
