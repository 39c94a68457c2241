/* Checks of blocks and heaps on demand: what is sound, what is not, and the words of the report. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/debug.h"
#include "tests/unit/alloc_support.h"
#include "tests/unit/capture.h"

static void begin_with(const char *value)
{
    setenv("ZEND_MM_DEBUG", value, 1);
    begin_memory_manager();
}

static void begin(void)
{
    begin_with("padding=16");
}

/* A damaged block would end the process where the heap ends. */
static void repair_and_end(void)
{
    const zend_mm_debug *debug = zend_mm_get_heap()->debug;
    for (size_t index = 0; index < debug->blocks.capacity; index++) {
        const zend_mm_block_record *record = &debug->blocks.records[index];
        if (record->block != NULL) {
            memset((void *)(number_of(record->block) - record->front), ZEND_MM_PAD_BYTE, record->front);
            memset((void *)(number_of(record->block) + record->size), ZEND_MM_PAD_BYTE,
                debug->settings.padding);
        }
    }
    end_memory_manager();
}

TestSuite(debug_check, .init = begin, .fini = repair_and_end, .timeout = 60);

#define RULE "---------------------------------------\n"

static const void *asked;
static int silent, answer;
static int asked_at;        /* line */

static void ask(void)
{
    asked_at = __LINE__ + 1;
    answer = mem_block_check(asked, silent);
}

static const char *report_of(const void *block, int how)
{
    asked = block;
    silent = how;
    return capture(ask);
}

/* `FILE(LINE)` of the question, in the separators of the two kinds of report. */
static const char *place(char open, const char *close, int line)
{
    static char text[200];
    snprintf(text, sizeof text, "%s%c%d%s", ZEND_DEBUG ? __FILE__ : "Unknown", open,
        ZEND_DEBUG ? line : 0, close);
    return text;
}

static void check_report(const char *report, const void *block, const char *status)
{
    char expected[600];
    snprintf(expected, sizeof expected, RULE "%s : Block 0x%016zx status:\n%s" RULE,
        place('(', ")", asked_at), (size_t)number_of(block), status);
    cr_assert_str_eq(report, expected);
}

static const char *status_of(int line, size_t size, const char *start, const char *end)
{
    static char text[400];
    snprintf(text, sizeof text,
        "Beginning:  OK (allocated on %s, %zu bytes)\n    Start:  %s\n      End:  %s\n",
        place(':', "", line), size, start, end);
    return text;
}

/* A byte beside a block, which the compiler must not see as beside it. */
static void damage(const void *block, ptrdiff_t offset)
{
    volatile uintptr_t address = number_of(block) + (uintptr_t)offset;
    *(volatile unsigned char *)address = 0x11;
}

Test(debug_check, a_sound_block_is_described)
{
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(100));
    const char *report = report_of(block, 0);
    cr_assert(answer);
    check_report(report, block, status_of(line, 100, "OK", "OK"));
}

Test(debug_check, of_a_sound_block_nothing_is_printed_when_only_errors_are_asked_for)
{
    void *block = emalloc(unknown(100));
    cr_assert_str_eq(report_of(block, 1), "");
    cr_assert(answer);
    cr_assert_str_eq(report_of(block, 2), "");
    cr_assert_str_neq(report_of(block, 3), "");
}

Test(debug_check, one_byte_beyond_the_end_is_found)
{
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(100));
    damage(block, 100);
    const char *report = report_of(block, 1);
    cr_assert_not(answer);
    check_report(report, block, status_of(line, 100, "OK",
        "Overflown (magic=0xA7A7A711 instead of 0xA7A7A7A7)\n            1 byte(s) overflown"));
}

Test(debug_check, bytes_before_the_start_are_found_and_counted)
{
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(5000));
    damage(block, -1);
    damage(block, -5);
    const char *report = report_of(block, 1);
    cr_assert_not(answer);
    check_report(report, block, status_of(line, 5000,
        "Overflown (magic=0x11A7A7A7 instead of 0xA7A7A7A7)\n            5 byte(s) overflown",
        "OK"));
}

Test(debug_check, where_all_padding_is_gone_there_may_be_more)
{
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(3 * MIB));
    for (ptrdiff_t index = 0; index < 16; index++) {
        damage(block, (ptrdiff_t)(3 * MIB) + index);
    }
    check_report(report_of(block, 1), block, status_of(line, 3 * MIB, "OK",
        "Overflown (magic=0x11111111 instead of 0xA7A7A7A7)\n"
        "            At least 16 bytes overflown"));
}

Test(debug_check, a_damage_further_off_shows_the_word_that_is_damaged)
{
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(64));
    damage(block, 64 + 9);
    check_report(report_of(block, 1), block, status_of(line, 64, "OK",
        "Overflown (magic=0xA7A711A7 instead of 0xA7A7A7A7)\n            10 byte(s) overflown"));
}

Test(debug_check, a_freed_block_is_called_so)
{
    void *block = emalloc(unknown(100));
    efree(block);
    check_report(report_of(block, 1), block, "Beginning:  Freed\n");
    cr_assert_not(answer);
}

Test(debug_check, an_address_of_no_block_is_unknown_and_not_read)
{
    char *block = emalloc(unknown(5000));
    const void *addresses[] = { NULL, (const void *)8, &silent, block + 8 };
    for (size_t index = 0; index < 4; index++) {
        check_report(report_of(addresses[index], 1), addresses[index], "Beginning:  Unknown\n");
        cr_assert_not(answer);
    }
}

Test(debug_check, another_heaps_block_names_both_threads)
{
    zend_mm_heap *other = new_heap();
    void *block = zend_mm_alloc(other, unknown(100));
    char expected[200];
    snprintf(expected, sizeof expected,
        "Invalid pointer: ((thread_id=0x%08lX) != (expected=0x%08lX))\n", zend_mm_os_thread_id(),
        zend_mm_os_thread_id());
    check_report(report_of(block, 1), block, expected);
    cr_assert_not(answer);
    cr_assert(zend_mm_check_ptr(other, block, 1 ZEND_MM_HERE));
    zend_mm_shutdown(other, 1, 1);
}

static int checked_at;

static void check_all(void)
{
    checked_at = __LINE__ + 1;
    full_mem_check(1);
}

static void check_full_report(const char *blocks, int errors)
{
    char expected[3000], where[200];
    const char *report = capture(check_all);
    snprintf(where, sizeof where, "%s", place(':', "", checked_at));
    snprintf(expected, sizeof expected, RULE "Full Memory Check at %s\n%s"
        "End of full memory check %s (%d errors)\n" RULE, where, blocks, where, errors);
    cr_assert_str_eq(report, expected);
}

Test(debug_check, a_full_check_of_a_sound_heap_finds_nothing)
{
    for (size_t size = 0; size < 100; size++) {
        cr_assert_not_null(emalloc(unknown(size * 100)));
    }
    check_full_report("", 0);
    cr_assert_eq(zend_mm_check_heap(zend_mm_get_heap(), 1 ZEND_MM_HERE), 0);
}

Test(debug_check, a_full_check_shows_each_damaged_block)
{
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(40));
    cr_assert_not_null(emalloc(unknown(40)));
    damage(block, 40);
    char shown[1000], where[200];
    snprintf(where, sizeof where, "%s", place('(', ")", __LINE__ - 1));
    (void)capture(check_all);
    snprintf(where, sizeof where, "%s", place('(', ")", checked_at));
    snprintf(shown, sizeof shown, RULE "%s : Block 0x%016zx status:\n%s" RULE, where,
        (size_t)number_of(block), status_of(line, 40, "OK",
        "Overflown (magic=0xA7A7A711 instead of 0xA7A7A7A7)\n            1 byte(s) overflown"));
    check_full_report(shown, 1);
}

Test(debug_check, a_full_check_names_what_is_wrong_with_the_heap_itself)
{
    zend_mm_get_heap()->large_size += 4096;
    check_full_report("heap: large_size is not the sum of the large runs\n", 1);
    zend_mm_get_heap()->large_size -= 4096;
}

Test(debug_check_without_padding, start_and_end_are_unknown)
{
    begin_with("");
    int line = __LINE__ + 1;
    void *block = emalloc(unknown(100));
    check_report(report_of(block, 0), block, status_of(line, 100, "Unknown", "Unknown"));
    cr_assert(answer);
}

Test(debug_check_plain, a_heap_that_remembers_nothing_knows_slots_and_runs)
{
    if (ZEND_DEBUG) {
        cr_skip_test("in a debug build every heap remembers its blocks");
    }
    unsetenv("ZEND_MM_DEBUG");
    begin_memory_manager();
    char *block = emalloc(unknown(100));
    cr_assert_str_eq(report_of(block, 1), "");
    cr_assert(answer);
    check_report(report_of(block, 0), block, "Beginning:  OK\n");
    (void)report_of(block + 1, 1);
    cr_assert_not(answer);
}

Test(debug_check_passing, without_the_heap_tracked_blocks_are_known_and_others_are_anybodys)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    setenv("USE_TRACKED_ALLOC", "1", 1);
    begin_memory_manager();
    char *block = emalloc(unknown(100));
    (void)report_of(block, 1);
    cr_assert(answer);
    (void)report_of(block + 8, 1);
    cr_assert_not(answer);
    check_full_report("", 0);
}

Test(debug_check_passing, without_the_heap_and_untracked_nobody_knows)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    begin_memory_manager();
    void *block = emalloc(unknown(100));
    cr_assert_str_eq(report_of(block, 1), "");
    cr_assert(answer);
    efree(block);
}
