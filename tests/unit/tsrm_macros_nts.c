/* The macros of a build without ZTS: empty, and the same callers work. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/tsrm_macros.h"

Test(tsrm_macros_nts, callers_with_tsrmls_macros_reach_their_globals)
{
    cr_assert_eq(macros_run(), 42);
}

Test(tsrm_macros_nts, the_macros_are_empty)
{
#define TEXT_OF(...) #__VA_ARGS__
#define EXPANDED(...) TEXT_OF(__VA_ARGS__)
    cr_assert_str_eq(EXPANDED(TSRMLS_D), "void");
    cr_assert_str_eq(EXPANDED(TSRMLS_DC), "");
    cr_assert_str_eq(EXPANDED(TSRMLS_C), "");
    cr_assert_str_eq(EXPANDED(TSRMLS_CC), "");
    cr_assert_str_eq(EXPANDED(TSRMLS_FETCH()), "");
}
