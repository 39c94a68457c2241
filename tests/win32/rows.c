/* rows: one program for Windows and Linux whose lines are the same on both: start-up flow, heap,
 * limits, requests, threads. check.sh compares them; on Linux it is also one of the plain tests.
 *     rows            every row
 *     rows MODE       a program that ends in a way of its own, see rows_modes.c
 *
 * Owns        the current case.
 * Thread      main, but row_check.
 * Invariants  no line depends on addresses, times, the storage or the order of threads.
 * Failure     a case that failed, and exit status 1.
 * Tests       the whole library through its public interface. */
#include "config.h"

#include "tests/win32/rows.h"

#include <stdio.h>

#include "tests/support/check.h"

void row_case(const char *sentence)
{
    CHECK_CASE(sentence);
}

void row_skip(const char *reason)
{
    CHECK_SKIP(reason);
}

void row_figure(const char *name, size_t value)
{
    printf("    %s: %zu\n", name, value);
}

void row_text(const char *name, const char *text)
{
    printf("    %s: %s\n", name, text);
}

bool row_check(bool holds, const char *expression, const char *file, int line)
{
    return check_condition(holds, expression, file, line);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int status = row_mode(argv[1]);
        if (status < 0) {
            fprintf(stderr, "rows: there is no mode '%s'\n", argv[1]);
            return 64;
        }
        return status;
    }
    rows_startup();
    rows_heap();
    rows_limit();
    rows_requests();
    rows_observers();
    rows_custom();
    rows_threads();
    rows_shutdown();
    return check_summary();
}
