/* What a SAPI sends and reads: output, flush, the body, variables, reports. */
#include "config.h"

#include <criterion/criterion.h>

#include "sapi_support.h"

#ifdef ZTS
# define UNUSED_TSRMLS ((void)tsrm_ls)
#else
# define UNUSED_TSRMLS ((void)0)
#endif

static char sent[64];
static size_t room = 10;        /* bytes that the client takes */
static const char *body = "the body";

static size_t ub_write(const char *data, size_t size TSRMLS_DC)
{
    UNUSED_TSRMLS;
    size_t taken = size < room ? size : room;
    strncat(sent, data, taken);
    room -= taken;
    return taken;
}

static void flush(void *server_context)
{
    note(server_context);
}

static size_t read_post(char *buffer, size_t size TSRMLS_DC)
{
    UNUSED_TSRMLS;
    size_t left = strlen(body);
    size_t got = size < left ? size : left;
    memcpy(buffer, body, got);
    body += got;
    return got;
}

static const char *get_variable(const char *name, size_t name_size TSRMLS_DC)
{
    UNUSED_TSRMLS;
    return name_size == 3 && memcmp(name, "URL", 3) == 0 ? "/index" : NULL;
}

static sapi_module_struct full = {
    .name = "full", .ub_write = ub_write, .flush = flush, .read_post = read_post,
    .getenv = get_variable,
};

Test(sapi_output, what_is_written_reaches_the_sapi_and_is_counted)
{
    start_sapi(&full);
    TSRMLS_FETCH();
    cr_expect(sapi_write("hello", 5 TSRMLS_CC) == 5);
    cr_expect_str_eq(sent, "hello");
    cr_expect(SG(written_size) == 5);
    stop_sapi();
}

Test(sapi_output, once_the_client_is_gone_nothing_more_is_sent)
{
    start_sapi(&full);
    TSRMLS_FETCH();
    cr_expect(sapi_write("0123456789AB", 12 TSRMLS_CC) == 10);
    cr_expect(SG(connection_aborted));
    room = 100;
    cr_expect(sapi_write("more", 4 TSRMLS_CC) == 0);
    cr_expect_str_eq(sent, "0123456789");
    cr_expect(sapi_activate(TSRMLS_C) == SUCCESS);
    cr_expect(sapi_write("next", 4 TSRMLS_CC) == 4);
    stop_sapi();
}

Test(sapi_output, a_flush_hands_over_the_server_context)
{
    start_sapi(&full);
    TSRMLS_FETCH();
    SG(server_context) = "context";
    sapi_flush(TSRMLS_C);
    cr_expect_str_eq(journal, "context");
    stop_sapi();
}

Test(sapi_output, the_body_is_read_in_blocks_to_its_end)
{
    char buffer[8];
    start_sapi(&full);
    TSRMLS_FETCH();
    cr_expect(sapi_read_post_block(buffer, 5 TSRMLS_CC) == 5);
    cr_expect(sapi_read_post_block(buffer, 5 TSRMLS_CC) == 3);
    cr_expect(sapi_read_post_block(buffer, 5 TSRMLS_CC) == 0);
    cr_expect(SG(read_post_size) == 8);
    stop_sapi();
}

Test(sapi_output, variables_come_from_the_sapi)
{
    start_sapi(&full);
    TSRMLS_FETCH();
    cr_expect_str_eq(sapi_getenv("URL", 3 TSRMLS_CC), "/index");
    cr_expect_null(sapi_getenv("HOME", 4 TSRMLS_CC));
    stop_sapi();
}

Test(sapi_output, a_sapi_without_functions_gets_the_defaults)
{
    sapi_module_struct bare = { .name = "bare" };
    char buffer[8];
    start_sapi(&bare);
    TSRMLS_FETCH();
    setenv("TSRMALLOC_TEST_VARIABLE", "set", 1);
    cr_expect_str_eq(sapi_getenv("TSRMALLOC_TEST_VARIABLE", 23 TSRMLS_CC), "set");
    cr_expect(sapi_read_post_block(buffer, 8 TSRMLS_CC) == 0);
    cr_expect(sapi_write("", 0 TSRMLS_CC) == 0);
    cr_expect(sapi_activate(TSRMLS_C) == SUCCESS);
    cr_expect(sapi_deactivate(TSRMLS_C) == SUCCESS);
    sapi_flush(TSRMLS_C);
    stop_sapi();
}

static int last_type;

static void sapi_error(int type, const char *format, ...)
{
    va_list arguments;
    last_type = type;
    va_start(arguments, format);
    vsnprintf(reports, sizeof(reports), format, arguments);
    va_end(arguments);
}

Test(sapi_output, an_error_goes_to_sapi_error_first)
{
    sapi_module_struct with_error = { .name = "error", .sapi_error = sapi_error };
    start_sapi(&with_error);
    sapi_report(SAPI_LOG_WARNING, "%d%% full", 99);
    cr_expect_str_eq(reports, "99% full");
    cr_expect(last_type == SAPI_LOG_WARNING);
    stop_sapi();
}

Test(sapi_output, an_error_goes_to_the_log_otherwise)
{
    start_sapi(&full);
    sapi_report(SAPI_LOG_ERROR, "%s", "no luck");
    cr_expect_str_eq(reports, "no luck\n");
    stop_sapi();
}

Test(sapi_output, a_long_message_is_cut)
{
    static char text[4000];
    memset(text, 'x', sizeof(text) - 1);
    start_sapi(&full);
    sapi_report(SAPI_LOG_ERROR, "%s", text);
    cr_expect(strlen(reports) == 1024);
    stop_sapi();
}
