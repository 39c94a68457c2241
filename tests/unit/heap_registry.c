/* The array of heap structs: indices are unique, recycled, and always lead to a struct. */
#include "config.h"

#include <criterion/criterion.h>
#include <sys/resource.h>

#include "alloc/heap.h"

TestSuite(heap_registry, .timeout = 120);

Test(heap_registry, indices_start_at_1_and_differ)
{
    zend_mm_heap *a = zend_mm_registry_acquire(), *b = zend_mm_registry_acquire();
    cr_assert_not_null(a);
    cr_assert_not_null(b);
    cr_assert_neq(a, b);
    cr_assert_eq(a->index, 1);
    cr_assert_eq(b->index, 2);
}

Test(heap_registry, an_index_leads_to_its_struct)
{
    for (int count = 0; count < 600; count++) {     /* more than one slab holds */
        zend_mm_heap *heap = zend_mm_registry_acquire();
        cr_assert_not_null(heap);
        cr_assert_eq(zend_mm_registry_heap(heap->index), heap);
    }
}

Test(heap_registry, a_struct_starts_zeroed_on_a_page_of_its_own)
{
    zend_mm_heap *first = zend_mm_registry_acquire();
    cr_assert_eq((uintptr_t)first % 4096, 0u);
    memset(first, 0x5a, sizeof *first);
    zend_mm_registry_release(1);
    zend_mm_heap *heap = zend_mm_registry_acquire();
    cr_assert_eq(heap, first);
    static const zend_mm_heap zero;
    cr_assert_eq(heap->index, 1);
    heap->index = 0;
    /* All but the snapshot, which other threads may be reading. */
    cr_assert_eq(memcmp(heap, &zero, offsetof(zend_mm_heap, snapshot)), 0);
    cr_assert_eq(heap->snapshot.is_listed, 0u);
}

Test(heap_registry, the_lowest_index_that_was_released_is_taken_again)
{
    for (int count = 0; count < 200; count++) {
        cr_assert_not_null(zend_mm_registry_acquire());
    }
    zend_mm_registry_release(150);
    zend_mm_registry_release(70);
    cr_assert_eq(zend_mm_registry_acquire()->index, 70);
    cr_assert_eq(zend_mm_registry_acquire()->index, 150);
    cr_assert_eq(zend_mm_registry_acquire()->index, 201);
}

Test(heap_registry, a_released_struct_can_still_be_read)
{
    zend_mm_heap *heap = zend_mm_registry_acquire();
    zend_mm_registry_release(heap->index);
    cr_assert_eq(zend_mm_registry_heap(1), heap);
    cr_assert_eq(heap->index, 1);
}

Test(heap_registry, when_every_index_is_taken_there_is_no_heap)
{
    uint32_t count = 0;
    const zend_mm_heap *heap;
    while (count <= ZEND_MM_HEAP_INDEX_MAX && (heap = zend_mm_registry_acquire()) != NULL) {
        count++;
        cr_assert_eq(heap->index, count);
    }
    cr_assert_eq(count, ZEND_MM_HEAP_INDEX_MAX);
    cr_assert_null(zend_mm_registry_acquire());
    zend_mm_registry_release(1234);
    cr_assert_eq(zend_mm_registry_acquire()->index, 1234);
    cr_assert_null(zend_mm_registry_acquire());
}

/* The structs of the first slab are the library's own; the next slab is mapped. */
Test(heap_registry, without_memory_for_more_structs_there_is_no_heap_until_there_is)
{
#if TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD
    cr_skip_test("the sanitizer maps memory of its own");
#endif
    struct rlimit before, none;
    uint32_t count = 0;
    while (count < ZEND_MM_SEGMENT_SIZE / ZEND_MM_HEAP_STRUCT_SIZE - 1) {
        cr_assert_not_null(zend_mm_registry_acquire());
        count++;
    }
    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    none = before;
    none.rlim_cur = 1;
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    const zend_mm_heap *refused = zend_mm_registry_acquire();
    const zend_mm_heap *not_started = zend_mm_startup();
    cr_assert_eq(setrlimit(RLIMIT_AS, &before), 0);
    cr_assert_null(refused);
    cr_assert_null(not_started);
    cr_assert_eq(zend_mm_registry_acquire()->index, count + 1);
    cr_assert_not_null(zend_mm_startup());
}
