/* The persistent family when the C library has nothing left. */
#include "config.h"

#include "tests/death/death.h"

static void *volatile lost;

#define TOO_MUCH (SIZE_MAX / 2 - 100)

static void ask_malloc(void *arg)
{
    (void)arg;
    lost = __zend_malloc(unknown(TOO_MUCH));
}

static void ask_calloc(void *arg)
{
    (void)arg;
    lost = __zend_calloc(unknown(TOO_MUCH), 1);
}

static void ask_realloc(void *arg)
{
    lost = __zend_realloc(arg, unknown(TOO_MUCH));
}

static void ask_safe_malloc(void *arg)
{
    (void)arg;
    lost = safe_malloc(unknown(TOO_MUCH / 2), 2, 1);
}

static void ask_safe_realloc(void *arg)
{
    lost = safe_realloc(arg, unknown(TOO_MUCH / 2), 2, 1);
}

static void ask_pemalloc(void *arg)
{
    (void)arg;
    lost = pemalloc(unknown(TOO_MUCH), 1);
}

static void ask_recoverably(void *arg)
{
    lost = perealloc_recoverable(arg, unknown(TOO_MUCH), 1);
    _exit(lost == NULL ? SURVIVED : 1);
}

static void ask_for_a_copy_recoverably(void *arg)
{
    lost = perealloc2_recoverable(arg, unknown(TOO_MUCH), 10, 1);
    _exit(lost == NULL ? SURVIVED : 1);
}

int main(void)
{
    void (*const calls[])(void *) = { ask_malloc, ask_calloc, ask_realloc, ask_safe_malloc,
        ask_safe_realloc, ask_pemalloc };
    void *block = malloc(100);

    begin_memory_manager();
    CHECK_CASE("when the C library has nothing left the process exits with 1");
    for (size_t index = 0; index < sizeof calls / sizeof calls[0]; index++) {
        death result = die(calls[index], block);
        CHECK(is_exit(&result, 1));
        /* A sanitizer's allocator adds a warning of its own. */
        const char *text = "Out of memory\n";
        size_t length = strlen(result.text);
        CHECK(length >= strlen(text) && strcmp(result.text + length - strlen(text), text) == 0);
        CHECK(TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD || is_text(&result, text));
    }
    CHECK_CASE("the recoverable calls give NULL instead");
    death result = die(ask_recoverably, block);
    CHECK(is_exit(&result, SURVIVED));
    result = die(ask_for_a_copy_recoverably, block);
    CHECK(is_exit(&result, SURVIVED));
    free(block);
    return check_summary();
}
