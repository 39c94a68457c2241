/* zend_bailout() with nowhere to go, and errors that reach it. */
#include "config.h"

#include "tests/death/death.h"
#include "tests/support/place.h"

static void *volatile lost;

static void bail_out(void *arg)
{
    (void)arg;
    zend_bailout();
}

static void bail_out_after_a_try(void *arg)
{
    zend_try {
        lost = emalloc(unknown(24));
    } zend_end_try();
    bail_out(arg);
}

static void bail_out_in_a_catch(void *arg)
{
    zend_try {
        zend_bailout();
    } zend_catch {
        bail_out(arg);
    } zend_end_try();
}

static void ask_for_too_much(void *arg)
{
    (void)arg;
    lost = emalloc(unknown(SIZE_MAX / 2));
}

static void exceed_the_limit(void *arg)
{
    (void)arg;
    if (zend_set_memory_limit(4 * MIB)) {
        lost = emalloc(unknown(5000000));
    }
}

static void overflow(void *arg)
{
    (void)arg;
    lost = safe_emalloc(unknown(SIZE_MAX), 2, 3);
}

static void swallow(zend_mm_error_kind kind, const char *message)
{
    (void)kind;
    fprintf(stderr, "heard: %s\n", message);
}

static void exceed_the_limit_with_a_callback(void *arg)
{
    zend_mm_set_error_callback(swallow);
    exceed_the_limit(arg);
}

/* Exit status 255 and a message that ends with the bailout's; `before` is what comes first. */
static void check_bailout(void (*body)(void *arg), const char *before)
{
    death result = die(body, NULL);
    cut_place(result.text);
    CHECK(is_exit(&result, 255));
    if (!CHECK(strncmp(result.text, before, strlen(before)) == 0)) {
        printf("found: %s\n", result.text);
        return;
    }
    const char *last = result.text + strlen(before);
    const char *end = strstr(last, ") : Bailed out without a bailout address!\n");
    CHECK(end != NULL && strchr(last, '\n') == result.text + strlen(result.text) - 1);
}

static void test_bailouts(void)
{
    CHECK_CASE("a bailout outside any zend_try names its place and exits with 255");
    death result = die(bail_out, NULL);
    char text[300];
    unsigned int line = 0;
    const char *place = strrchr(result.text, '(');
    CHECK(is_exit(&result, 255));
    CHECK(place != NULL && sscanf(place, "(%u)", &line) == 1 && line > 0);
    snprintf(text, sizeof text, "%s(%u) : Bailed out without a bailout address!\n", __FILE__, line);
    CHECK(is_text(&result, text));

    CHECK_CASE("a zend_try that has ended is no place to go");
    check_bailout(bail_out_after_a_try, "");
    CHECK_CASE("a catch is outside of its own zend_try");
    check_bailout(bail_out_in_a_catch, "");
}

static void test_errors(void)
{
    CHECK_CASE("an allocation that fails outside any zend_try prints its error and exits with 255");
    check_bailout(ask_for_too_much, "Fatal error: Out of memory (allocated 2097152 bytes) "
        "(tried to allocate 9223372036854775807 bytes)\n");
    check_bailout(exceed_the_limit, "Fatal error: Allowed memory size of 4194304 bytes exhausted "
        "(tried to allocate 5000000 bytes)\n");
    check_bailout(overflow, "Fatal error: Possible integer overflow in memory allocation "
        "(18446744073709551615 * 2 + 3)\n");
    CHECK_CASE("an error callback is told instead, and the process ends all the same");
    check_bailout(exceed_the_limit_with_a_callback, "heard: Allowed memory size of 4194304 bytes "
        "exhausted (tried to allocate 5000000 bytes)\n");
}

#ifdef ZTS
static void test_before_the_start(void)
{
    CHECK_CASE("an allocation before the memory manager has started is an error, no crash");
    check_bailout(ask_for_too_much, "Fatal error: Out of memory (allocated 0 bytes) "
        "(tried to allocate 9223372036854775807 bytes)\n");
}
#else
static void test_before_the_start(void)
{
    CHECK_CASE("an allocation before the memory manager has started is an error, no crash");
    CHECK_SKIP("without ZTS the first allocation makes the one heap");
}
#endif

int main(void)
{
    test_before_the_start();
    begin_memory_manager();
    test_bailouts();
    test_errors();
    return check_summary();
}
