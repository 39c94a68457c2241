/* Errors: zend_try frames, the callback, the texts, and that a heap goes on after an error. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/error.h"
#include "tests/unit/alloc_support.h"

static void begin(void)
{
    begin_memory_manager();
    cr_assert_null(zend_mm_set_error_callback(hear));
}

TestSuite(error, .init = begin, .timeout = 60);

static void *volatile lost;     /* the result of a call that does not return */

/* Runs a statement; true when it bailed out. */
#define bails_out(statement) \
    ({ \
        volatile bool bailed_ = false; \
        zend_try { \
            statement; \
        } zend_catch { \
            bailed_ = true; \
        } zend_end_try(); \
        bailed_; \
    })

static void fill_up(void)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    while (zend_mm_try_alloc(heap, 3000) != NULL) {
    }
    while (zend_mm_try_alloc(heap, 8) != NULL) {
    }
}

/* ---- frames ---- */

Test(error, a_try_block_that_ends_runs_no_catch)
{
    volatile int trace = 0;
    zend_try {
        trace += 1;
    } zend_catch {
        trace += 10;
    } zend_end_try();
    cr_assert_eq(trace, 1);
}

Test(error, bailing_out_goes_to_the_catch)
{
    volatile int trace = 0;
    zend_try {
        trace += 1;
        zend_bailout();
    } zend_catch {
        trace += 10;
    } zend_end_try();
    cr_assert_eq(trace, 11);
}

Test(error, frames_nest_and_the_innermost_is_left)
{
    volatile int trace = 0;
    zend_try {
        zend_try {
            zend_bailout();
        } zend_catch {
            trace += 1;
        } zend_end_try();
        trace += 10;
        zend_bailout();
    } zend_catch {
        trace += 100;
    } zend_end_try();
    cr_assert_eq(trace, 111);
}

Test(error, bailing_out_in_a_catch_goes_to_the_outer_frame)
{
    volatile int trace = 0;
    zend_try {
        zend_try {
            zend_bailout();
        } zend_catch {
            trace += 1;
            zend_bailout();
        } zend_end_try();
        trace += 10;
    } zend_catch {
        trace += 100;
    } zend_end_try();
    cr_assert_eq(trace, 101);
}

Test(error, a_try_without_a_catch_swallows_the_bailout)
{
    volatile int trace = 0;
    zend_try {
        zend_bailout();
        trace += 1;
    } zend_end_try();
    cr_assert_eq(trace, 0);
}

/* ---- the limit ---- */

Test(error, the_limit_error_names_the_limit_and_the_size)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    cr_assert(bails_out(lost = emalloc(unknown(5000001))));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_LIMIT);
    cr_assert_str_eq(heard.message,
        "Allowed memory size of 4194304 bytes exhausted (tried to allocate 5000001 bytes)");
}

static void check_limit_error_of(size_t size, const char *message)
{
    heard.message[0] = '\0';
    cr_assert(bails_out(lost = emalloc(size)));
    cr_assert_str_eq(heard.message, message);
}

Test(error, the_limit_error_names_the_size_that_was_asked_for)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    fill_up();
    fill_up();
    cr_assert_not_null(zend_mm_get_heap()->reserve);
    check_limit_error_of(unknown(100001),
        "Allowed memory size of 2097152 bytes exhausted (tried to allocate 100001 bytes)");
    fill_up();      /* the reserve is used up */
    check_limit_error_of(unknown(100),
        "Allowed memory size of 2097152 bytes exhausted (tried to allocate 100 bytes)");
}

Test(error, the_limit_error_of_ecalloc_names_the_product)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert(bails_out(lost = ecalloc(unknown(1000), 5003)));
    cr_assert_str_eq(heard.message,
        "Allowed memory size of 2097152 bytes exhausted (tried to allocate 5003000 bytes)");
}

Test(error, the_limit_error_of_erealloc_names_the_new_size_and_keeps_the_block)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    char *block = emalloc(unknown(100000));
    memset(block, 0x5c, 100000);
    cr_assert(bails_out(lost = erealloc(block, unknown(7654321))));
    cr_assert_str_eq(heard.message,
        "Allowed memory size of 4194304 bytes exhausted (tried to allocate 7654321 bytes)");
    cr_assert_eq(block[99999], 0x5c);
    check_valid(zend_mm_get_heap());
    efree(block);
}

Test(error, recoverable_calls_give_null_and_report_nothing)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    char *block = emalloc(unknown(100));
    memset(block, 0x5c, 100);
    cr_assert_null(erealloc_recoverable(block, unknown(9 * MIB)));
    cr_assert_null(erealloc2_recoverable(block, unknown(9 * MIB), 100));
    cr_assert_null(erealloc_recoverable(NULL, unknown(9 * MIB)));
    cr_assert_null(zend_mm_try_alloc(zend_mm_get_heap(), 9 * MIB));
    cr_assert_null(zend_mm_try_realloc(zend_mm_get_heap(), block, 9 * MIB));
    cr_assert_eq(heard.count, 0);
    cr_assert_eq(block[99], 0x5c);
    efree(block);
}

Test(error, the_heap_is_consistent_and_goes_on_after_an_error)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    void *block = emalloc(unknown(100000));
    size_t before = usage(0);
    for (int round = 1; round <= 5; round++) {
        cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))));
        cr_assert_eq(heard.count, round, "a second error is reported like the first");
        cr_assert_eq(usage(0), before);
        check_valid(zend_mm_get_heap());
        efree(emalloc(unknown(1000)));
    }
    efree(block);
    end_request();
    cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))));
    cr_assert_eq(heard.count, 6);
}

static size_t held_in_callback;

static void allocate_a_lot(void)
{
    for (int number = 0; number < 4; number++) {
        memset(emalloc(unknown(3 * MIB)), 1, 3 * MIB);
    }
    memset(emalloc(unknown(1000)), 1, 1000);
    held_in_callback = usage(1);
}

Test(error, while_the_error_is_reported_allocations_pass_the_limit)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    heard.meanwhile = allocate_a_lot;
    cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))));
    cr_assert_geq(held_in_callback, 14 * MIB);
    cr_assert_eq(heard.count, 1);
    heard.meanwhile = NULL;
    cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))), "the limit holds again");
    cr_assert_eq(heard.count, 2);
    check_valid(zend_mm_get_heap());
    end_request();
    cr_assert_eq(usage(1), 2 * MIB);
}

static void allocate_a_little(void)
{
    memset(emalloc(unknown(1000)), 1, 1000);
    held_in_callback = usage(1);
}

Test(error, at_the_limit_the_callback_has_the_reserve)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    fill_up();
    heard.meanwhile = allocate_a_little;
    cr_assert(bails_out(lost = emalloc(unknown(100000))));
    cr_assert_eq(held_in_callback, 2 * MIB);
    check_valid(zend_mm_get_heap());
}

static void bail(void)
{
    zend_bailout();
}

static void allocate_and_free(void)
{
    held_in_callback = 0;
    efree(emalloc(unknown(500)));
    held_in_callback = usage(1);
}

Test(error, each_further_error_of_a_request_finds_the_reserve_again)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    fill_up();
    heard.meanwhile = allocate_and_free;
    for (int number = 1; number <= 3; number++) {
        cr_assert(bails_out(lost = emalloc(unknown(100000))));
        cr_assert_eq(heard.count, number);
        cr_assert_eq(held_in_callback, 2 * MIB);
        cr_assert_not_null(zend_mm_get_heap()->reserve);
    }
    check_valid(zend_mm_get_heap());
}

Test(error, a_callback_that_bails_out_itself_ends_the_same_way)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    heard.meanwhile = bail;
    for (int round = 1; round <= 3; round++) {
        cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))));
        cr_assert_eq(heard.count, round);
        check_valid(zend_mm_get_heap());
    }
    heard.meanwhile = NULL;
    cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))), "the limit holds again");
}

/* The limit is lifted, but a size that nothing can serve fails all the same. */
static void fail_again(void)
{
    lost = emalloc(unknown(SIZE_MAX / 2));
    held_in_callback = 1;
}

Test(error, a_second_error_inside_the_callback_leaves_it)
{
    cr_assert(zend_set_memory_limit(4 * MIB));
    heard.meanwhile = fail_again;
    held_in_callback = 0;
    cr_assert(bails_out(lost = emalloc(unknown(9 * MIB))));
    cr_assert_eq(heard.count, 1);
    cr_assert_eq(held_in_callback, 0u);
    check_valid(zend_mm_get_heap());
    efree(emalloc(unknown(100)));
}

Test(error, garbage_is_collected_before_an_error)
{
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    cr_assert(zend_set_memory_limit(2 * MIB));
    for (int number = 0; number < COUNT; number++) {
        blocks[number] = emalloc(unknown(64));
    }
    for (int number = 0; number < COUNT; number++) {
        efree(blocks[number]);
    }
    efree(emalloc(unknown(MIB)));
    cr_assert_eq(heard.count, 0);
}

/* ---- out of memory, overflow ---- */

Test(error, the_out_of_memory_error_names_what_is_held_and_the_size)
{
    cr_assert(bails_out(lost = emalloc(unknown(SIZE_MAX / 2))));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    cr_assert_str_eq(heard.message, "Out of memory (allocated 2097152 bytes) "
        "(tried to allocate 9223372036854775807 bytes)");
    efree(emalloc(unknown(100)));
    check_valid(zend_mm_get_heap());
}

Test(error, a_size_that_rounds_to_more_than_there_is_is_an_overflow)
{
    cr_assert(bails_out(lost = emalloc(unknown(SIZE_MAX))));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OVERFLOW);
    cr_assert_str_eq(heard.message, "Possible integer overflow in memory allocation "
        "(18446744073709551615 + 4096)");
}

static void check_overflow(const char *message)
{
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OVERFLOW);
    cr_assert_str_eq(heard.message, message);
    heard.message[0] = '\0';
    check_valid(zend_mm_get_heap());
}

#define OVERFLOW "Possible integer overflow in memory allocation "

Test(error, an_overflow_names_its_three_numbers)
{
    size_t half = unknown((size_t)1 << 63);
    cr_assert(bails_out(lost = safe_emalloc(half, 2, 5)));
    check_overflow(OVERFLOW "(9223372036854775808 * 2 + 5)");
    cr_assert(bails_out(lost = safe_emalloc(1, half, half)));
    check_overflow(OVERFLOW "(1 * 9223372036854775808 + 9223372036854775808)");
    cr_assert(bails_out(lost = ecalloc(half, 4)));
    check_overflow(OVERFLOW "(9223372036854775808 * 4 + 0)");
    cr_assert(bails_out(lost = safe_erealloc(NULL, half, 2, 0)));
    check_overflow(OVERFLOW "(9223372036854775808 * 2 + 0)");
    cr_assert(bails_out(lost = safe_malloc(half, 2, 1)));
    check_overflow(OVERFLOW "(9223372036854775808 * 2 + 1)");
    cr_assert(bails_out(lost = safe_realloc(NULL, half, 2, 1)));
    check_overflow(OVERFLOW "(9223372036854775808 * 2 + 1)");
    cr_assert(bails_out(lost = estrndup("x", unknown(SIZE_MAX))));
    check_overflow(OVERFLOW "(1 * 18446744073709551615 + 1)");
    cr_assert(bails_out(lost = zend_strndup("x", unknown(SIZE_MAX))));
    check_overflow(OVERFLOW "(1 * 18446744073709551615 + 1)");
    cr_assert_eq(heard.count, 8);
}

Test(error, safe_erealloc_that_overflows_keeps_the_block)
{
    char *block = estrdup("kept");
    cr_assert(bails_out(lost = safe_erealloc(block, unknown(SIZE_MAX), 2, 0)));
    cr_assert_str_eq(block, "kept");
    efree(block);
}

/* ---- the callback ---- */

static void other_callback(zend_mm_error_kind kind, const char *message)
{
    (void)kind, (void)message;
}

Test(error, setting_the_callback_returns_the_one_before)
{
    cr_assert_eq(zend_mm_set_error_callback(other_callback), hear);
    cr_assert_eq(zend_mm_set_error_callback(NULL), other_callback);
    cr_assert_null(zend_mm_set_error_callback(hear));
}
