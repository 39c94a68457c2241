/* The order of calls of the whole lifecycle, and what happens when a step fails or bails out. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdint.h>

#include "module_registry.h"
#include "sapi_internal.h"
#include "sapi_support.h"
#include "tests/support/place.h"

/* Which call bails out or fails: compared with the name that the call notes. */
static const char *bail_out_in = "";
static const char *fail_in = "";

static zend_result called(const char *name)
{
    note(name);
    if (strcmp(name, bail_out_in) == 0) {
        zend_bailout();
    }
    return strcmp(name, fail_in) == 0 ? FAILURE : SUCCESS;
}

#ifdef ZTS
# define UNUSED_TSRMLS ((void)tsrm_ls)
#else
# define UNUSED_TSRMLS ((void)0)
#endif

#define MODULE_FUNCTION(function, text) \
    static zend_result function(int type, int module_number TSRMLS_DC) \
    { \
        UNUSED_TSRMLS; \
        (void)type; \
        (void)module_number; \
        return called(text); \
    }
MODULE_FUNCTION(a_minit, "a.minit")
MODULE_FUNCTION(a_mshutdown, "a.mshutdown")
MODULE_FUNCTION(a_rinit, "a.rinit")
MODULE_FUNCTION(a_rshutdown, "a.rshutdown")
MODULE_FUNCTION(b_minit, "b.minit")
MODULE_FUNCTION(b_mshutdown, "b.mshutdown")
MODULE_FUNCTION(b_rinit, "b.rinit")
MODULE_FUNCTION(b_rshutdown, "b.rshutdown")

static zend_module_entry modules[] = {
    { .name = "a", .module_startup_func = a_minit, .module_shutdown_func = a_mshutdown,
      .request_startup_func = a_rinit, .request_shutdown_func = a_rshutdown },
    { .name = "b", .module_startup_func = b_minit, .module_shutdown_func = b_mshutdown,
      .request_startup_func = b_rinit, .request_shutdown_func = b_rshutdown },
};

static zend_result activate(TSRMLS_D)
{
    return called(SG(request_active) ? "activate" : "activate-empty");
}

static zend_result deactivate(TSRMLS_D)
{
    return called(SG(request_active) ? "deactivate" : "deactivate-empty");
}

static void flush(void *server_context)
{
    (void)server_context;
    (void)called("flush");
}

static zend_result thread_start(TSRMLS_D)
{
    UNUSED_TSRMLS;
    return called("thread_start");
}

static void thread_end(TSRMLS_D)
{
    UNUSED_TSRMLS;
    (void)called("thread_end");
}

static zend_result startup(sapi_module_struct *self)
{
    return php_module_startup(self, modules, 2);
}

static sapi_module_struct sapi = {
    .name = "test",
    .startup = startup,
    .activate = activate,
    .deactivate = deactivate,
    .flush = flush,
    .thread_start = thread_start,
    .thread_end = thread_end,
};

static void start(void)
{
    start_sapi(&sapi);
    cr_assert(sapi_module.startup(&sapi) == SUCCESS, "%s", reports);
    journal[0] = '\0';
}

static void stop(void)
{
    TSRMLS_FETCH();
    php_module_shutdown(TSRMLS_C);
    stop_sapi();
}

/* ---- process ---- */

Test(sapi_lifecycle, start_up_and_shutdown_call_in_order)
{
    start_sapi(&sapi);
    cr_assert(sapi_module.startup(&sapi) == SUCCESS, "%s", reports);
    cr_expect_str_eq(journal, "activate-empty a.minit b.minit deactivate-empty");
    journal[0] = '\0';
    stop();
    cr_expect_str_eq(journal, "b.mshutdown a.mshutdown");
    cr_expect_str_eq(reports, "");
}

static zend_result minit_that_allocates(INIT_FUNC_ARGS)
{
    (void)type;
    (void)module_number;
    cr_expect_not_null(emalloc(100000));
    cr_expect(zend_memory_usage(0 TSRMLS_CC) >= 100000);
    return SUCCESS;
}

Test(sapi_lifecycle, memory_of_start_up_is_gone_when_it_is_done)
{
    modules[0].module_startup_func = minit_that_allocates;
    start();
    TSRMLS_FETCH();
    cr_expect(zend_memory_usage(0 TSRMLS_CC) == 0);
    stop();
}

Test(sapi_lifecycle, a_second_start_up_does_nothing)
{
    start();
    cr_expect(sapi_module.startup(&sapi) == SUCCESS);
    cr_expect_str_eq(journal, "");
    stop();
}

Test(sapi_lifecycle, a_module_that_does_not_start_undoes_the_start_up)
{
    start_sapi(&sapi);
    fail_in = "b.minit";
    cr_expect(sapi_module.startup(&sapi) == FAILURE);
    cr_expect_str_eq(journal,
        "activate-empty a.minit b.minit a.mshutdown deactivate-empty");
    cr_expect_str_eq(reports, "module b: its start function failed\n");
    stop();
}

Test(sapi_lifecycle, a_sapi_that_cannot_be_activated_fails_the_start_up)
{
    start_sapi(&sapi);
    bail_out_in = "activate-empty";
    cr_expect(sapi_module.startup(&sapi) == FAILURE);
    cr_expect_str_eq(journal, "activate-empty deactivate-empty");
    stop();
}

/* ---- requests ---- */

#define WHOLE_REQUEST "activate a.rinit b.rinit flush b.rshutdown a.rshutdown deactivate"

Test(sapi_lifecycle, a_request_calls_in_order_and_ends_in_reverse)
{
    start();
    TSRMLS_FETCH();
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect_str_eq(journal, "activate a.rinit b.rinit");
    cr_expect_not_null(emalloc(1000));
    php_request_shutdown(TSRMLS_C);
    cr_expect_str_eq(journal, WHOLE_REQUEST);
    cr_expect(zend_memory_usage(0 TSRMLS_CC) == 0);
    cr_expect(SG(request_number) == 1);
    stop();
}

/* Every step that runs foreign code bails out once; all the others must run all the same. */
static void end_with_bailout_in(const char *step)
{
    start();
    TSRMLS_FETCH();
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect_not_null(emalloc(1000));
    bail_out_in = step;
    php_request_shutdown(TSRMLS_C);
    cr_expect_str_eq(journal, WHOLE_REQUEST);
    cr_expect(SG(unclean_shutdown));
    cr_expect(zend_memory_usage(0 TSRMLS_CC) == 0);

    bail_out_in = "";
    journal[0] = '\0';
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect_not(SG(unclean_shutdown));
    php_request_shutdown(TSRMLS_C);
    cr_expect_str_eq(journal, WHOLE_REQUEST);
    stop();
}

Test(sapi_lifecycle, a_flush_that_bails_out_stops_nothing)
{
    end_with_bailout_in("flush");
}

Test(sapi_lifecycle, a_module_that_bails_out_stops_nothing)
{
    end_with_bailout_in("b.rshutdown");
}

Test(sapi_lifecycle, the_last_module_that_bails_out_stops_nothing)
{
    end_with_bailout_in("a.rshutdown");
}

Test(sapi_lifecycle, a_deactivate_that_bails_out_stops_nothing)
{
    end_with_bailout_in("deactivate");
}

static void fail_to_start(const char *failing, const char *bailing, const char *expected)
{
    start();
    TSRMLS_FETCH();
    fail_in = failing;
    bail_out_in = bailing;
    cr_expect(php_request_startup(TSRMLS_C) == FAILURE);
    cr_expect_str_eq(journal, expected);
    cr_expect_not(SG(request_active));
    php_request_shutdown(TSRMLS_C);
    cr_expect_str_eq(journal, expected);
    stop();
}

Test(sapi_lifecycle, a_request_that_a_module_refuses_is_ended_for_the_modules_that_saw_it)
{
    fail_to_start("a.rinit", "", "activate a.rinit flush a.rshutdown deactivate");
}

Test(sapi_lifecycle, a_module_that_bails_out_at_the_start_has_refused)
{
    fail_to_start("", "b.rinit", WHOLE_REQUEST);
}

Test(sapi_lifecycle, a_request_that_the_sapi_refuses_reaches_no_module)
{
    fail_to_start("activate", "", "activate flush deactivate");
}

/* ---- memory limit ---- */

/* Returns whether the heap raised its error. */
static bool ask_for(size_t size)
{
    volatile bool refused = false;
    zend_try {
        (void)!emalloc(size);
    } zend_catch {
        refused = true;
    } zend_end_try();
    return refused;
}

static void set_limit(const char *directive)
{
    const char *error = NULL;
    cr_assert(php_ini_set(directive, &error), "%s", error);
}

Test(sapi_lifecycle, the_limit_ends_a_request_with_status_255_and_the_message)
{
    set_limit("memory_limit=8M");
    start();
    TSRMLS_FETCH();
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect_not(ask_for(1000000));
    cr_expect(SG(exit_status) == 0);
    cr_expect(ask_for(9000000));
    cr_expect(SG(exit_status) == 255);
    cut_place(reports);
    cr_expect_str_eq(reports,
        "Allowed memory size of 8388608 bytes exhausted (tried to allocate 9000000 bytes)\n");
    php_request_shutdown(TSRMLS_C);
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect(SG(exit_status) == 0);
    cr_expect_not(ask_for(1000000));
    php_request_shutdown(TSRMLS_C);
    stop();
}

Test(sapi_lifecycle, a_limit_moved_by_a_request_does_not_reach_the_next)
{
    set_limit("memory_limit=8M");
    start();
    TSRMLS_FETCH();
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect(zend_set_memory_limit(SIZE_MAX));
    cr_expect_not(ask_for(9000000));
    php_request_shutdown(TSRMLS_C);
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect(ask_for(9000000));
    php_request_shutdown(TSRMLS_C);
    stop();
}

Test(sapi_lifecycle, a_limit_below_an_empty_heap_is_raised_with_a_warning)
{
    set_limit("memory_limit=1K");
    start();
    TSRMLS_FETCH();
    cr_expect(strncmp(reports, "memory_limit of 1024 bytes is less than an empty heap holds", 59)
        == 0, "%s", reports);
    cr_expect(php_request_startup(TSRMLS_C) == SUCCESS);
    cr_expect_not(ask_for(1000));
    cr_expect(ask_for(4000000));
    php_request_shutdown(TSRMLS_C);
    stop();
}

/* ---- threads ---- */

Test(sapi_lifecycle, thread_functions_are_called)
{
    start();
    TSRMLS_FETCH();
    cr_expect(sapi_thread_start(TSRMLS_C) == SUCCESS);
    sapi_thread_end(TSRMLS_C);
    cr_expect_str_eq(journal, "thread_start thread_end");
    stop();
}

Test(sapi_lifecycle, a_thread_start_that_fails_or_bails_out_is_a_failure)
{
    start();
    TSRMLS_FETCH();
    fail_in = "thread_start";
    cr_expect(sapi_thread_start(TSRMLS_C) == FAILURE);
    fail_in = "";
    bail_out_in = "thread_start";
    cr_expect(sapi_thread_start(TSRMLS_C) == FAILURE);
    stop();
}
