/* peer_ours: libtsrmalloc, with and without ZTS.
 * Owns        the functions of the library, one library a process.
 * Thread      any, after bench_peer_open_ours().
 * Invariants  I1  without ZTS there is no tsrm_ls: callers pass one more argument than the function
 *                 takes, which it never looks at
 * Failure     false.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/peer.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* const after bench_peer_open_ours() */
static struct {
    int (*tsrm_startup)(int threads, int resources, int level, const char *file);
    void *(*ts_resource_ex)(int id, void *thread);
    void (*ts_free_thread)(void);
    void (*start)(void ***tsrm_ls);
    void (*shutdown)(int silent, int full, void ***tsrm_ls);
    void *(*alloc)(size_t size);
    bool (*statistics)(void *heap, zend_mm_heap_statistics *statistics);
} ours;

static __thread void ***tsrm_ls;

static bool ours_thread_start(void)
{
    tsrm_ls = ours.ts_resource_ex(0, NULL);
    return tsrm_ls != NULL;
}

static bool ours_start(void)
{
    if (ours.tsrm_startup != NULL
        && (!ours.tsrm_startup(1, 1, 0, NULL) || !ours_thread_start())) {
        return false;
    }
    ours.start(tsrm_ls);
    return true;
}

static void ours_reset(void)
{
    ours.shutdown(1, 0, tsrm_ls);
}

static bool ours_statistics(zend_mm_heap_statistics *statistics)
{
    return ours.statistics(NULL, statistics);
}

static void ours_cycle(void)
{
    if (ours_thread_start()) {
        *(volatile char *)ours.alloc(64) = 1;
    }
    ours.ts_free_thread();
}

static void open_threads(void *library, bench_peer *peer)
{
    if (BENCH_FIND(library, "tsrm_startup", ours.tsrm_startup)
        && BENCH_FIND(library, "ts_resource_ex", ours.ts_resource_ex)
        && BENCH_FIND(library, "ts_free_thread", ours.ts_free_thread)) {
        peer->thread_start = ours_thread_start;
        peer->thread_end = ours.ts_free_thread;
        peer->cycle = ours_cycle;
    } else {
        ours.tsrm_startup = NULL;
        peer->no_threads = peer->no_remote_free = "built without ZTS, one heap in one thread";
    }
}

/* What was opened, behind all links: it need not be the build this program belongs to. */
static void read_version(void *library, bench_peer *peer)
{
    struct link_map *map;
    char path[PATH_MAX] = "libtsrmalloc";
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && realpath(map->l_name, path) == NULL) {
        path[0] = '\0';
    }
    const char *slash = strrchr(path, '/');
    snprintf(peer->version, sizeof peer->version, "%.70s, %s", slash != NULL ? slash + 1 : path,
        ours.tsrm_startup != NULL ? "ZTS" : "without ZTS");
}

bool bench_peer_open_ours(void *library, bench_peer *peer)
{
    if (!BENCH_FIND(library, "_emalloc", peer->alloc)
        || !BENCH_FIND(library, "_emalloc", ours.alloc)
        || !BENCH_FIND(library, "_efree", peer->free)
        || !BENCH_FIND(library, "_erealloc", peer->realloc)
        || !BENCH_FIND(library, "start_memory_manager", ours.start)
        || !BENCH_FIND(library, "shutdown_memory_manager", ours.shutdown)
        || !BENCH_FIND(library, "zend_mm_heap_stats", ours.statistics)) {
        return false;
    }
    open_threads(library, peer);
    peer->start = ours_start;
    peer->reset = ours_reset;
    peer->statistics = ours_statistics;
    read_version(library, peer);
    return true;
}
