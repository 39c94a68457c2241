/* The list of blocks that other threads freed. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/remote.h"

static zend_mm_remote remote;
static void *blocks[4][4];

static void begin(void)
{
    zend_mm_remote_init(&remote);
}

TestSuite(remote, .init = begin, .timeout = 60);

Test(remote, a_fresh_list_is_empty)
{
    cr_assert(zend_mm_remote_is_empty(&remote));
    cr_assert_null(zend_mm_remote_take(&remote));
    cr_assert_eq(atomic_load(&remote.free_count), 0u);
}

Test(remote, one_take_gives_every_block_once)
{
    unsigned int seen = 0;
    for (size_t number = 0; number < 4; number++) {
        zend_mm_remote_push(&remote, blocks[number]);
    }
    cr_assert_not(zend_mm_remote_is_empty(&remote));
    void *block = zend_mm_remote_take(&remote);
    while (block != NULL) {
        void *next = zend_mm_remote_next(block);
        size_t number = (size_t)((void **)block - blocks[0]) / 4;
        cr_assert_lt(number, 4u);
        cr_assert_eq(seen & 1u << number, 0u);
        seen |= 1u << number;
        block = next;
    }
    cr_assert_eq(seen, 15u);
}

Test(remote, a_taken_list_is_gone)
{
    zend_mm_remote_push(&remote, blocks[0]);
    cr_assert_eq(zend_mm_remote_take(&remote), (void *)blocks[0]);
    cr_assert(zend_mm_remote_is_empty(&remote));
    cr_assert_null(zend_mm_remote_take(&remote));
}

Test(remote, what_is_pushed_after_a_take_is_on_a_new_list)
{
    zend_mm_remote_push(&remote, blocks[0]);
    void *first = zend_mm_remote_take(&remote);
    zend_mm_remote_push(&remote, blocks[1]);
    cr_assert_null(zend_mm_remote_next(first));
    cr_assert_eq(zend_mm_remote_take(&remote), (void *)blocks[1]);
}

Test(remote, every_push_is_counted_and_no_take_is)
{
    for (size_t number = 0; number < 3; number++) {
        zend_mm_remote_push(&remote, blocks[number]);
    }
    cr_assert_not_null(zend_mm_remote_take(&remote));
    zend_mm_remote_push(&remote, blocks[3]);
    cr_assert_eq(atomic_load(&remote.free_count), 4u);
}

Test(remote, only_the_first_word_of_a_block_is_written)
{
    for (size_t word = 1; word < 4; word++) {
        blocks[0][word] = blocks[2];
    }
    zend_mm_remote_push(&remote, blocks[1]);
    zend_mm_remote_push(&remote, blocks[0]);
    for (size_t word = 1; word < 4; word++) {
        cr_assert_eq(blocks[0][word], (void *)blocks[2]);
    }
}
