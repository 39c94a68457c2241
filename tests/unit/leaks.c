/* Leak reports: the words of Zend MM, what is one leak, who is told. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/debug.h"
#include "tests/unit/alloc_support.h"
#include "tests/unit/capture.h"

static void begin(void)
{
    setenv("ZEND_MM_DEBUG", "leaks=1", 1);
    begin_memory_manager();
}

TestSuite(leaks, .init = begin, .timeout = 60);

static void end_loudly(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(0, 0 TSRMLS_CC);
}

/* Skip the line `[Day Mon DD HH:MM:SS YYYY]  Script:  'NAME'`. */
static const char *skip_script_line(const char *line, const char *name)
{
    char expected[300];
    snprintf(expected, sizeof expected, "]  Script:  '%s'\n", name);
    cr_assert_eq(line[0], '[', "%s", line);
    const char *end = strchr(line, ']');
    cr_assert_not_null(end);
    cr_assert_eq(end - line, 25);
    cr_assert_eq(strncmp(end, expected, strlen(expected)), 0, "%s", line);
    return end + strlen(expected);
}

/* A live block that is said to be from there. */
static void *located(size_t size, const char *filename, uint32_t lineno, const char *orig_filename,
    uint32_t orig_lineno)
{
    void *block = emalloc(unknown(size));
    zend_mm_block_record *record =
        zend_mm_block_table_find(&zend_mm_get_heap()->debug->blocks, block);
    record->site =
        (zend_mm_call_site){ filename, orig_filename, lineno, orig_lineno };
    return block;
}

Test(leaks, a_leak_is_reported_with_file_line_address_and_size)
{
    void *block = located(77, "file.c", 12, NULL, 0);
    char expected[200];
    snprintf(expected, sizeof expected,
        "file.c(12) :  Freeing 0x%016zx (77 bytes), script=-\n"
        "=== Total 1 memory leaks detected ===\n", (size_t)block);
    const char *line = skip_script_line(capture(end_loudly), "-");
    cr_assert_str_eq(line, expected);
}

Test(leaks, a_relayed_call_names_both_places_and_the_script_is_named)
{
    zend_mm_set_script_name("/srv/index.php");
    void *block = located(77, "inner.c", 1, "outer.c", 99);
    char expected[300];
    snprintf(expected, sizeof expected,
        "inner.c(1) :  Freeing 0x%016zx (77 bytes), script=/srv/index.php\n"
        "outer.c(99) : Actual location (location was relayed)\n"
        "=== Total 1 memory leaks detected ===\n", (size_t)block);
    cr_assert_str_eq(skip_script_line(capture(end_loudly), "/srv/index.php"), expected);
}

Test(leaks, a_line_that_is_too_long_is_cut_and_is_a_line)
{
    static char filename[3000];
    memset(filename, 'x', sizeof filename - 1);
    cr_assert_not_null(located(77, filename, 1, filename, 2));
    const char *line = skip_script_line(capture(end_loudly), "-");
    for (int number = 0; number < 2; number++) {
        const char *end = strchr(line, '\n');
        cr_assert_not_null(end);
        cr_assert(line[0] == 'x' && end - line > 500);
        line = end + 1;
    }
    cr_assert_str_eq(line, "=== Total 1 memory leaks detected ===\n");
}

Test(leaks, further_leaks_of_a_place_are_counted_not_listed)
{
    static const char one[] = "one.c", two[] = "two.c";
    for (int number = 0; number < 5; number++) {
        (void)located(100, one, 5, NULL, 0);
    }
    (void)located(3000, two, 5, NULL, 0);
    (void)located(3000, two, 5, NULL, 0);
    (void)located(3000, two, 6, NULL, 0);
    const char *report = capture(end_loudly);
    cr_assert_not_null(strstr(report, "\nLast leak repeated 4 times\n"));
    cr_assert_not_null(strstr(report, "\nLast leak repeated 1 time\n"));
    cr_assert_not_null(strstr(report, "\n=== Total 8 memory leaks detected ===\n"));
    size_t scripts = 0;
    for (const char *at = report; (at = strstr(at, "  Script:  ")) != NULL; at++) {
        scripts++;
    }
    cr_assert_eq(scripts, 3u);
}

Test(leaks, leaks_are_listed_by_address)
{
    void *last = located(100, "b.c", 1, NULL, 0);
    void *first = located(100, "a.c", 1, NULL, 0);
    const char *report = capture(end_loudly);
    cr_assert_eq(strstr(report, "a.c(1)") < strstr(report, "b.c(1)"), first < last);
}

Test(leaks, a_silent_end_and_one_without_leaks_say_nothing)
{
    (void)located(77, "file.c", 12, NULL, 0);
    cr_assert_str_eq(capture(end_request), "");
    cr_assert_str_eq(capture(end_loudly), "");
    efree(located(77, "file.c", 12, NULL, 0));
    cr_assert_str_eq(capture(end_loudly), "");
}

static struct {
    int script_names, leaks, repeats, totals;
    zend_leak_info leak;
    unsigned long repeated;
    uint32_t total;
} told;

static const char other_file[] = "other.c";

static void listen(long message, const void *data)
{
    if (message == ZMSG_LOG_SCRIPT_NAME) {
        told.script_names++;
    } else if (message == ZMSG_MEMORY_LEAK_DETECTED) {
        told.leaks++;
        told.leak = *(const zend_leak_info *)data;
    } else if (message == ZMSG_MEMORY_LEAK_REPEATED) {
        told.repeats++;
        told.repeated = *(const unsigned long *)data;
    } else if (message == ZMSG_MEMORY_LEAKS_GRAND_TOTAL) {
        told.totals++;
        told.total = *(const uint32_t *)data;
    }
}

Test(leaks, a_message_handler_is_told_instead)
{
    cr_assert_null(zend_mm_set_message_handler(listen));
    void *first = located(77, "file.c", 12, "orig.c", 13);
    for (int number = 0; number < 3; number++) {
        (void)located(77, other_file, 12, "orig.c", 13);
    }
    cr_assert_str_eq(capture(end_loudly), "");
    cr_assert(told.script_names == 2 && told.leaks == 2 && told.repeats == 1 && told.totals == 1);
    cr_assert(told.repeated == 2 && told.total == 4);
    cr_assert(told.leak.size == 77 && told.leak.lineno == 12 && told.leak.orig_lineno == 13);
    cr_assert_not_null(first);
    cr_assert_eq(zend_mm_set_message_handler(NULL), listen);
}

Test(leaks_with_backtrace, a_release_build_shows_where_from_by_backtrace)
{
    setenv("ZEND_MM_DEBUG", "leaks=1,backtrace=1", 1);
    begin_memory_manager();
    for (volatile int number = 0; number < 3; number++) {     /* one call, not three */
        cr_assert_not_null(emalloc(unknown(77)));
    }
    const char *report = capture(end_loudly);
    cr_assert_not_null(strstr(report, " (77 bytes), script=-\n    #0 "), "%s", report);
    cr_assert_not_null(strstr(report, "\n    #1 "));
    cr_assert_not_null(strstr(report, "Last leak repeated 2 times\n"), "%s", report);
    cr_assert_not_null(strstr(report, "=== Total 3 memory leaks detected ===\n"));
}
