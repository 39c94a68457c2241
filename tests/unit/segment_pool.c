/* The pool of segments: what it keeps, what it refuses, and what is too much. */
#include "config.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/segment_pool.h"

static zend_mm_segment_pool pool;

static void begin(void)
{
    static zend_mm_pool_place places[ZEND_MM_POOL_CAPACITY];
    pool.places = places;
}

TestSuite(segment_pool, .init = begin, .timeout = 60);

/* The pool never looks into a segment: any address will do. */
static void *segment(size_t number)
{
    return (void *)((number + 1) * ZEND_MM_SEGMENT_SIZE);
}

/* As if heaps held `held` segments, and expected to need `expected`. */
static void set_up(int64_t held, int64_t expected)
{
    zend_mm_pool_count(&pool, held);
    zend_mm_pool_expect(&pool, expected * ZEND_MM_POOL_FRACTION);
}

Test(segment_pool, an_empty_pool_gives_nothing)
{
    cr_assert_null(zend_mm_pool_take(&pool));
    cr_assert_eq(zend_mm_pool_size(&pool), 0u);
}

Test(segment_pool, what_was_given_last_is_taken_first)
{
    cr_assert(zend_mm_pool_give(&pool, segment(0)));
    cr_assert(zend_mm_pool_give(&pool, segment(1)));
    cr_assert_eq(zend_mm_pool_size(&pool), 2u);
    cr_assert_eq(zend_mm_pool_take(&pool), segment(1));
    cr_assert_eq(zend_mm_pool_take(&pool), segment(0));
    cr_assert_null(zend_mm_pool_take(&pool));
}

Test(segment_pool, after_a_heaps_end_as_many_segments_may_exist_as_are_expected_and_one_more)
{
    set_up(5, 3);
    cr_assert(zend_mm_pool_give(&pool, segment(0)));
    cr_assert(zend_mm_pool_give(&pool, segment(1)));
    cr_assert_eq(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP), segment(1));
    cr_assert_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    cr_assert_eq(zend_mm_pool_size(&pool), 1u);
}

Test(segment_pool, after_a_request_what_is_expected_is_rounded)
{
    set_up(5, 4);
    cr_assert(zend_mm_pool_give(&pool, segment(0)));
    zend_mm_pool_expect(&pool, ZEND_MM_POOL_FRACTION / 2);
    cr_assert_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_REQUEST));
    zend_mm_pool_expect(&pool, -1);
    cr_assert_eq(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_REQUEST), segment(0));
}

Test(segment_pool, a_segment_that_is_too_much_is_no_longer_counted)
{
    set_up(5, 3);
    cr_assert(zend_mm_pool_give(&pool, segment(0)));
    cr_assert_not_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    cr_assert_eq(atomic_load(&pool.existing), 4);
    cr_assert_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    cr_assert_eq(atomic_load(&pool.existing), 4);
}

Test(segment_pool, an_excess_that_heaps_hold_cannot_be_taken)
{
    set_up(9, 3);
    cr_assert_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    cr_assert_eq(atomic_load(&pool.existing), 9);
}

Test(segment_pool, a_pool_of_which_nothing_is_expected_keeps_nothing)
{
    set_up(3, 0);
    for (size_t number = 0; number < 3; number++) {
        cr_assert(zend_mm_pool_give(&pool, segment(number)));
    }
    for (size_t number = 0; number < 3; number++) {
        cr_assert_not_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    }
    cr_assert_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    cr_assert_eq(atomic_load(&pool.existing), 0);
    cr_assert_eq(zend_mm_pool_size(&pool), 0u);
}

Test(segment_pool, expectations_are_counted_in_parts_of_a_segment)
{
    set_up(3, 1);
    cr_assert(zend_mm_pool_give(&pool, segment(0)));
    zend_mm_pool_expect(&pool, ZEND_MM_POOL_FRACTION);
    cr_assert_null(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP));
    zend_mm_pool_expect(&pool, -1);
    cr_assert_eq(zend_mm_pool_take_excess(&pool, ZEND_MM_POOL_SLACK_HEAP), segment(0));
}

Test(segment_pool, a_full_pool_refuses)
{
    unsigned int given = 0;
    while (given < 2 * ZEND_MM_POOL_CAPACITY && zend_mm_pool_give(&pool, segment(given))) {
        given++;
    }
    cr_assert_eq(given, (unsigned int)ZEND_MM_POOL_CAPACITY);
    cr_assert_eq(zend_mm_pool_size(&pool), given);
    for (unsigned int number = given; number > 0; number--) {
        cr_assert_eq(zend_mm_pool_take(&pool), segment(number - 1));
    }
    cr_assert_null(zend_mm_pool_take(&pool));
}

Test(segment_pool, places_are_used_again)
{
    for (size_t round = 0; round < 3; round++) {
        for (size_t number = 0; number < ZEND_MM_POOL_CAPACITY; number++) {
            cr_assert(zend_mm_pool_give(&pool, segment(number)));
        }
        for (size_t number = 0; number < ZEND_MM_POOL_CAPACITY; number++) {
            cr_assert_not_null(zend_mm_pool_take(&pool));
        }
        cr_assert_eq(zend_mm_pool_size(&pool), 0u);
    }
}

/* A thread that died in the fork had counted a segment and not given it. */
Test(segment_pool, after_a_fork_the_segments_that_are_there_count)
{
    zend_mm_segment_pool *pools[] = { &zend_mm_mmap_anon_pool, &zend_mm_mmap_zero_pool };
    for (size_t number = 0; number < 2; number++) {
        cr_assert(zend_mm_pool_give(pools[number], segment(0)));
        cr_assert(zend_mm_pool_give(pools[number], segment(1)));
        pools[number]->size++;
    }
    zend_mm_pools_after_fork();
    for (size_t number = 0; number < 2; number++) {
        cr_assert_eq(zend_mm_pool_size(pools[number]), 2u);
        cr_assert_eq(zend_mm_pool_take(pools[number]), segment(1));
        cr_assert_eq(zend_mm_pool_take(pools[number]), segment(0));
        cr_assert_null(zend_mm_pool_take(pools[number]));
    }
}

Test(segment_pool, a_heap_is_enough_for_a_child_to_be_put_right)
{
    zend_mm_heap *heap = zend_mm_startup();     /* and no start_memory_manager() */
    cr_assert_not_null(heap);
    unsigned int size = zend_mm_pool_size(&zend_mm_mmap_anon_pool);
    zend_mm_mmap_anon_pool.size++;
    pid_t child = fork();
    if (child == 0) {
        _exit(zend_mm_pool_size(&zend_mm_mmap_anon_pool) == size ? 0 : 1);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    zend_mm_mmap_anon_pool.size--;
    zend_mm_shutdown(heap, 1, 1);
}
