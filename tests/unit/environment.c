/* The environment: how sizes are read, and what each variable sets. What a wrong value does to the
 * process is in tests/death/environment.c. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/environment.h"
#include "tests/unit/alloc_support.h"

static void begin(void)
{
    unsetenv("USE_ZEND_ALLOC");
    unsetenv("ZEND_MM_MEM_TYPE");
    unsetenv("ZEND_MM_SEG_SIZE");
    unsetenv("ZEND_MM_COMPACT");
    unsetenv("ZEND_MM_REMOTE_FREE");
}

TestSuite(environment, .init = begin, .timeout = 60);

static void set(const char *name, const char *value)
{
    cr_assert_eq(setenv(name, value, 1), 0);
}

Test(environment, a_size_is_decimal_hex_or_octal)
{
    cr_assert_eq(zend_mm_parse_size("0"), 0);
    cr_assert_eq(zend_mm_parse_size("4711"), 4711);
    cr_assert_eq(zend_mm_parse_size("0x200000"), 0x200000);
    cr_assert_eq(zend_mm_parse_size("010"), 8);
    cr_assert_eq(zend_mm_parse_size("-5"), -5);
    cr_assert_eq(zend_mm_parse_size(" 12"), 12);
}

Test(environment, a_size_may_end_with_k_m_or_g_in_either_case)
{
    cr_assert_eq(zend_mm_parse_size("3k"), 3 * 1024);
    cr_assert_eq(zend_mm_parse_size("3K"), 3 * 1024);
    cr_assert_eq(zend_mm_parse_size("3m"), 3 * 1024 * 1024);
    cr_assert_eq(zend_mm_parse_size("3M"), 3 * 1024 * 1024);
    cr_assert_eq(zend_mm_parse_size("3g"), INT64_C(3) * 1024 * 1024 * 1024);
    cr_assert_eq(zend_mm_parse_size("3G"), INT64_C(3) * 1024 * 1024 * 1024);
    cr_assert_eq(zend_mm_parse_size("0x10k"), 16 * 1024);
    cr_assert_eq(zend_mm_parse_size("-1k"), -1024);
    cr_assert_eq(zend_mm_parse_size("2 m"), 2 * 1024 * 1024);
}

Test(environment, text_without_a_number_is_0)
{
    cr_assert_eq(zend_mm_parse_size(""), 0);
    cr_assert_eq(zend_mm_parse_size("m"), 0);
    cr_assert_eq(zend_mm_parse_size("no"), 0);
    cr_assert_eq(zend_mm_parse_size("off"), 0);
    cr_assert_eq(zend_mm_parse_size("yes"), 0);
}

Test(environment, a_size_that_does_not_fit_is_clamped)
{
    cr_assert_eq(zend_mm_parse_size("99999999999999999999"), INT64_MAX);
    cr_assert_eq(zend_mm_parse_size("-99999999999999999999"), INT64_MIN);
    cr_assert_eq(zend_mm_parse_size("9223372036854775807g"), INT64_MAX);
    cr_assert_eq(zend_mm_parse_size("-9223372036854775807g"), INT64_MIN);
}

Test(environment, nothing_set_means_mmap_anon_2_mib_and_the_5x_compact_size)
{
    zend_mm_settings settings = zend_mm_environment_settings();
    cr_assert_str_eq(settings.storage->handlers.name, "mmap_anon");
    cr_assert_eq(settings.block_size, 2 * MIB);
    cr_assert_eq(settings.compact_size, 2 * MIB);
}

Test(environment, the_storage_is_the_one_named)
{
    const char *names[] = { "malloc", "mmap_anon", "mmap_zero" };
    for (size_t index = 0; index < 3; index++) {
        set("ZEND_MM_MEM_TYPE", names[index]);
        cr_assert_str_eq(zend_mm_environment_settings().storage->handlers.name, names[index]);
    }
}

Test(environment, the_segment_size_may_have_a_unit)
{
    set("ZEND_MM_SEG_SIZE", "2097152");
    cr_assert_eq(zend_mm_environment_settings().block_size, 2 * MIB);
    set("ZEND_MM_SEG_SIZE", "8M");
    cr_assert_eq(zend_mm_environment_settings().block_size, 8 * MIB);
    set("ZEND_MM_SEG_SIZE", "1g");
    cr_assert_eq(zend_mm_environment_settings().block_size, 1024 * MIB);
}

Test(environment, the_compact_size_is_read_and_0_or_less_means_never)
{
    set("ZEND_MM_COMPACT", "16m");
    cr_assert_eq(zend_mm_environment_settings().compact_size, 16 * MIB);
    set("ZEND_MM_COMPACT", "0");
    cr_assert_eq(zend_mm_environment_settings().compact_size, 0u);
    set("ZEND_MM_COMPACT", "-1");
    cr_assert_eq(zend_mm_environment_settings().compact_size, 0u);
    set("ZEND_MM_COMPACT", "never");
    cr_assert_eq(zend_mm_environment_settings().compact_size, 0u);
}

Test(environment, the_allocator_is_off_when_its_variable_is_numerically_0)
{
    const char *off[] = { "0", "no", "off", "", "false", "0x0", "0k" };
    cr_assert(zend_mm_environment_use_zend_alloc());
    for (size_t index = 0; index < sizeof off / sizeof off[0]; index++) {
        set("USE_ZEND_ALLOC", off[index]);
        cr_assert_not(zend_mm_environment_use_zend_alloc(), "'%s'", off[index]);
    }
}

Test(environment, the_allocator_is_on_for_any_other_number)
{
    const char *on[] = { "1", "-1", "2", "1k", "0x1" };
    for (size_t index = 0; index < sizeof on / sizeof on[0]; index++) {
        set("USE_ZEND_ALLOC", on[index]);
        cr_assert(zend_mm_environment_use_zend_alloc(), "'%s'", on[index]);
    }
}

Test(environment, remote_frees_are_accepted_unless_the_variable_says_panic)
{
    cr_assert_not(zend_mm_environment_remote_free_panics());
    set("ZEND_MM_REMOTE_FREE", "accept");
    cr_assert_not(zend_mm_environment_remote_free_panics());
    set("ZEND_MM_REMOTE_FREE", "panic");
    cr_assert(zend_mm_environment_remote_free_panics());
}

Test(environment, the_variables_are_read_each_time_a_heap_is_made)
{
    set("ZEND_MM_MEM_TYPE", "mmap_zero");
    set("ZEND_MM_SEG_SIZE", "4m");
    zend_mm_heap *heap = zend_mm_startup();
    cr_assert_not_null(heap);
    cr_assert_str_eq(heap->storage->handlers->name, "mmap_zero");
    cr_assert_eq(heap->real_size, 4 * MIB);
    set("ZEND_MM_MEM_TYPE", "malloc");
    set("ZEND_MM_SEG_SIZE", "2m");
    set("ZEND_MM_COMPACT", "3m");
    zend_mm_heap *other = zend_mm_startup();
    cr_assert_not_null(other);
    cr_assert_str_eq(other->storage->handlers->name, "malloc");
    cr_assert_eq(other->real_size, 2 * MIB);
    cr_assert_eq(other->compact_size, 3 * MIB);
    zend_mm_shutdown(heap, 1, 1);
    zend_mm_shutdown(other, 1, 1);
}
