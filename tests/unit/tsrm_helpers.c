/* Mutexes, the environment's lock, signals, messages, the macros. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tsrm_support.h"
#include "tests/unit/tsrm_macros.h"

static MUTEX_T mutex;
static int guarded;

static void *count_guarded(void *arg)
{
    int i;

    for (i = 0; i < 10000; i++) {
        if (tsrm_mutex_lock(mutex) != 0) {
            return arg;
        }
        guarded++;
        tsrm_mutex_unlock(mutex);
    }
    return NULL;
}

Test(tsrm_helpers, a_mutex_lets_one_thread_in_at_a_time)
{
    pthread_t threads[4];
    int i;

    mutex = tsrm_mutex_alloc();
    cr_assert_not_null(mutex);
    for (i = 0; i < 4; i++) {
        threads[i] = thread_run(count_guarded, &mutex);
    }
    for (i = 0; i < 4; i++) {
        cr_assert_null(thread_result(threads[i]));
    }
    cr_assert_eq(guarded, 40000);
    tsrm_mutex_free(mutex);
}

Test(tsrm_helpers, no_mutex_is_an_error_not_a_crash)
{
    tsrm_mutex_free(NULL);
    cr_assert_eq(tsrm_mutex_lock(NULL), -1);
    cr_assert_eq(tsrm_mutex_unlock(NULL), -1);
}

static void *count_under_env_lock(void *arg)
{
    int i;

    for (i = 0; i < 10000; i++) {
        tsrm_env_lock();
        guarded++;
        tsrm_env_unlock();
    }
    return arg;
}

Test(tsrm_helpers, the_environment_has_one_lock)
{
    pthread_t first = thread_run(count_under_env_lock, NULL);
    pthread_t second = thread_run(count_under_env_lock, NULL);

    thread_result(first);
    thread_result(second);
    cr_assert_eq(guarded, 20000);
}

Test(tsrm_helpers, sigmask_is_the_thread_s)
{
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    cr_assert_eq(tsrm_sigmask(SIG_BLOCK, &set, NULL), 0);
    cr_assert_eq(tsrm_sigmask(SIG_SETMASK, NULL, &old), 0);
    cr_assert(sigismember(&old, SIGUSR1));
    cr_assert_eq(tsrm_sigmask(-1, &set, NULL), EINVAL);
}

Test(tsrm_helpers, the_api_has_a_name)
{
    cr_assert_str_eq(tsrm_api_name(), "POSIX Threads");
    cr_assert(pthread_equal(tsrm_thread_id(), pthread_self()));
}

Test(tsrm_helpers, messages_go_to_the_file_up_to_the_level)
{
    char name[] = "tsrm_helpers.XXXXXX";
    char line[100];
    int fd = mkstemp(name);
    FILE *file;

    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(tsrm_error(TSRM_ERROR_LEVEL_ERROR, "nobody reads this"), 0);
    tsrm_error_set(TSRM_ERROR_LEVEL_CORE, name);
    cr_assert_eq(tsrm_error(TSRM_ERROR_LEVEL_INFO, "too detailed"), 0);
    cr_assert_eq(tsrm_error(TSRM_ERROR_LEVEL_CORE, "core %d", 1), 1);
    cr_assert_eq(tsrm_error(TSRM_ERROR_LEVEL_ERROR, "error %s", "two"), 1);
    tsrm_error_set(0, NULL);
    file = fopen(name, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(line, sizeof(line), file));
    cr_assert_str_eq(line, "TSRM:  core 1\n");
    cr_assert_not_null(fgets(line, sizeof(line), file));
    cr_assert_str_eq(line, "TSRM:  error two\n");
    cr_assert_null(fgets(line, sizeof(line), file));
    fclose(file);
    unlink(name);
}

Test(tsrm_helpers, a_refused_id_says_why)
{
    char name[] = "tsrm_helpers.XXXXXX";
    char line[100] = "";
    int fd = mkstemp(name);
    ts_rsrc_id id;
    size_t offset;
    FILE *file;

    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(tsrm_startup(1, 1, TSRM_ERROR_LEVEL_ERROR, name), 1);
    cr_assert_eq(ts_allocate_fast_id(&id, &offset, 100, NULL, NULL), 0);
    tsrm_shutdown();
    file = fopen(name, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(line, sizeof(line), file));
    fclose(file);
    unlink(name);
    cr_assert_str_eq(line, "TSRM:  ts_allocate_fast_id: no room reserved for the fast resource\n");
}

Test(tsrm_helpers, callers_with_tsrmls_macros_reach_their_globals)
{
    tsrm_begin();
    cr_assert_eq(macros_run(), 42);
    tsrm_shutdown();
}
