/* The configuration: what memory_limit takes and what it refuses. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "sapi_internal.h"

Test(sapi_ini, the_default_is_128M)
{
    cr_expect(php_memory_limit() == (size_t)128 << 20);
    cr_expect_str_eq(php_memory_limit_text(), "128M");
}

Test(sapi_ini, sizes_take_a_suffix)
{
    static const struct {
        const char *directive;
        size_t limit;
    } good[] = {
        { "memory_limit=0", 0 },
        { "memory_limit=1000", 1000 },
        { "memory_limit=64k", (size_t)64 << 10 },
        { "memory_limit=64K", (size_t)64 << 10 },
        { "memory_limit=3m", (size_t)3 << 20 },
        { "memory_limit=256M", (size_t)256 << 20 },
        { "memory_limit=2G", (size_t)2 << 30 },
        { "memory_limit=8g", (size_t)8 << 30 },
        { "memory_limit=-1", SIZE_MAX },
        { "memory_limit=18446744073709551615", SIZE_MAX },
    };
    for (size_t index = 0; index < sizeof(good) / sizeof(good[0]); index++) {
        const char *error = NULL;
        cr_expect(php_ini_set(good[index].directive, &error), "%s: %s", good[index].directive,
            error);
        cr_expect(php_memory_limit() == good[index].limit, "%s", good[index].directive);
        cr_expect_str_eq(php_memory_limit_text(), good[index].directive + strlen("memory_limit="));
    }
}

Test(sapi_ini, what_is_refused_changes_nothing_and_says_what_was_expected)
{
    static const char *const bad[] = {
        "memory_limit=", "memory_limit=x", "memory_limit=M", "memory_limit=-2", "memory_limit=+1",
        "memory_limit= 1", "memory_limit=1 ", "memory_limit=1MB", "memory_limit=1T",
        "memory_limit=1.5M", "memory_limit=18446744073709551616", "memory_limit=17179869184G",
        "memory_limit=0000000000000000000000000000000001",
    };
    const char *error = NULL;
    cr_assert(php_ini_set("memory_limit=7M", &error));
    for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
        cr_expect_not(php_ini_set(bad[index], &error), "%s", bad[index]);
        cr_expect_str_eq(error,
            "memory_limit takes a number of bytes, with K, M or G if wanted, or -1 for none");
    }
    cr_expect(php_memory_limit() == (size_t)7 << 20);
}

Test(sapi_ini, report_memleaks_is_1_or_0)
{
    const char *error = NULL;
    cr_expect(php_report_memleaks());
    cr_expect(php_ini_set("report_memleaks=0", &error));
    cr_expect_not(php_report_memleaks());
    cr_expect_not(php_ini_set("report_memleaks=yes", &error));
    cr_expect_str_eq(error, "report_memleaks takes 1 or 0");
    cr_expect_not(php_ini_set("report_memleaks=", &error));
    cr_expect_not(php_report_memleaks());
    cr_expect(php_ini_set("report_memleaks=1", &error));
    cr_expect(php_report_memleaks());
}

Test(sapi_ini, unknown_directives_are_refused)
{
    const char *error = NULL;
    cr_expect_not(php_ini_set("memory=1M", &error));
    cr_expect_str_eq(error, "no such directive; there are memory_limit and report_memleaks");
    cr_expect_not(php_ini_set("memory_limits=1M", &error));
    cr_expect_not(php_ini_set("=1M", &error));
    cr_expect_not(php_ini_set("memory_limit", &error));
    cr_expect_str_eq(error, "a directive is given as name=value");
}
