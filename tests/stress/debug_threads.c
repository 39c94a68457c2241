/* debug_threads: many threads leak at once, at request ends and at their ends: each heap's report is
 * whole, right and by itself. In a debug build as it is, in others with ZEND_MM_DEBUG=leaks=1.
 *
 * Owns        stderr, which goes to a file while the threads run.
 * Thread      main plus THREAD_COUNT workers (ZTS); without ZTS the workers run one after another.
 * Failure     prints what was wrong in the text. */
#include "config.h"

#include <string.h>

#include "alloc/zend_alloc.h"
#include "tests/support/alloc_support.h"
#include "tests/support/check.h"
#ifdef ZTS
# include "tests/unit/tsrm_support.h"
#endif

#ifdef ZTS
# define THREAD_COUNT 8
#else
# define THREAD_COUNT 1
#endif
#define ROUND_COUNT 20
#define LEAK_COUNT 12       /* of one place in each round */

#ifdef ZTS
static struct gate start = GATE_INIT;
#endif

static void end_loudly(int full)
{
#ifdef ZTS
    if (full) {
        ts_free_thread();
    } else {
        shutdown_memory_manager(0, 0, tsrm_get_ls_cache());
    }
#else
    shutdown_memory_manager(0, full);
#endif
}

/* Worker N leaks blocks of 100 + N bytes from one place, and a block of 200 + N from another. */
static void leak(size_t number)
{
    for (volatile int count = 0; count < LEAK_COUNT; count++) {
        CHECK(emalloc(100 + number) != NULL);
    }
    CHECK(emalloc(200 + number) != NULL);
}

static void *work(void *argument)
{
    size_t number = *(const size_t *)argument;
    char name[32];
#ifdef ZTS
    gate_pass(&start, 1);
    CHECK(ts_resource(0) != NULL);
#endif
    snprintf(name, sizeof name, "worker-%zu", number);
    zend_mm_set_script_name(name);
    for (int round = 0; round < ROUND_COUNT; round++) {
        leak(number);
        end_loudly(0);
    }
    leak(number);
    end_loudly(1);
    return NULL;
}

static void run_workers(void)
{
    size_t numbers[THREAD_COUNT];
    for (size_t number = 0; number < THREAD_COUNT; number++) {
        numbers[number] = number;
    }
#ifdef ZTS
    pthread_t threads[THREAD_COUNT];
    for (size_t number = 0; number < THREAD_COUNT; number++) {
        threads[number] = thread_run(work, &numbers[number]);
    }
    gate_open(&start, 1);
    for (size_t number = 0; number < THREAD_COUNT; number++) {
        (void)thread_result(threads[number]);
    }
#else
    (void)work(numbers);
#endif
}

/* ---- the text ---- */

typedef struct reader {
    size_t worker;      /* whose report this is */
    size_t reports[THREAD_COUNT];
    bool is_inside;
} reader;

static bool read_script_line(reader *at, const char *line)
{
    size_t worker;
    if (line[0] != '[' || sscanf(strchr(line, ']'), "]  Script:  'worker-%zu'", &worker) != 1
            || worker >= THREAD_COUNT) {
        return false;
    }
    bool is_own = !at->is_inside || worker == at->worker;
    at->is_inside = true;
    at->worker = worker;
    return is_own;
}

static bool read_leak_line(reader *at, const char *line)
{
    size_t address, size, worker;
    const char *text = strstr(line, ") :  Freeing ");
    if (text == NULL || sscanf(text, ") :  Freeing 0x%zx (%zu bytes), script=worker-%zu", &address,
                            &size, &worker) != 3) {
        return false;
    }
    return at->is_inside && worker == at->worker && (size == 100 + worker || size == 200 + worker);
}

static bool read_total_line(reader *at, unsigned long total)
{
    bool is_right = at->is_inside && total == LEAK_COUNT + 1 && at->worker < THREAD_COUNT;
    if (is_right) {
        at->reports[at->worker]++;
    }
    at->is_inside = false;
    return is_right;
}

static bool read_line(reader *at, const char *line)
{
    unsigned long count;
    if (sscanf(line, "Last leak repeated %lu time", &count) == 1) {
        return at->is_inside && count >= LEAK_COUNT - 1 && count <= LEAK_COUNT;
    }
    if (sscanf(line, "=== Total %lu memory leaks detected ===", &count) == 1) {
        return read_total_line(at, count);
    }
    return strstr(line, "  Script:  ") != NULL ? read_script_line(at, line)
                                               : read_leak_line(at, line);
}

static void check_text(FILE *file)
{
    reader at = { 0 };
    char line[1024];
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (!CHECK(read_line(&at, line))) {
            printf("unexpected: %s", line);
            return;
        }
    }
    CHECK(!at.is_inside);
    for (size_t number = 0; number < THREAD_COUNT; number++) {
        CHECK(at.reports[number] == ROUND_COUNT + 1);
    }
}

int main(void)
{
    if (ZEND_DEBUG) {
        unsetenv("ZEND_MM_DEBUG");
    } else {
        setenv("ZEND_MM_DEBUG", "leaks=1", 1);
    }
    CHECK_CASE("each request's and each thread's report is whole and by itself, however many threads");
    alloc_begin();
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    if (!CHECK(file != NULL && saved >= 0)) {
        return check_summary();
    }
    (void)dup2(fileno(file), STDERR_FILENO);
    run_workers();
    (void)dup2(saved, STDERR_FILENO);
    CHECK(alloc_end() == 0);
    check_text(file);
    fclose(file);
    return check_summary();
}
