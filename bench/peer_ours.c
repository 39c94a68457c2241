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

/* A library that was built with --enable-debug takes the place of each call, too. It is measured as
 * any other; what it measures is the checks. const after bench_peer_open_ours() */
static struct {
    void *(*alloc)(size_t size, const char *, uint32_t, const char *, uint32_t);
    void (*free)(void *block, const char *, uint32_t, const char *, uint32_t);
    void *(*realloc)(void *block, size_t size, int, const char *, uint32_t, const char *, uint32_t);
} debug_build;

static void *debug_alloc(size_t size)
{
    return debug_build.alloc(size, __FILE__, __LINE__, NULL, 0);
}

static void debug_free(void *block)
{
    debug_build.free(block, __FILE__, __LINE__, NULL, 0);
}

static void *debug_realloc(void *block, size_t size, int allow_failure)
{
    return debug_build.realloc(block, size, allow_failure, __FILE__, __LINE__, NULL, 0);
}

static bool open_calls(void *library, bench_peer *peer)
{
    if (dlsym(library, "zend_debug_alloc_output") == NULL) {
        return BENCH_FIND(library, "_emalloc", peer->alloc)
            && BENCH_FIND(library, "_efree", peer->free)
            && BENCH_FIND(library, "_erealloc", peer->realloc);
    }
    peer->alloc = debug_alloc;
    peer->free = debug_free;
    peer->realloc = debug_realloc;
    return BENCH_FIND(library, "_emalloc", debug_build.alloc)
        && BENCH_FIND(library, "_efree", debug_build.free)
        && BENCH_FIND(library, "_erealloc", debug_build.realloc);
}

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
    if (!open_calls(library, peer)
        || !BENCH_FIND(library, "start_memory_manager", ours.start)
        || !BENCH_FIND(library, "shutdown_memory_manager", ours.shutdown)
        || !BENCH_FIND(library, "zend_mm_heap_stats", ours.statistics)) {
        return false;
    }
    ours.alloc = peer->alloc;
    open_threads(library, peer);
    peer->start = ours_start;
    peer->reset = ours_reset;
    peer->statistics = ours_statistics;
    read_version(library, peer);
    return true;
}
