/* tool_modes: every mode of tsrmalloc-stress, a fixed seed, a fixed number of operations.
 * Owns        one child process at a time.
 * Thread      one.
 * Invariants  the amount of work does not depend on the machine's speed.
 * Failure     a CHECK per mode; what the program printed is in the log.
 * Tests       stress/ */
#include "config.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/check.h"

#ifdef ZTS
# define THREADS "4"
#else
# define THREADS "1"
#endif

extern char **environ;

typedef struct mode_case {
    const char *sentence;
    const char *mode;
    const char *operations;
    int needs_zts;
} mode_case;

/* -1: it did not end by itself. */
static int run(const char *mode, const char *operations)
{
    char trace[4096];
    const char *source = getenv("abs_top_srcdir");
    pid_t child;
    int status = 0;
    snprintf(trace, sizeof trace, "%s/tests/data/small.zmt", source != NULL ? source : ".");
    char *arguments[] = { "tsrmalloc-stress", "--seed", "20240607", "--threads", THREADS, "--mode",
        (char *)mode, "--stop-at", (char *)operations, "--trace", trace, NULL };
    if (posix_spawn(&child, "./tsrmalloc-stress", NULL, NULL, arguments, environ) != 0) {
        perror("./tsrmalloc-stress");
        return -1;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    static const mode_case cases[] = {
        { "random requests leave every heap right", "request", "3000", 0 },
        { "traces replay with every block intact", "trace", "6", 0 },
        { "blocks that travel between threads are all freed once", "handoff", "4000", 1 },
        { "threads begin and end while others run", "churn", "250", 1 },
        { "ids come and go while all threads read", "ids", "8000", 1 },
        { "a heap goes on after every hit of its limit", "limit", "250", 0 },
        { "huge blocks keep their contents however they change", "huge", "400", 0 },
        { "a child of fork goes on with its heap", "fork", "120", 0 },
        { "a storage that refuses loses nothing", "oom", "2500", 0 },
        { "callbacks that misbehave do no harm", "misbehave", "150", 0 },
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        CHECK_CASE(cases[index].sentence);
#ifndef ZTS
        if (cases[index].needs_zts) {
            CHECK_SKIP("built without ZTS: there is one thread");
            continue;
        }
#endif
        CHECK(run(cases[index].mode, cases[index].operations) == 0);
    }
    return check_summary();
}
