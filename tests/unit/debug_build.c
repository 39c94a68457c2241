/* What a debug build does by itself: each call's place, leak reports, padding; and that the macros for
 * places vanish in any other build. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/debug.h"
#include "tests/unit/alloc_support.h"
#include "tests/unit/capture.h"

static void begin(void)
{
    unsetenv("ZEND_MM_DEBUG");
    begin_memory_manager();
}

TestSuite(debug_build, .init = begin, .timeout = 60);

#define ONLY_IN_A_DEBUG_BUILD() \
    do { \
        if (!ZEND_DEBUG) { \
            cr_skip_test("not configured with --enable-debug"); \
        } \
    } while (0)

/* ---- places ---- */

static zend_mm_call_site site_of(zend_mm_heap *heap, const void *block)
{
    const zend_mm_block_record *record = zend_mm_block_table_find(&heap->debug->blocks, block);
    cr_assert_not_null(record);
    return record->site;
}

/* The block was allocated in this file on that line, by nobody else's order. */
static void check_here(zend_mm_heap *heap, const void *block, uint32_t line)
{
    zend_mm_call_site site = site_of(heap, block);
    cr_assert_str_eq(site.filename, __FILE__);
    cr_assert_eq(site.lineno, line, "line %u, not %u", (unsigned int)site.lineno, (unsigned int)line);
    cr_assert_null(site.orig_filename);
    cr_assert_eq(site.orig_lineno, 0u);
}

#define CHECK_HERE(call) \
    do { \
        const void *made = (call); \
        check_here(zend_mm_get_heap(), made, __LINE__); \
    } while (0)

Test(debug_build, each_function_of_the_e_family_notes_its_place)
{
    ONLY_IN_A_DEBUG_BUILD();
    void *block = emalloc(100);
    CHECK_HERE(emalloc(24));
    CHECK_HERE(emalloc(unknown(100)));
    CHECK_HERE(emalloc_large(unknown(5000)));
    CHECK_HERE(emalloc_huge(unknown(3 * MIB)));
    CHECK_HERE(emalloc_aligned(64, 100));
    CHECK_HERE(ecalloc(10, 10));
    CHECK_HERE(safe_emalloc(unknown(10), 10, 10));
    CHECK_HERE(estrdup("text"));
    CHECK_HERE(estrndup("text", 2));
    CHECK_HERE(pemalloc(unknown(10), 0));
    CHECK_HERE(block = erealloc(block, unknown(200)));
    CHECK_HERE(block = erealloc2(block, unknown(300), 10));
    CHECK_HERE(block = erealloc_recoverable(block, unknown(400)));
    CHECK_HERE(block = erealloc2_recoverable(block, unknown(500), 10));
    CHECK_HERE(block = safe_erealloc(block, unknown(60), 10, 0));
    CHECK_HERE(block = erealloc(block, unknown(600)));
}

Test(debug_build, calls_that_name_their_heap_note_their_place_there)
{
    ONLY_IN_A_DEBUG_BUILD();
    zend_mm_heap *heap = new_heap();
    void *block = zend_mm_alloc(heap, unknown(100));
    check_here(heap, block, __LINE__ - 1);
    check_here(heap, zend_mm_try_alloc(heap, unknown(100)), __LINE__);
    check_here(heap, zend_mm_alloc_aligned(heap, 64, unknown(100)), __LINE__);
    check_here(heap, zend_mm_try_alloc_aligned(heap, 64, unknown(100)), __LINE__);
    block = zend_mm_realloc(heap, block, unknown(200));
    check_here(heap, block, __LINE__ - 1);
    block = zend_mm_realloc2(heap, block, unknown(300), 10);
    check_here(heap, block, __LINE__ - 1);
    block = zend_mm_try_realloc(heap, block, unknown(400));
    check_here(heap, block, __LINE__ - 1);
    zend_mm_shutdown(heap, 1, 1);
}

Test(debug_build, functions_that_know_no_place_leave_it_out)
{
    ONLY_IN_A_DEBUG_BUILD();
    cr_assert_not_null(emalloc(unknown(100)));
    cr_assert_null(site_of(zend_mm_get_heap(), _emalloc_24()).filename);
    cr_assert_null(site_of(zend_mm_get_heap(), _emalloc_large(unknown(5000))).filename);
}

static void *make_for_caller(int kind ZEND_FILE_LINE_DC)
{
    switch (kind) {
    case 0: return emalloc_rel(unknown(10));
    case 1: return ecalloc_rel(unknown(10), 10);
    case 2: return erealloc_rel(NULL, unknown(10));
    case 3: return erealloc2_rel(NULL, unknown(10), 0);
    case 4: return erealloc_recoverable_rel(NULL, unknown(10));
    case 5: return erealloc2_recoverable_rel(NULL, unknown(10), 0);
    case 6: return emalloc_aligned_rel(16, unknown(10));
    case 7: return safe_emalloc_rel(unknown(10), 10, 0);
    case 8: return safe_erealloc_rel(NULL, unknown(10), 10, 0);
    case 9: return estrdup_rel("text");
    case 10: return estrndup_rel("text", 2);
    case 11: return pemalloc_rel(unknown(10), 0);
    case 12: return pecalloc_rel(unknown(10), 10, 0);
    case 13: return perealloc_rel(NULL, unknown(10), 0);
    case 14: return perealloc2_rel(NULL, unknown(10), 0, 0);
    case 15: return perealloc_recoverable_rel(NULL, unknown(10), 0);
    case 16: return perealloc2_recoverable_rel(NULL, unknown(10), 0, 0);
    case 17: return pestrdup_rel("text", 0);
    case 18: return zend_mm_alloc_rel(zend_mm_get_heap(), unknown(10));
    case 19: return zend_mm_realloc_rel(zend_mm_get_heap(), NULL, unknown(10));
    default: return zend_mm_realloc2_rel(zend_mm_get_heap(), NULL, unknown(10), 0);
    }
}

#define KIND_COUNT 21   /* on a line each */

static void *make_large_for_caller(size_t size ZEND_FILE_LINE_DC)
{
    return emalloc_rel(unknown(size));
}

static void end_for_caller(int kind, void *block ZEND_FILE_LINE_DC)
{
    if (kind == 0) {
        efree_rel(block);
    } else if (kind == 1) {
        efree_size_rel(block, 10);
    } else if (kind == 2) {
        pefree_rel(block, 0);
    } else {
        zend_mm_free_rel(zend_mm_get_heap(), block);
    }
}

static size_t size_for_caller(void *block ZEND_FILE_LINE_DC)
{
    return zend_mem_block_size_rel(block) + zend_mm_block_size_rel(zend_mm_get_heap(), block);
}

Test(debug_build, the_rel_forms_serve_in_any_build)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        void *block = make_for_caller(kind ZEND_FILE_LINE_CC);
        cr_assert_not_null(block);
        cr_assert_geq(size_for_caller(block ZEND_FILE_LINE_CC), 6u);
        end_for_caller(kind % 4, block ZEND_FILE_LINE_CC);
    }
    cr_assert_eq(usage(0), 0u);
}

Test(debug_build, a_relayed_call_notes_the_callers_place_and_the_actual_one)
{
    ONLY_IN_A_DEBUG_BUILD();
    uint32_t before = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        void *block = make_for_caller(kind ZEND_FILE_LINE_CC);
        zend_mm_call_site site = site_of(zend_mm_get_heap(), block);
        cr_assert_str_eq(site.filename, __FILE__);
        cr_assert_eq(site.lineno, (uint32_t)__LINE__ - 3);
        cr_assert_str_eq(site.orig_filename, __FILE__);
        cr_assert(before == 0 || site.orig_lineno == before + 1);
        before = site.orig_lineno;
    }
}

/* ---- errors ---- */

static char message[500];

static void keep_message(zend_mm_error_kind kind, const char *text)
{
    (void)kind;
    snprintf(message, sizeof message, "%s", text);
}

static void *volatile lost;     /* the result of a call that does not return */

/* The statement ends in an error whose text is `head`, the place, `tail`. */
#define CHECK_PLACE_IN_ERROR(statement, head, tail) \
    do { \
        char expected_[500]; \
        snprintf(expected_, sizeof expected_, "%s at %s:%d%s", head, __FILE__, __LINE__, tail); \
        zend_try { \
            statement; \
        } zend_end_try(); \
        cr_assert_str_eq(message, expected_); \
    } while (0)

Test(debug_build, an_error_says_where_the_call_is)
{
    ONLY_IN_A_DEBUG_BUILD();
    zend_mm_set_error_callback(keep_message);
    cr_assert(zend_set_memory_limit(4 * MIB));
    const char *limit = "Allowed memory size of 4194304 bytes exhausted";
    const char *tail = " (tried to allocate 9000000 bytes)";
    CHECK_PLACE_IN_ERROR(lost = emalloc(unknown(9000000)), limit, tail);
    CHECK_PLACE_IN_ERROR(lost = ecalloc(unknown(9000000), 1), limit, tail);
    CHECK_PLACE_IN_ERROR(lost = erealloc(NULL, unknown(9000000)), limit, tail);
    CHECK_PLACE_IN_ERROR(lost = zend_mm_alloc(zend_mm_get_heap(), unknown(9000000)), limit, tail);
    CHECK_PLACE_IN_ERROR(lost = make_large_for_caller(9000000 ZEND_FILE_LINE_CC), limit, tail);
    cr_assert(zend_set_memory_limit(SIZE_MAX));
    CHECK_PLACE_IN_ERROR(lost = emalloc(unknown(SIZE_MAX / 2)),
        "Out of memory (allocated 2097152 bytes)",
        " (tried to allocate 9223372036854775807 bytes)");
    cr_assert(zend_mm_set_process_limit(4 * MIB));
    CHECK_PLACE_IN_ERROR(lost = emalloc(unknown(9000000)),
        "Allowed process memory size of 4194304 bytes exhausted", tail);
}

Test(debug_build, an_error_of_a_call_that_knows_no_place_has_none)
{
    ONLY_IN_A_DEBUG_BUILD();
    zend_mm_set_error_callback(keep_message);
    cr_assert(zend_set_memory_limit(4 * MIB));
    zend_try {
        lost = _emalloc_huge(unknown(9000000));
    } zend_end_try();
    cr_assert_str_eq(message,
        "Allowed memory size of 4194304 bytes exhausted (tried to allocate 9000000 bytes)");
}

#if ZEND_DEBUG
Test(debug_build, of_a_path_that_is_too_long_the_end_is_told)
{
    char path[1000], expected[500];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    memcpy(path + sizeof path - 8, "/last.c", 7);
    zend_mm_set_error_callback(keep_message);
    cr_assert(zend_set_memory_limit(4 * MIB));
    zend_try {
        lost = _emalloc(unknown(9000000), path, 4000000000u, NULL, 0);
    } zend_end_try();
    snprintf(expected, sizeof expected, "Allowed memory size of 4194304 bytes exhausted at %s:"
        "4000000000 (tried to allocate 9000000 bytes)", path + strlen(path) - 224);
    cr_assert_str_eq(message, expected);
}
#endif

/* ---- what vanishes ---- */

#define TEXT_OF(...) #__VA_ARGS__
#define EXPANDED(...) TEXT_OF(__VA_ARGS__)

Test(debug_build, in_any_other_build_the_macros_are_empty)
{
    static const char *const texts[] = { EXPANDED(ZEND_FILE_LINE_D), EXPANDED(ZEND_FILE_LINE_DC),
        EXPANDED(ZEND_FILE_LINE_ORIG_D), EXPANDED(ZEND_FILE_LINE_ORIG_DC), EXPANDED(ZEND_FILE_LINE_C),
        EXPANDED(ZEND_FILE_LINE_CC), EXPANDED(ZEND_FILE_LINE_EMPTY_C),
        EXPANDED(ZEND_FILE_LINE_EMPTY_CC), EXPANDED(ZEND_FILE_LINE_RELAY_C),
        EXPANDED(ZEND_FILE_LINE_RELAY_CC), EXPANDED(ZEND_FILE_LINE_ORIG_RELAY_C),
        EXPANDED(ZEND_FILE_LINE_ORIG_RELAY_CC) };
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        cr_assert_eq(texts[index][0] == '\0', !ZEND_DEBUG, "%s", texts[index]);
    }
}

/* ---- leaks ---- */

static void end_loudly(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(0, 0 TSRMLS_CC);
}

static void check_contains(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "%s\nis not in:\n%s", part, text);
}

Test(debug_build, the_end_of_a_request_reports_each_leak_with_its_place)
{
    ONLY_IN_A_DEBUG_BUILD();
    char expected[600];
    zend_mm_set_script_name("/srv/index.php");
    int line = __LINE__ + 1;
    void *block = emalloc(77);
    void *relayed = make_for_caller(0 ZEND_FILE_LINE_CC);
    const char *report = capture(end_loudly);
    snprintf(expected, sizeof expected,
        "]  Script:  '/srv/index.php'\n"
        "%s(%d) :  Freeing 0x%016zx (77 bytes), script=/srv/index.php\n",
        __FILE__, line, (size_t)number_of(block));
    check_contains(report, expected);
    snprintf(expected, sizeof expected,
        "%s(%d) :  Freeing 0x%016zx (10 bytes), script=/srv/index.php\n%s(", __FILE__, line + 1,
        (size_t)number_of(relayed), __FILE__);
    check_contains(report, expected);
    check_contains(report, ") : Actual location (location was relayed)\n");
    check_contains(report, "=== Total 2 memory leaks detected ===\n");
}

Test(debug_build, leaks_of_one_place_are_one_report_with_a_count)
{
    ONLY_IN_A_DEBUG_BUILD();
    for (int number = 0; number < 5; number++) {
        cr_assert_not_null(emalloc(unknown(50)));
    }
    const char *report = capture(end_loudly);
    check_contains(report, "Last leak repeated 4 times\n=== Total 5 memory leaks detected ===\n");
}

Test(debug_build, a_silent_end_says_nothing_and_after_it_nothing_is_leaked)
{
    ONLY_IN_A_DEBUG_BUILD();
    cr_assert_not_null(emalloc(unknown(50)));
    cr_assert_str_eq(capture(end_request), "");
    cr_assert_str_eq(capture(end_loudly), "");
}

static zend_mm_heap *ending;

static void end_heap(void)
{
    zend_mm_shutdown(ending, 1, 0);
}

Test(debug_build, the_end_of_any_heap_reports_its_leaks)
{
    ONLY_IN_A_DEBUG_BUILD();
    for (int internal = 0; internal < 2; internal++) {
        ending = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, internal);
        cr_assert_not_null(zend_mm_alloc(ending, unknown(33)));
        check_contains(capture(end_heap), " (33 bytes), script=-\n=== Total 1 memory leaks");
        cr_assert_eq(counted.live_count, 0u);
    }
}

#ifdef ZTS
Test(debug_build, the_end_of_a_thread_reports_what_it_left)
{
    ONLY_IN_A_DEBUG_BUILD();
    cr_assert_not_null(emalloc(unknown(44)));
    check_contains(capture(ts_free_thread), " (44 bytes), script=-\n=== Total 1 memory leaks");
}

Test(debug_build_not, the_end_of_a_thread_reports_what_it_left_where_the_environment_asks_for_it)
{
    setenv("ZEND_MM_DEBUG", "leaks=1", 1);
    begin_memory_manager();
    cr_assert_not_null(emalloc(unknown(44)));
    check_contains(capture(ts_free_thread), " (44 bytes), script=-\n=== Total 1 memory leaks");
}

Test(debug_build_not, the_end_of_a_thread_is_silent_where_leaks_are_not_asked_for)
{
    setenv("ZEND_MM_DEBUG", "padding=8", 1);
    begin_memory_manager();
    cr_assert_not_null(emalloc(unknown(44)));
    cr_assert_str_eq(capture(ts_free_thread), "");
}
#endif

#if ZEND_DEBUG
static void print(void)
{
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    zend_debug_alloc_output("%d %s", 42, name);
}

Test(debug_build, debug_output_goes_to_stderr_and_is_cut_at_255_bytes)
{
    const char *text = capture(print);
    cr_assert_eq(strncmp(text, "42 xxx", 6), 0);
    cr_assert_eq(strlen(text), 255u);
}
#endif

/* ---- padding, and how to have less ---- */

Test(debug_build, blocks_are_padded_aligned_and_as_large_as_was_asked_for)
{
    ONLY_IN_A_DEBUG_BUILD();
    const size_t sizes[] = { 16, 48, 112, 3072, 5120, 3 * MIB };
    for (size_t index = 0; index < 6; index++) {
        void *block = emalloc(unknown(sizes[index]));
        cr_assert(is_aligned_to(block, 16));
        cr_assert_eq(zend_mem_block_size(block), sizes[index]);
        efree(block);
    }
    check_valid(zend_mm_get_heap());
}

Test(debug_build, a_slot_less_the_overhead_fills_the_slot)
{
    if (zend_mm_get_heap()->hides_memory) {
        cr_skip_test("a tool's redzones take more");
    }
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        size_t slot_size = zend_mm_bin_infos[bin].slot_size, before = usage(0);
        if (slot_size > ZEND_MM_OVERHEAD) {
            void *block = emalloc(unknown(slot_size - ZEND_MM_OVERHEAD));
            cr_assert_eq(usage(0) - before, slot_size);
            efree(block);
        }
    }
}

Test(debug_build, freed_memory_is_filled_with_zends_byte)
{
    ONLY_IN_A_DEBUG_BUILD();
    void *block = emalloc(unknown(100));
    uintptr_t address = number_of(block);
    memset(block, 1, 100);
    efree(block);
    for (size_t index = 0; index < 100; index++) {
        cr_assert_eq(((volatile unsigned char *)address)[index], 0x5a);
    }
}

Test(debug_build_not, the_environment_replaces_what_a_debug_build_does_by_itself)
{
    ONLY_IN_A_DEBUG_BUILD();
    setenv("ZEND_MM_DEBUG", "padding=8", 1);
    begin_memory_manager();
    const zend_mm_debug_settings *settings = &zend_mm_get_heap()->debug->settings;
    cr_assert(settings->padding == 8 && !settings->reports_leaks && !settings->check_freelists);
    cr_assert_eq(settings->poison_free, ZEND_MM_NO_POISON);
}

Test(debug_build, a_heap_that_cannot_start_leaves_nothing_behind)
{
    counted.refuse_alloc = true;
    cr_assert_null(new_counted_heap(2 * MIB, 0, 0));
    cr_assert_eq(counted.dtor_count, 1);
}
