/* Every heap of the process, a heap as JSON, and a key that a forked child does not share. */
#include "config.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/process_limit.h"
#include "tests/unit/alloc_support.h"

TestSuite(process_stats, .init = begin_memory_manager, .timeout = 60);

static zend_mm_process_heap heaps[8];

static const zend_mm_process_heap *find(const zend_mm_heap *heap)
{
    size_t count = zend_mm_process_stats(NULL, heaps, 8);
    for (size_t index = 0; index < count; index++) {
        if (heaps[index].heap_index == heap->index) {
            return &heaps[index];
        }
    }
    return NULL;
}

Test(process_stats, a_heap_is_listed_while_it_lives)
{
    cr_assert_not_null(find(zend_mm_get_heap()));
    zend_mm_process_statistics process;
    size_t before = zend_mm_process_stats(&process, NULL, 0);
    cr_assert_eq(process.heap_count, before);
    zend_mm_heap *other = new_heap(), *internal = new_counted_heap(2 * MIB, 0, 1);
    cr_assert_eq(zend_mm_process_stats(NULL, heaps, 1), before + 1);
    cr_assert_eq(find(other)->size, 0u);
    cr_assert_eq(find(other)->state, ZEND_MM_HEAP_IDLE);
    zend_mm_shutdown(other, 1, 1);
    zend_mm_shutdown(internal, 1, 1);
    cr_assert_eq(zend_mm_process_stats(NULL, heaps, 8), before);
}

Test(process_stats, its_accounts_are_those_of_the_heap)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_set_memory_limit(64 * MIB));
    void *block = emalloc(unknown(3 * MIB));
    efree(emalloc(unknown(5 * MIB)));
    (void)usage(0);
    const zend_mm_process_heap *seen = find(heap);
    cr_assert(seen->size == 3 * MIB && seen->peak == 8 * MIB && seen->limit == 64 * MIB);
    cr_assert_eq(seen->real_size, usage(1));
    cr_assert_eq(seen->cached_size, 5 * MIB);
    cr_assert_eq(seen->state, ZEND_MM_HEAP_IN_REQUEST);
    cr_assert_neq(seen->thread, 0u);
    efree(block);
    end_request();
    seen = find(heap);
    cr_assert(seen->size == 0 && seen->reset_count == 1 && seen->real_size == 2 * MIB);
    zend_mm_process_statistics process;
    (void)zend_mm_process_stats(&process, NULL, 0);
    cr_assert_eq(process.usage, zend_mm_process_usage());
    cr_assert_eq(process.limit, SIZE_MAX);
}

static void look(void)
{
    cr_assert_eq(find(zend_mm_get_heap())->state, ZEND_MM_HEAP_IN_REQUEST);
}

Test(process_stats, a_heap_that_met_its_limit_is_still_readable)
{
    zend_mm_set_error_callback(hear);
    heard.meanwhile = look;
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert_not_null(emalloc(unknown(100)));
    (void)usage(0);
    zend_try {
        efree(emalloc(unknown(5 * MIB)));
    } zend_end_try();
    cr_assert_eq(heard.count, 1);
}

/* ---- the dump ---- */

static char json[65536];

static const char *dump(zend_mm_heap *heap)
{
    char name[] = "/tmp/tsrmalloc-dump-XXXXXX";
    int file = mkstemp(name);
    cr_assert_geq(file, 0);
    (void)unlink(name);
    cr_assert(zend_mm_heap_dump(heap, file));
    ssize_t got = pread(file, json, sizeof json - 1, 0);
    json[got > 0 ? got : 0] = '\0';
    close(file);
    return json;
}

static int count_of(const char *text, char byte)
{
    int count = 0;
    for (; *text != '\0'; text++) {
        count += *text == byte;
    }
    return count;
}

Test(process_stats, the_dump_is_one_object_with_every_bin_and_segment)
{
    cr_assert_not_null(emalloc(unknown(100)));
    cr_assert_not_null(emalloc(unknown(3 * MIB)));
    for (int number = 0; number < 40; number++) {
        cr_assert_not_null(emalloc(unknown(1500 * KIB)));
    }
    const char *text = dump(NULL);
    cr_assert_eq(text[0], '{');
    cr_assert_str_eq(strstr(text, "]}\n"), "]}\n");
    cr_assert_eq(count_of(text, '{'), count_of(text, '}'));
    cr_assert_eq(count_of(text, '{'), 3 + ZEND_MM_BIN_COUNT
        + (int)zend_mm_get_heap()->segment_count);
    cr_assert_not_null(strstr(text, "\"limit\":null,"));
    cr_assert_not_null(strstr(text, "{\"slot_size\":112,\"used\":1,\"free\":35,\"runs\":1}"));
    cr_assert_not_null(strstr(text, "\"huge\":{\"count\":1,\"size\":3145728,"));
    cr_assert_not_null(strstr(text, "\"largest_free_run\":"));
}

/* What a JSON parser makes of a dump, by a Python expression over the object `d`. */
static void check_parsed(zend_mm_heap *heap, const char *expression)
{
    char name[] = "/tmp/tsrmalloc-dump-XXXXXX", command[600];
    int file = mkstemp(name);
    cr_assert(file >= 0 && zend_mm_heap_dump(heap, file));
    close(file);
    snprintf(command, sizeof command,
        "python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not (%s))' %s",
        expression, name);
    int status = system(command);
    (void)unlink(name);
    cr_assert_eq(status, 0, "%s", expression);
}

Test(process_stats, the_dump_is_json_whatever_the_storage_is_called)
{
    if (system("python3 -c 'import json' 2>/dev/null") != 0) {
        cr_skip_test("there is no python3 to parse it");
    }
    char name[3000] = "a \"quoted\" \\ name\n";
    size_t length = strlen(name);
    memset(name + length, 'x', sizeof name - 1 - length);
    zend_mm_mem_handlers handlers = counted_handlers;
    handlers.name = name;
    zend_mm_heap *heap = zend_mm_startup_ex(&handlers, 2 * MIB, 0, 0, NULL);
    cr_assert_not_null(zend_mm_alloc(heap, 100));
    cr_assert_not_null(zend_mm_alloc(heap, 3 * MIB));
    check_parsed(heap, "d[\"storage\"] == \"a \\\"quoted\\\" \\\\ name\\n\" + \"x\" * 2981");
    check_parsed(heap, "len(d[\"bins\"]) == 30 and d[\"huge\"][\"count\"] == 1");
    check_parsed(heap, "d[\"size\"] == d[\"huge\"][\"size\"]"
        " + sum(b[\"slot_size\"] * b[\"used\"] for b in d[\"bins\"])");
    check_parsed(heap, "0 <= d[\"pages\"][\"fragmentation\"] <= 1");
    zend_mm_shutdown(heap, 1, 1);
}

Test(process_stats, the_dump_tells_the_limit_of_a_heap_that_has_one)
{
    cr_assert(zend_set_memory_limit(8 * MIB));
    cr_assert_not_null(strstr(dump(NULL), "\"limit\":8388608,"));
}

Test(process_stats, a_descriptor_that_takes_nothing_is_a_failure)
{
    cr_assert_not(zend_mm_heap_dump(NULL, -1));
}

Test(process_stats, a_heap_without_memory_of_its_own_has_no_dump)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    (void)set_heap(NULL);
    cr_assert_not_null(zend_mm_get_heap());
    cr_assert_not(zend_mm_heap_dump(NULL, STDOUT_FILENO));
}

/* ---- keys over a fork ---- */

static uintptr_t key_in_child(void (*act)(void))
{
    int ends[2];
    uintptr_t key = 0;
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        act();
        /* Blocks freed before are found with the new key. */
        efree(emalloc(unknown(100)));
        key = zend_mm_get_heap()->link_key;
        _exit(write(ends[1], &key, sizeof key) == (ssize_t)sizeof key ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(read(ends[0], &key, sizeof key), (ssize_t)sizeof key);
    close(ends[0]);
    close(ends[1]);
    return key;
}

static void do_nothing(void)
{
}

static void make_free_slots(void)
{
    void *blocks[100];
    for (int number = 0; number < 100; number++) {
        blocks[number] = emalloc(unknown(100));
    }
    for (int number = 0; number < 100; number++) {
        efree(blocks[number]);
    }
}

Test(process_stats, a_child_has_a_key_of_its_own_after_refresh_memory_manager)
{
    uintptr_t key = zend_mm_get_heap()->link_key;
    make_free_slots();
    cr_assert_eq(key_in_child(do_nothing), key);
    uintptr_t first = key_in_child(refresh_memory_manager);
    uintptr_t second = key_in_child(refresh_memory_manager);
    cr_assert(first != key && second != key && first != second);
    cr_assert_eq(zend_mm_get_heap()->link_key, key);
}

Test(process_stats, a_childs_key_is_drawn_anew_at_its_next_request_end)
{
    uint64_t state = zend_mm_get_heap()->key_state;
    uintptr_t key = key_in_child(end_request);
    end_request();
    cr_assert_neq(zend_mm_get_heap()->link_key, key);
    cr_assert_neq(zend_mm_get_heap()->key_state, state);
}

Test(process_stats, refreshing_keeps_every_free_slot)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    make_free_slots();
    uintptr_t key = heap->link_key;
    refresh_memory_manager();
    cr_assert_neq(heap->link_key, key);
    check_valid(heap);
    make_free_slots();
    cr_assert_eq(usage(0), 0u);
}
