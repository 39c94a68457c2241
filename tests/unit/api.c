/* The e* family as a user calls it. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/alloc_support.h"

static void end(void)
{
    check_valid(zend_mm_get_heap());
    end_memory_manager();
}

TestSuite(api, .init = begin_memory_manager, .fini = end, .timeout = 60);

/* Sizes around every boundary. */
static const size_t sizes[] = { 0, 1, 7, 8, 9, 15, 16, 17, 24, 63, 64, 65, 100, 128, 129, 1000,
    1024, 3071, 3072, 3073, 4095, 4096, 4097, 8192, 100000, ZEND_MM_MAX_LARGE_SIZE - 1,
    ZEND_MM_MAX_LARGE_SIZE, ZEND_MM_MAX_LARGE_SIZE + 1, 2 * MIB, 2 * MIB + 1, 5 * MIB };
#define SIZE_COUNT (sizeof sizes / sizeof sizes[0])

/* ---- the constants ---- */

Test(api, sizes_are_rounded_up_to_an_alignment)
{
    cr_assert_eq(ZEND_MM_ALIGNED_SIZE(0), 0u);
    cr_assert_eq(ZEND_MM_ALIGNED_SIZE(1), 8u);
    cr_assert_eq(ZEND_MM_ALIGNED_SIZE(unknown(16)), 16u);
    cr_assert_eq(ZEND_MM_ALIGNED_SIZE_EX(unknown(4097), 4096), 8192u);
    cr_assert_eq((size_t)1 << ZEND_MM_ALIGNMENT_LOG2, ZEND_MM_ALIGNMENT);
    cr_assert_eq(23 & ZEND_MM_ALIGNMENT_MASK, 16u);
}

/* ---- emalloc, efree ---- */

Test(api, any_size_is_a_unique_block_that_can_be_written_and_freed)
{
    static unsigned char *blocks[SIZE_COUNT * 3];
    for (size_t index = 0; index < SIZE_COUNT * 3; index++) {
        size_t size = sizes[index % SIZE_COUNT];
        blocks[index] = emalloc(size);
        cr_assert_not_null(blocks[index]);
        memset(blocks[index], (int)index, size);
        for (size_t before = 0; before < index; before++) {
            cr_assert_neq(number_of(blocks[before]), number_of(blocks[index]));
        }
    }
    for (size_t index = 0; index < SIZE_COUNT * 3; index++) {
        size_t size = sizes[index % SIZE_COUNT];
        cr_assert(size == 0 || blocks[index][0] == index);
        cr_assert(size == 0 || blocks[index][size - 1] == index);
        efree(blocks[index]);
    }
    cr_assert_eq(usage(0), 0u);
}

Test(api, every_size_up_to_two_pages_gets_a_block_that_holds_it)
{
    for (size_t size = 0; size <= 8192; size++) {
        void *block = emalloc(unknown(size));
        cr_assert_geq(zend_mem_block_size(block), size);
        cr_assert(is_aligned_to(block, ZEND_MM_ALIGNMENT));
        cr_assert(size == 0 || size % 16 != 0 || is_aligned_to(block, 16), "size %zu", size);
        memset(block, 0xff, size);
        if (size % 3 == 0) {
            efree(block);
        }
    }
    check_valid(zend_mm_get_heap());
}

Test(api, large_blocks_are_page_aligned_and_huge_ones_2_mib_aligned)
{
    cr_assert(is_aligned_to(emalloc(unknown(3073)), ZEND_MM_PAGE_SIZE));
    cr_assert(is_aligned_to(emalloc(unknown(MIB)), ZEND_MM_PAGE_SIZE));
    cr_assert(is_aligned_to(emalloc(unknown(2 * MIB)), ZEND_MM_SEGMENT_SIZE));
}

Test(api, null_can_be_freed)
{
    efree(NULL);
    efree_size(NULL, 100);
    _efree_large(NULL, 5000);
    _efree_huge(NULL, 5 * MIB);
    cr_assert_eq(usage(0), 0u);
}

Test(api, efree_keeps_errno)
{
    for (size_t index = 0; index < SIZE_COUNT; index++) {
        void *block = emalloc(sizes[index]);
        errno = 77;
        efree(block);
        cr_assert_eq(errno, 77, "size %zu", sizes[index]);
    }
    errno = 78;
    efree(emalloc(unknown(70 * MIB)));
    cr_assert_eq(errno, 78);
    errno = 79;
    efree(NULL);
    cr_assert_eq(errno, 79);
}

Test(api, the_block_that_was_freed_last_is_given_next)
{
    void *a = emalloc(unknown(100)), *b = emalloc(unknown(100));
    uintptr_t of_a = number_of(a), of_b = number_of(b);
    efree(a);
    efree(b);
    cr_assert_eq(number_of(emalloc(unknown(100))), of_b);
    cr_assert_eq(number_of(emalloc(unknown(100))), of_a);
}

Test(api, fresh_blocks_of_one_bin_follow_each_other)
{
    uintptr_t before = number_of(emalloc(unknown(100)));
    for (int count = 1; count < 36; count++) {
        uintptr_t next = number_of(emalloc(unknown(100)));
        cr_assert_eq(next, before + 112);
        before = next;
    }
}

/* ---- constant sizes ---- */

Test(api, every_constant_size_function_uses_the_bin_of_its_size)
{
#define CHECK_BIN(index, slot_size, slots, pages) \
    { \
        void *block = _emalloc_##slot_size(); \
        uintptr_t address = number_of(block); \
        cr_assert_eq(zend_mem_block_size(block), (size_t)slot_size); \
        memset(block, 1, slot_size); \
        _efree_##slot_size(block); \
        cr_assert_eq(number_of(_emalloc(unknown(slot_size) ZEND_MM_HERE)), address); \
        _efree((void *)address ZEND_MM_HERE); \
        cr_assert_eq(number_of(_emalloc_##slot_size()), address); \
        _efree_##slot_size((void *)address); \
    }
    ZEND_MM_BINS(CHECK_BIN)
#undef CHECK_BIN
    cr_assert_eq(usage(0), 0u);
}

/* The macros use them where the compiler sees a constant; here they are called as functions. */
Test(api, the_inline_choosers_agree_with_emalloc_for_every_size)
{
    for (size_t size = 0; size <= 5000; size++) {
        void *block = zend_mm_emalloc_constant(size);
        void *other = _emalloc(unknown(size) ZEND_MM_HERE);
        cr_assert_eq(zend_mem_block_size(block), zend_mem_block_size(other), "size %zu", size);
        zend_mm_efree_constant(block, size);
        zend_mm_efree_constant(other, size);
    }
    cr_assert_eq(usage(0), 0u);
}

Test(api, the_macros_with_constants_give_the_same_blocks)
{
    void *block = emalloc(24);
    cr_assert_eq(zend_mem_block_size(block), 24u);
    efree_size(block, 24);
    block = emalloc(0);
    cr_assert_eq(zend_mem_block_size(block), 8u);
    efree_size(block, 0);
    block = emalloc(3072);
    cr_assert_eq(zend_mem_block_size(block), 3072u);
    efree_size(block, 3072);
    block = emalloc(3073);
    cr_assert_eq(zend_mem_block_size(block), 4096u);
    efree_size(block, 3073);
    cr_assert_eq(usage(0), 0u);
}

Test(api, the_name_a_caller_picks_does_not_decide_the_kind)
{
    for (size_t index = 0; index < SIZE_COUNT; index++) {
        void *large = emalloc_large(sizes[index]), *huge = emalloc_huge(sizes[index]);
        void *plain = emalloc(sizes[index]);
        cr_assert_eq(zend_mem_block_size(large), zend_mem_block_size(plain));
        cr_assert_eq(zend_mem_block_size(huge), zend_mem_block_size(plain));
        _efree_huge(large, sizes[index]);
        _efree_large(huge, sizes[index]);
        _efree_8(plain);
    }
    cr_assert_eq(usage(0), 0u);
}

/* ---- ecalloc, safe_*, strings ---- */

Test(api, ecalloc_is_zeroed_even_where_a_block_was_used_before)
{
    for (size_t index = 0; index < SIZE_COUNT; index++) {
        unsigned char *block = emalloc(sizes[index]);
        memset(block, 0xff, sizes[index]);
        efree(block);
        block = ecalloc(unknown(1), sizes[index]);
        for (size_t offset = 0; offset < sizes[index]; offset++) {
            cr_assert_eq(block[offset], 0);
        }
        efree(block);
    }
}

Test(api, ecalloc_of_nothing_is_a_block)
{
    void *a = ecalloc(unknown(0), 100), *b = ecalloc(unknown(100), 0);
    cr_assert_not_null(a);
    cr_assert_neq(number_of(a), number_of(b));
    efree(a);
    efree(b);
}

Test(api, safe_sizes_are_product_plus_offset)
{
    void *block = safe_emalloc(unknown(10), 20, 3);
    cr_assert_eq(zend_mem_block_size(block), 224u);
    block = safe_erealloc(block, unknown(100), 50, 1);
    cr_assert_eq(zend_mem_block_size(block), 8192u);
    efree(block);
}

Test(api, strings_are_copied_with_their_end)
{
    char *copy = estrdup("tsrmalloc");
    cr_assert_str_eq(copy, "tsrmalloc");
    cr_assert(is_zend_ptr(copy));
    efree(copy);
    copy = estrndup("tsrmalloc", 4);
    cr_assert_str_eq(copy, "tsrm");
    efree(copy);
    copy = estrndup("a\0b", 3);
    cr_assert_eq(memcmp(copy, "a\0b", 4), 0);
    efree(copy);
    copy = estrdup("");
    cr_assert_str_eq(copy, "");
    efree(copy);
}

/* ---- erealloc ---- */

Test(api, erealloc_of_null_allocates)
{
    char *block = erealloc(NULL, unknown(100));
    memset(block, 1, 100);
    efree(block);
    block = erealloc2(NULL, unknown(100000), 0);
    memset(block, 1, 100000);
    efree(block);
}

Test(api, erealloc_to_0_gives_a_block_of_the_smallest_bin)
{
    void *block = erealloc(emalloc(unknown(5000)), unknown(0));
    cr_assert_not_null(block);
    cr_assert_eq(zend_mem_block_size(block), 8u);
    efree(block);
}

Test(api, within_its_bin_erealloc_leaves_the_block)
{
    uintptr_t address = number_of(emalloc(unknown(100)));
    cr_assert_eq(number_of(erealloc((void *)address, unknown(112))), address);
    cr_assert_eq(number_of(erealloc((void *)address, unknown(97))), address);
}

/* Both where the new bin has a free slot (the hot path) and where it has none. */
Test(api, erealloc_keeps_the_contents_between_all_sizes)
{
    for (int round = 0; round < 2; round++) {
        for (size_t from = 0; from < SIZE_COUNT; from++) {
            for (size_t to = 0; to < SIZE_COUNT; to++) {
                unsigned char *block = emalloc(sizes[from]);
                memset(block, (int)from + 1, sizes[from]);
                block = erealloc(block, sizes[to]);
                size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
                cr_assert(kept == 0 || (block[0] == from + 1 && block[kept - 1] == from + 1
                        && memcmp(block, block + 1, kept - 1) == 0),
                    "%zu to %zu", sizes[from], sizes[to]);
                efree(block);
            }
        }
    }
    cr_assert_eq(usage(0), 0u);
}

Test(api, erealloc_leaves_the_old_slot_free)
{
    uintptr_t spare = number_of(emalloc(unknown(200)));
    efree((void *)spare);
    uintptr_t before = number_of(emalloc(unknown(100)));
    cr_assert_eq(number_of(erealloc((void *)before, unknown(200))), spare);
    cr_assert_eq(number_of(emalloc(unknown(100))), before);
    cr_assert_eq(usage(0), 112u + 224u);
}

Test(api, erealloc2_copies_at_least_copy_size_bytes)
{
    static const size_t copies[] = { 0, 1, 50, 99, 100, 5000 };
    for (size_t index = 0; index < 6; index++) {
        unsigned char *block = emalloc(unknown(100));
        memset(block, 0x42, 100);
        block = erealloc2(block, unknown(2000), unknown(copies[index]));
        for (size_t offset = 0; offset < copies[index] && offset < 100; offset++) {
            cr_assert_eq(block[offset], 0x42);
        }
        efree(block);
    }
}

Test(api, erealloc2_to_a_smaller_size_writes_no_further)
{
    unsigned char *block = emalloc(unknown(3000)), *next;
    memset(block, 0x42, 3000);
    unsigned char *slot = emalloc(unknown(24));
    next = emalloc(unknown(24));
    memset(next, 0x11, 24);
    efree(slot);
    block = erealloc2(block, unknown(24), unknown(3000));
    cr_assert_eq(number_of(block), number_of(slot));
    cr_assert_eq(next[0], 0x11);
    efree(block);
    efree(next);
}

Test(api, a_block_grows_byte_by_byte_through_every_kind)
{
    unsigned char *block = emalloc(unknown(0));
    for (size_t size = 1; size < 20000; size++) {
        block = erealloc(block, unknown(size));
        block[size - 1] = (unsigned char)size;
    }
    for (size_t size = 1; size < 20000; size++) {
        cr_assert_eq(block[size - 1], (unsigned char)size);
    }
    efree(block);
}

/* ---- explicit heaps ---- */

Test(api, an_explicit_heap_is_used_beside_the_threads_own)
{
    zend_mm_heap *heap = new_heap();
    char *block = zend_mm_alloc(heap, 100);
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(zend_mm_heap_size(heap), 112u);
    block = zend_mm_realloc(heap, block, 5000);
    cr_assert_eq(zend_mm_block_size(heap, block), 8192u);
    zend_mm_free(heap, block);
    zend_mm_free(heap, NULL);
    cr_assert_not_null(zend_mm_realloc(heap, NULL, 24));
    cr_assert_eq(zend_mm_heap_size(heap), 24u);
    zend_mm_shutdown(heap, 1, 1);
}

Test(api, try_calls_give_null_instead_of_an_error)
{
    zend_mm_heap *heap = new_heap();
    zend_mm_set_error_callback(hear);
    void *block = zend_mm_try_alloc(heap, 100);
    cr_assert_not_null(block);
    cr_assert_null(zend_mm_try_alloc(heap, unknown(SIZE_MAX)));
    cr_assert_null(zend_mm_try_alloc(heap, unknown(SIZE_MAX / 2)));
    cr_assert_null(zend_mm_try_realloc(heap, block, unknown(SIZE_MAX / 2)));
    cr_assert_eq(heard.count, 0);
    zend_mm_free(heap, block);
    zend_mm_shutdown(heap, 1, 1);
}

Test(api, efree_of_another_heaps_block_hands_it_to_that_heap)
{
    zend_mm_heap *heap = new_heap();
    efree(zend_mm_alloc(heap, 100));
    efree(zend_mm_alloc(heap, 5000));
    efree(zend_mm_alloc(heap, 3 * MIB));
    zend_mm_heap_statistics statistics;
    cr_assert(zend_mm_heap_stats(heap, &statistics));
    cr_assert_eq(statistics.remote_free_count, 3u);
    (void)zend_mm_gc(heap);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    zend_mm_shutdown(heap, 1, 1);
}
