/* peer: which allocators there are, and which kind a library is.
 * Owns        the loaded library, for the life of the process.
 * Thread      the main thread.
 * Invariants  I1  a library is loaded RTLD_LOCAL: its malloc serves those who ask for it by
 *                 dlsym(), never the C library or this program
 * Failure     false and a text.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/peer.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const bench_peer_default bench_peer_defaults[] = {
    { "ours", "libtsrmalloc.so.0", NULL },
    { "zend", "libphp8.2.so", "libphp8.2-embed" },
    { "glibc", NULL, NULL },
    { "jemalloc", "libjemalloc.so.2", "libjemalloc2" },
    { "tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4" },
    { "mimalloc", "libmimalloc.so.2", "libmimalloc2.0" },
    { "mimalloc-heaps", "libmimalloc.so.2", "libmimalloc2.0" },
    { "limit", NULL, NULL },
};
const size_t bench_peer_default_count = sizeof bench_peer_defaults / sizeof bench_peer_defaults[0];

bool bench_peer_find(void *library, const char *name, void *target, size_t size)
{
    void *symbol = dlsym(library, name);
    memcpy(target, &symbol, size);
    return symbol != NULL;
}

static bool always(void)
{
    return true;
}

static void nothing(void)
{
}

static bool open_by_symbols(void *library, bench_peer *peer)
{
    if (dlsym(library, "zend_mm_heap_stats") != NULL) {
        return bench_peer_open_ours(library, peer);
    }
    if (dlsym(library, "start_memory_manager") != NULL) {
        return bench_peer_open_zend(library, peer);
    }
    if (dlsym(library, "mi_malloc") != NULL) {
        return bench_peer_open_mimalloc(library, peer);
    }
    return bench_peer_open_general(library, peer);
}

static bool open_library(const char *name, const char *path, bench_peer *peer, char *error,
    size_t error_size)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(error, error_size, "%s", dlerror());
        return false;
    }
    if (strcmp(name, "mimalloc-heaps") == 0 ? bench_peer_open_mimalloc_heaps(library, peer)
                                            : open_by_symbols(library, peer)) {
        return true;
    }
    snprintf(error, error_size, "%s is no allocator that can be measured", path);
    return false;
}

bool bench_peer_open(const char *name, const char *path, bench_peer *peer, char *error,
    size_t error_size)
{
    memset(peer, 0, sizeof *peer);
    peer->start = always;
    peer->thread_start = always;
    peer->thread_end = nothing;
    if (*path != '\0') {
        return open_library(name, path, peer, error, error_size);
    }
    if (strcmp(name, "limit") == 0) {
        return bench_peer_open_limit(peer);
    }
    return bench_peer_open_libc(peer);
}
