/* 10,000 thread starts and ends leave memory and TSRM's tables as they were; every other thread
 * ends without ts_free_thread.
 *     tsrm_churn [threads] */
#include "config.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/unit/tsrm_support.h"
#include "tsrm/registry.h"
#include "tsrm/thread_table.h"

enum { AT_ONCE = 8, RESOURCE_SIZE = 10000, RSS_GROWTH_MAX = 4 << 20 };

static ts_rsrc_id big_id, small_id;
static atomic_int ctor_count, dtor_count;

static void ctor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    memset(resource, 0x55, RESOURCE_SIZE);
    ctor_count++;
}

static void dtor(void *resource, void ***tsrm_ls)
{
    (void)resource;
    (void)tsrm_ls;
    dtor_count++;
}

static pthread_barrier_t all_live;
static bool is_meeting;         /* written while no thread runs */

static void *body(void *ends_by_itself)
{
    CHECK(ts_resource(big_id) != NULL);
    CHECK(ts_resource(small_id) != NULL);
    if (is_meeting) {
        pthread_barrier_wait(&all_live);
    }
    if (ends_by_itself == NULL) {
        ts_free_thread();
    }
    return NULL;
}

static void churn(int count)
{
    pthread_t threads[AT_ONCE];
    int done, i;

    for (done = 0; done < count; done += AT_ONCE) {
        for (i = 0; i < AT_ONCE; i++) {
            threads[i] = thread_run(body, i % 2 == 0 ? NULL : &big_id);
        }
        for (i = 0; i < AT_ONCE; i++) {
            thread_result(threads[i]);
        }
    }
}

/* Resident bytes, 0 where the system does not tell. */
static size_t rss_size(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total_pages, resident_pages = 0;

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%lu %lu", &total_pages, &resident_pages) != 2) {
        resident_pages = 0;
    }
    fclose(file);
    return resident_pages * (size_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 10000;
    size_t entry_count, table_size, rss_before, rss_after;

    CHECK_CASE("10,000 thread starts and ends leave no entry behind");
    tsrm_begin();
    CHECK(ts_allocate_id(&big_id, RESOURCE_SIZE, ctor, dtor) != 0);
    CHECK(ts_allocate_id(&small_id, 1, NULL, NULL) != 0);
    /* As many threads at once as there can be, whatever the machine's load. */
    CHECK(pthread_barrier_init(&all_live, NULL, AT_ONCE) == 0);
    is_meeting = true;
    churn(AT_ONCE * 10);
    is_meeting = false;
    entry_count = tsrm_registry.entry_count;
    table_size = tsrm_thread_table_size();
    rss_before = rss_size();
    churn(count);
    rss_after = rss_size();
    CHECK(tsrm_thread_count() == 1);
    CHECK(ctor_count == dtor_count + 1);

    CHECK_CASE("10,000 thread starts and ends leave TSRM's tables flat");
    CHECK(entry_count <= AT_ONCE + 1);
    CHECK(tsrm_registry.entry_count <= AT_ONCE + 1);
    CHECK(tsrm_thread_table_size() == table_size);

    CHECK_CASE("10,000 thread starts and ends leave RSS flat");
    if (TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD) {
        CHECK_SKIP("the sanitizer keeps memory of ended threads");
    } else if (rss_before == 0) {
        CHECK_SKIP("this system does not tell the resident size");
    } else {
        printf("resident: %zu bytes, then %zu\n", rss_before, rss_after);
        CHECK(rss_after < rss_before + RSS_GROWTH_MAX);
    }

    CHECK_CASE("shutdown finds nobody left");
    CHECK(tsrm_shutdown() == 0);
    CHECK(ctor_count == dtor_count);
    return check_summary();
}
