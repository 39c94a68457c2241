/* The module registry: order of start and end, refusals, globals. */
#include "config.h"

#include <criterion/criterion.h>

#include "module_registry.h"
#include "sapi_support.h"

static sapi_module_struct sapi = { .name = "test" };

/* Functions that write "+1" at the start and "-1" at the end of module number 1, and so on. */
static zend_result minit(INIT_FUNC_ARGS)
{
    char text[16];
#ifdef ZTS
    cr_expect(tsrm_ls == ts_resource(0));
#endif
    cr_expect(type == MODULE_PERSISTENT);
    snprintf(text, sizeof(text), "+%d", module_number);
    note(text);
    return SUCCESS;
}

static zend_result mshutdown(SHUTDOWN_FUNC_ARGS)
{
    char text[16];
#ifdef ZTS
    (void)tsrm_ls;
#endif
    (void)type;
    snprintf(text, sizeof(text), "-%d", module_number);
    note(text);
    return SUCCESS;
}

static zend_result minit_that_fails(INIT_FUNC_ARGS)
{
    (void)minit(type, module_number TSRMLS_CC);
    return FAILURE;
}

static zend_result minit_that_bails_out(INIT_FUNC_ARGS)
{
    (void)minit(type, module_number TSRMLS_CC);
    zend_bailout();
}

#define MODULE(module_name, dependencies) \
    { .name = (module_name), .deps = (dependencies), .module_startup_func = minit, \
      .module_shutdown_func = mshutdown }

static zend_result start(zend_module_entry *modules, uint count)
{
    start_sapi(&sapi);
    TSRMLS_FETCH();
    for (uint index = 0; index < count; index++) {
        if (zend_register_module(&modules[index]) == FAILURE) {
            return FAILURE;
        }
    }
    return zend_startup_modules(TSRMLS_C);
}

static void stop(void)
{
    TSRMLS_FETCH();
    zend_destroy_modules(TSRMLS_C);
    stop_sapi();
}

/* The names in the order of start. */
static const char *order(void)
{
    static char text[256];
    text[0] = '\0';
    for (uint index = 0; index < zend_module_count(); index++) {
        strcat(text, zend_module_at(index)->name);
    }
    return text;
}

Test(sapi_modules, without_dependencies_the_order_of_registration_stays)
{
    zend_module_entry modules[] = { MODULE("a", NULL), MODULE("b", NULL), MODULE("c", NULL) };
    cr_expect(start(modules, 3) == SUCCESS);
    cr_expect_str_eq(order(), "abc");
    cr_expect(modules[2].module_number == 3);
    stop();
    cr_expect_str_eq(journal, "+1 +2 +3 -3 -2 -1");
}

Test(sapi_modules, what_a_module_requires_is_started_before_it)
{
    static const zend_module_dep needs_b[] = { ZEND_MOD_REQUIRED("b") ZEND_MOD_END };
    static const zend_module_dep needs_c[] = { ZEND_MOD_REQUIRED("c") ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", needs_b), MODULE("b", needs_c), MODULE("c", NULL),
        MODULE("d", needs_b) };
    cr_expect(start(modules, 4) == SUCCESS);
    cr_expect_str_eq(order(), "cbad");
    cr_expect(modules[2].module_number == 1);
    stop();
}

Test(sapi_modules, an_optional_module_is_started_before_if_it_is_there)
{
    static const zend_module_dep after[] = { ZEND_MOD_OPTIONAL("b") ZEND_MOD_OPTIONAL("z")
        ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", after), MODULE("b", NULL) };
    cr_expect(start(modules, 2) == SUCCESS);
    cr_expect_str_eq(order(), "ba");
    stop();
}

Test(sapi_modules, a_diamond_is_no_circle)
{
    static const zend_module_dep needs_d[] = { ZEND_MOD_REQUIRED("d") ZEND_MOD_END };
    static const zend_module_dep needs_bc[] = { ZEND_MOD_REQUIRED("b") ZEND_MOD_REQUIRED("c")
        ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", needs_bc), MODULE("b", needs_d),
        MODULE("c", needs_d), MODULE("d", NULL) };
    cr_expect(start(modules, 4) == SUCCESS);
    cr_expect_str_eq(order(), "dbca");
    stop();
}

Test(sapi_modules, a_missing_module_is_named_and_nothing_starts)
{
    static const zend_module_dep needs_z[] = { ZEND_MOD_REQUIRED("z") ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", NULL), MODULE("b", needs_z) };
    cr_expect(start(modules, 2) == FAILURE);
    cr_expect_str_eq(reports, "module b: needs module z, which is not registered\n");
    cr_expect_str_eq(journal, "");
    cr_expect(zend_module_count() == 0);
    stop();
}

Test(sapi_modules, a_conflict_is_named_and_nothing_starts)
{
    static const zend_module_dep not_a[] = { ZEND_MOD_CONFLICTS("a") ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", NULL), MODULE("b", not_a) };
    cr_expect(start(modules, 2) == FAILURE);
    cr_expect_str_eq(reports, "module b: cannot be used together with module a\n");
    cr_expect_str_eq(journal, "");
    stop();
}

Test(sapi_modules, a_circle_is_shown_in_full)
{
    static const zend_module_dep needs_b[] = { ZEND_MOD_REQUIRED("b") ZEND_MOD_END };
    static const zend_module_dep needs_c[] = { ZEND_MOD_OPTIONAL("c") ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", needs_b), MODULE("b", needs_c),
        MODULE("c", needs_b) };
    cr_expect(start(modules, 3) == FAILURE);
    cr_expect_str_eq(reports, "modules depend on each other in a circle: b -> c -> b\n");
    cr_expect_str_eq(journal, "");
    stop();
}

Test(sapi_modules, a_module_that_needs_itself_is_a_circle)
{
    static const zend_module_dep needs_a[] = { ZEND_MOD_REQUIRED("a") ZEND_MOD_END };
    zend_module_entry modules[] = { MODULE("a", needs_a) };
    cr_expect(start(modules, 1) == FAILURE);
    cr_expect_str_eq(reports, "modules depend on each other in a circle: a -> a\n");
    stop();
}

Test(sapi_modules, a_name_twice_is_refused)
{
    zend_module_entry modules[] = { MODULE("a", NULL), MODULE("a", NULL) };
    cr_expect(start(modules, 2) == FAILURE);
    cr_expect_str_eq(reports, "module a: registered twice\n");
    stop();
}

Test(sapi_modules, a_module_without_a_name_is_refused)
{
    zend_module_entry modules[] = { MODULE("", NULL) };
    cr_expect(start(modules, 1) == FAILURE);
    cr_expect_str_eq(reports, "a module has no name\n");
    stop();
}

Test(sapi_modules, when_a_start_function_fails_those_before_are_ended_in_reverse)
{
    zend_module_entry modules[] = { MODULE("a", NULL), MODULE("b", NULL), MODULE("c", NULL),
        MODULE("d", NULL) };
    modules[2].module_startup_func = minit_that_fails;
    cr_expect(start(modules, 4) == FAILURE);
    cr_expect_str_eq(journal, "+1 +2 +3 -2 -1");
    cr_expect_str_eq(reports, "module c: its start function failed\n");
    stop();
}

Test(sapi_modules, a_start_function_that_bails_out_has_failed)
{
    zend_module_entry modules[] = { MODULE("a", NULL), MODULE("b", NULL) };
    modules[1].module_startup_func = minit_that_bails_out;
    cr_expect(start(modules, 2) == FAILURE);
    cr_expect_str_eq(journal, "+1 +2 -1");
    stop();
}

Test(sapi_modules, more_modules_than_the_first_table_holds)
{
    static char names[40][8];
    zend_module_entry modules[40] = { 0 };
    for (int index = 0; index < 40; index++) {
        snprintf(names[index], sizeof(names[index]), "m%d", index);
        modules[index].name = names[index];
    }
    cr_expect(start(modules, 40) == SUCCESS);
    cr_expect(zend_module_count() == 40);
    cr_expect(modules[39].module_number == 40);
    stop();
}

/* ---- globals ---- */

typedef struct module_globals {
    int made;
} module_globals;

static void ctor(void *globals TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    ((module_globals *)globals)->made++;
    note("ctor");
}

static void dtor(void *globals TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    cr_expect(((module_globals *)globals)->made == 1);
    note("dtor");
}

#ifdef ZTS
static ts_rsrc_id globals_id;
# define TEST_GLOBALS ((module_globals *)ts_resource(globals_id))
#else
static module_globals the_globals;
# define TEST_GLOBALS (&the_globals)
#endif

static zend_result minit_that_reads_globals(INIT_FUNC_ARGS)
{
    cr_expect(TEST_GLOBALS->made == 1);
    return minit(type, module_number TSRMLS_CC);
}

static void fill_in_globals(zend_module_entry *module)
{
    module->globals_size = sizeof(module_globals);
    module->globals_ctor = ctor;
    module->globals_dtor = dtor;
#ifdef ZTS
    module->globals_id_ptr = &globals_id;
#else
    module->globals_ptr = &the_globals;
#endif
}

Test(sapi_modules, globals_are_there_before_the_start_function_and_until_after_the_end_function)
{
    zend_module_entry modules[] = { MODULE("a", NULL) };
    fill_in_globals(&modules[0]);
    modules[0].module_startup_func = minit_that_reads_globals;
    cr_expect(start(modules, 1) == SUCCESS);
    stop();
    cr_expect_str_eq(journal, "ctor +1 -1 dtor");
}

Test(sapi_modules, globals_of_a_module_that_did_not_start_are_dropped_too)
{
    zend_module_entry modules[] = { MODULE("a", NULL) };
    fill_in_globals(&modules[0]);
    modules[0].module_startup_func = minit_that_fails;
    cr_expect(start(modules, 1) == FAILURE);
    cr_expect_str_eq(journal, "ctor +1 dtor");
    stop();
}
