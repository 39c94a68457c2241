/* The operating-system calls of tsrm/. */
#include "config.h"

#include <criterion/criterion.h>

#include "tsrm/os.h"

static bool refuse_all(size_t size)
{
    (void)size;
    return false;
}

Test(tsrm_os, memory_is_zeroed_and_starts_a_cache_line)
{
    size_t size;

    for (size = 0; size < 1000; size += 37) {
        unsigned char *memory = tsrm_os_alloc(size);
        size_t i;

        cr_assert_not_null(memory);
        cr_assert_eq((uintptr_t)memory % TSRM_OS_ALIGNMENT, 0);
        for (i = 0; i < size; i++) {
            cr_assert_eq(memory[i], 0);
            memory[i] = 0xAA;
        }
        tsrm_os_free(memory);
    }
}

Test(tsrm_os, zero_bytes_have_an_address_of_their_own)
{
    void *a = tsrm_os_alloc(0);
    void *b = tsrm_os_alloc(0);

    cr_assert(a != NULL && b != NULL && a != b);
    tsrm_os_free(a);
    tsrm_os_free(b);
}

Test(tsrm_os, sizes_that_cannot_be_rounded_up_are_refused)
{
    cr_assert_null(tsrm_os_alloc(SIZE_MAX));
    cr_assert_null(tsrm_os_alloc(SIZE_MAX - 1));
}

Test(tsrm_os, the_hook_makes_allocations_fail_and_can_be_removed)
{
    void *memory;

    tsrm_os_set_alloc_hook(refuse_all);
    cr_assert_null(tsrm_os_alloc(1));
    cr_assert_null(tsrm_os_reserve(4096));
    cr_assert_not(tsrm_os_value_create(NULL));
    tsrm_os_set_alloc_hook(NULL);
    memory = tsrm_os_reserve(4096);
    cr_assert_not_null(memory);
    tsrm_os_unreserve(memory, 4096);
}

Test(tsrm_os, the_thread_value_is_null_before_its_key_is_made)
{
    int mine = 0;

    cr_assert_null(tsrm_os_value_get());
    cr_assert(tsrm_os_value_create(NULL));
    cr_assert_null(tsrm_os_value_get());
    cr_assert(tsrm_os_value_set(&mine));
    cr_assert_eq(tsrm_os_value_get(), &mine);
    cr_assert(tsrm_os_value_set(NULL));
}

Test(tsrm_os, the_clock_does_not_go_back)
{
    uint64_t before = tsrm_os_clock_ns();
    int i;

    for (i = 0; i < 1000; i++) {
        uint64_t now = tsrm_os_clock_ns();

        cr_assert_geq(now, before);
        before = now;
    }
    cr_assert_gt(before, 0);
}
