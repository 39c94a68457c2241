/* Wrong settings: the texts of PHP 5.x, and exit status 255. */
#include "config.h"

#include "tests/death/death.h"

typedef struct setting {
    const char *name, *value;
    const char *text;
} setting;

static void start_with(void *arg)
{
    const setting *wrong = arg;
    if (setenv(wrong->name, wrong->value, 1) == 0) {
        begin_memory_manager();
    }
}

#ifdef ZTS
static void end_at_thread_start(void *arg)
{
    const setting *wrong = arg;
    begin_memory_manager();
    ts_free_thread();
    if (setenv(wrong->name, wrong->value, 1) == 0) {
        (void)ts_resource(0);
    }
}
#endif

static void check_setting(const char *name, const char *value, const char *text)
{
    setting wrong = { name, value, text };
    death result = die(start_with, &wrong);
    CHECK(is_exit(&result, 255));
    CHECK(is_text(&result, text));
}

static void check_accepted(const char *name, const char *value)
{
    setting right = { name, value, "" };
    death result = die(start_with, &right);
    CHECK(is_exit(&result, SURVIVED));
    CHECK(is_text(&result, ""));
}

#define SUPPORTED "'\n  supported types:\n    'malloc'\n    'mmap_anon'\n    'mmap_zero'\n"
#define WRONG "Wrong or unsupported zend_mm storage type '"

static void test_storage(void)
{
    CHECK_CASE("an unknown storage type lists the supported ones");
    check_setting("ZEND_MM_MEM_TYPE", "jemalloc", WRONG "jemalloc" SUPPORTED);
    CHECK_CASE("the empty string is no storage type");
    check_setting("ZEND_MM_MEM_TYPE", "", WRONG SUPPORTED);
    CHECK_CASE("a storage type is spelled exactly");
    check_setting("ZEND_MM_MEM_TYPE", "Malloc", WRONG "Malloc" SUPPORTED);
    check_setting("ZEND_MM_MEM_TYPE", "mmap_anon ", WRONG "mmap_anon " SUPPORTED);
    check_setting("ZEND_MM_MEM_TYPE", "mmap", WRONG "mmap" SUPPORTED);
    CHECK_CASE("every supported storage type is accepted");
    check_accepted("ZEND_MM_MEM_TYPE", "malloc");
    check_accepted("ZEND_MM_MEM_TYPE", "mmap_anon");
    check_accepted("ZEND_MM_MEM_TYPE", "mmap_zero");
}

static void test_segment_size(void)
{
    static const char *no_powers[] = { "0", "", "3m", "2097153", "-2m", "many", "5000" };
    static const char *small[] = { "1", "4096", "256k", "1m", "0x100000" };
    CHECK_CASE("a segment size that is no power of two is refused");
    for (size_t index = 0; index < sizeof no_powers / sizeof no_powers[0]; index++) {
        check_setting("ZEND_MM_SEG_SIZE", no_powers[index],
            "ZEND_MM_SEG_SIZE must be a power of two\n");
    }
    CHECK_CASE("a segment size below 2 MiB is refused");
    for (size_t index = 0; index < sizeof small / sizeof small[0]; index++) {
        check_setting("ZEND_MM_SEG_SIZE", small[index], "ZEND_MM_SEG_SIZE is too small\n");
    }
    CHECK_CASE("a power of two from 2 MiB on is accepted");
    check_accepted("ZEND_MM_SEG_SIZE", "2m");
    check_accepted("ZEND_MM_SEG_SIZE", "2097152");
    check_accepted("ZEND_MM_SEG_SIZE", "64M");
}

static void test_remote_free(void)
{
    CHECK_CASE("ZEND_MM_REMOTE_FREE is `accept` or `panic`");
    check_setting("ZEND_MM_REMOTE_FREE", "maybe",
        "ZEND_MM_REMOTE_FREE must be 'accept' or 'panic', not 'maybe'\n");
    check_setting("ZEND_MM_REMOTE_FREE", "",
        "ZEND_MM_REMOTE_FREE must be 'accept' or 'panic', not ''\n");
    check_accepted("ZEND_MM_REMOTE_FREE", "accept");
    check_accepted("ZEND_MM_REMOTE_FREE", "panic");
}

static void test_others(void)
{
    CHECK_CASE("no value of ZEND_MM_COMPACT or USE_ZEND_ALLOC ends the process");
    check_accepted("ZEND_MM_COMPACT", "");
    check_accepted("ZEND_MM_COMPACT", "often");
    check_accepted("ZEND_MM_COMPACT", "-5");
    check_accepted("USE_ZEND_ALLOC", "");
    check_accepted("USE_ZEND_ALLOC", "0");
    check_accepted("USE_ZEND_ALLOC", "yes");
    CHECK_CASE("without the allocator its settings are not read");
    setenv("USE_ZEND_ALLOC", "0", 1);
    check_accepted("ZEND_MM_MEM_TYPE", "jemalloc");
    check_accepted("ZEND_MM_SEG_SIZE", "3m");
    unsetenv("USE_ZEND_ALLOC");
}

static void start_with_block_size(void *arg)
{
    if (zend_mm_startup_ex(&zend_mm_storage_find(NULL)->handlers, *(size_t *)arg, 0, 0, NULL)) {
        _exit(SURVIVED);
    }
}

static void test_block_size(void)
{
    size_t block_sizes[] = { 0, 3 * MIB, 2 * MIB + 1 };
    CHECK_CASE("a heap whose block_size is no power of two ends the process");
    for (size_t index = 0; index < 3; index++) {
        death result = die(start_with_block_size, &block_sizes[index]);
        CHECK(is_exit(&result, 255));
        CHECK(is_text(&result, "'block_size' must be a power of two\n"));
    }
}

static void test_no_storage(void)
{
    CHECK_CASE("a storage that gives nothing at the start does not end the process");
    check_accepted("ZEND_MM_SEG_SIZE", "1048576g");
}

int main(void)
{
    unsetenv("USE_ZEND_ALLOC");
    unsetenv("ZEND_MM_MEM_TYPE");
    unsetenv("ZEND_MM_SEG_SIZE");
    unsetenv("ZEND_MM_COMPACT");
    unsetenv("ZEND_MM_REMOTE_FREE");
    test_storage();
    test_segment_size();
    test_remote_free();
    test_others();
    test_block_size();
    test_no_storage();
#ifdef ZTS
    CHECK_CASE("a wrong setting that appears later ends the process when the next heap is made");
    setting wrong = { "ZEND_MM_SEG_SIZE", "3m", "ZEND_MM_SEG_SIZE must be a power of two\n" };
    death result = die(end_at_thread_start, &wrong);
    CHECK(is_exit(&result, 255));
    CHECK(is_text(&result, wrong.text));
#endif
    return check_summary();
}
