/* check: what a plain test program (one with its own main) counts and prints.
 *
 *     CHECK_CASE("a fresh heap is empty");
 *     CHECK(zend_mm_heap_size(heap) == 0);
 *     ...
 *     return check_summary();
 *
 * A case lasts until the next CHECK_CASE. It passes when at least one CHECK ran in it and none
 * failed; a case that checked nothing has failed, since it could not fail otherwise.
 *
 * Owns        the counters of this program. One program, one .c file that includes this header.
 * Thread      CHECK from any thread; CHECK_CASE, CHECK_SKIP and check_summary from the main one,
 *             while no other thread is inside a CHECK.
 * Failure     a failed CHECK prints file, line and expression and goes on.
 * Tests       tests/support/selftest.sh */
#ifndef TSRMALLOC_TESTS_SUPPORT_CHECK_H
#define TSRMALLOC_TESTS_SUPPORT_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/* Counts one check of the current case. Yields the condition, for `if (!CHECK(block)) return;`. */
#define CHECK(condition) check_condition((condition), #condition, __FILE__, __LINE__)

/* Ends the current case and begins the next; the sentence says what must be true. */
#define CHECK_CASE(sentence) check_case_begin(sentence)

/* The current case cannot run here; the reason is printed, and by `make check` too. */
#define CHECK_SKIP(reason) check_case_skip(reason)

typedef struct check_counters {
    const char *sentence;       /* main thread only; NULL before the first case */
    const char *skip_reason;    /* main thread only; NULL unless the case is skipped */
    atomic_uint check_count;    /* atomic: relaxed, read by the main thread after joins */
    atomic_uint failure_count;  /* atomic: relaxed, as above */
    unsigned passed_count;      /* main thread only */
    unsigned failed_count;      /* main thread only */
    unsigned skipped_count;     /* main thread only */
} check_counters;

static check_counters check_state;

static inline bool check_condition(bool holds, const char *expression, const char *file, int line)
{
    atomic_fetch_add_explicit(&check_state.check_count, 1, memory_order_relaxed);
    if (!holds) {
        atomic_fetch_add_explicit(&check_state.failure_count, 1, memory_order_relaxed);
        printf("%s:%d: failed: %s\n", file, line, expression);
        fflush(stdout);
    }
    return holds;
}

static inline void check_case_end(void)
{
    unsigned check_count = atomic_exchange(&check_state.check_count, 0);
    unsigned failure_count = atomic_exchange(&check_state.failure_count, 0);
    const char *sentence = check_state.sentence;
    const char *skip_reason = check_state.skip_reason;

    check_state.sentence = NULL;
    check_state.skip_reason = NULL;
    if (!sentence && check_count == 0)
        return;
    if (!sentence)
        sentence = "(outside any case)";
    if (failure_count > 0) {
        check_state.failed_count++;
        printf("not ok - %s (%u of %u checks failed)\n", sentence, failure_count, check_count);
    } else if (skip_reason) {
        check_state.skipped_count++;
        printf("skipped - %s: %s\n", sentence, skip_reason);
    } else if (check_count == 0) {
        check_state.failed_count++;
        printf("not ok - %s (nothing was checked)\n", sentence);
    } else {
        check_state.passed_count++;
        printf("ok - %s\n", sentence);
    }
    fflush(stdout); /* a case that forks must not print this twice */
}

static inline void check_case_begin(const char *sentence)
{
    check_case_end();
    check_state.sentence = sentence;
}

static inline void check_case_skip(const char *reason)
{
    check_state.skip_reason = reason;
}

/* Ends the last case and prints the closing line that the test driver reads.
 * Returns the exit status of the program: 0 if no case failed and there was one, else 1. */
static inline int check_summary(void)
{
    check_case_end();
    printf("%u passed, %u failed, %u skipped\n", check_state.passed_count,
           check_state.failed_count, check_state.skipped_count);
    fflush(stdout);
    return check_state.failed_count > 0 ||
           check_state.passed_count + check_state.skipped_count == 0;
}

#endif
