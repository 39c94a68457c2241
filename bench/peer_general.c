/* peer_general: allocators with malloc, free and realloc; mimalloc, also through its heaps.
 * Owns        the functions of the library, one library a process.
 * Thread      any; a mimalloc heap is its thread's own.
 * Invariants  none.
 * Failure     false.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/peer.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- malloc ---- */

/* const after bench_peer_open_*() */
static void *(*general_alloc)(size_t size);
static void (*general_free)(void *block);

static void general_cycle(void)
{
    char *block = general_alloc(64);
    *(volatile char *)block = 1;
    general_free(block);
}

static void use(bench_peer *peer)
{
    general_alloc = peer->alloc;
    general_free = peer->free;
    peer->cycle = general_cycle;
}

static void read_general_version(void *library, bench_peer *peer)
{
    int (*mallctl)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
    const char *(*tc_version)(int *major, int *minor, const char **patch);
    const char *text = "unknown";
    size_t size = sizeof text;
    struct link_map *map;
    if (BENCH_FIND(library, "mallctl", mallctl) && mallctl("version", &text, &size, NULL, 0) == 0) {
        snprintf(peer->version, sizeof peer->version, "jemalloc %.20s", text);
        peer->version[strcspn(peer->version, "-")] = '\0';
    } else if (BENCH_FIND(library, "tc_version", tc_version)) {
        snprintf(peer->version, sizeof peer->version, "%.90s", tc_version(NULL, NULL, NULL));
    } else if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0) {
        const char *slash = strrchr(map->l_name, '/');
        snprintf(peer->version, sizeof peer->version, "%.90s",
            slash != NULL ? slash + 1 : map->l_name);
    }
}

bool bench_peer_open_general(void *library, bench_peer *peer)
{
    /* dlsym() looks in what the library needs, too: there it finds the C library's. */
    if (!BENCH_FIND(library, "malloc", peer->alloc) || peer->alloc == malloc
        || !BENCH_FIND(library, "free", peer->free)
        || !BENCH_FIND(library, "realloc", peer->realloc)) {
        return false;
    }
    use(peer);
    read_general_version(library, peer);
    return true;
}

bool bench_peer_open_libc(bench_peer *peer)
{
    peer->alloc = malloc;
    peer->free = free;
    if (!BENCH_FIND(RTLD_DEFAULT, "realloc", peer->realloc)) {
        return false;
    }
    use(peer);
    snprintf(peer->version, sizeof peer->version, "glibc %s", gnu_get_libc_version());
    return true;
}

/* ---- mimalloc ---- */

static void read_mimalloc_version(void *library, bench_peer *peer)
{
    int (*version)(void);
    if (BENCH_FIND(library, "mi_version", version)) {
        int number = version();
        snprintf(peer->version, sizeof peer->version, "mimalloc %d.%d.%d", number / 100,
            number / 10 % 10, number % 10);
    }
}

bool bench_peer_open_mimalloc(void *library, bench_peer *peer)
{
    if (!BENCH_FIND(library, "mi_malloc", peer->alloc)
        || !BENCH_FIND(library, "mi_free", peer->free)
        || !BENCH_FIND(library, "mi_realloc", peer->realloc)) {
        return false;
    }
    use(peer);
    read_mimalloc_version(library, peer);
    return true;
}

/* const after bench_peer_open_mimalloc_heaps() */
static struct {
    void *(*heap_new)(void);
    void (*heap_destroy)(void *heap);
    void *(*heap_alloc)(void *heap, size_t size);
    void *(*heap_realloc)(void *heap, void *block, size_t size);
} mimalloc;

static __thread void *thread_heap;

static bool heaps_start(void)
{
    thread_heap = mimalloc.heap_new();
    return thread_heap != NULL;
}

static void heaps_end(void)
{
    mimalloc.heap_destroy(thread_heap);
}

static void heaps_reset(void)
{
    heaps_end();
    if (!heaps_start()) {
        fprintf(stderr, "tsrmalloc-bench: mi_heap_new() gives no heap\n");
        exit(1);
    }
}

static void *heaps_alloc(size_t size)
{
    return mimalloc.heap_alloc(thread_heap, size);
}

static void *heaps_realloc(void *block, size_t size, int allow_failure)
{
    (void)allow_failure;
    return mimalloc.heap_realloc(thread_heap, block, size);
}

static void heaps_cycle(void)
{
    if (heaps_start()) {
        *(volatile char *)heaps_alloc(64) = 1;
        heaps_end();
    }
}

bool bench_peer_open_mimalloc_heaps(void *library, bench_peer *peer)
{
    if (!BENCH_FIND(library, "mi_heap_new", mimalloc.heap_new)
        || !BENCH_FIND(library, "mi_heap_destroy", mimalloc.heap_destroy)
        || !BENCH_FIND(library, "mi_heap_malloc", mimalloc.heap_alloc)
        || !BENCH_FIND(library, "mi_heap_realloc", mimalloc.heap_realloc)
        || !BENCH_FIND(library, "mi_free", peer->free)) {
        return false;
    }
    peer->alloc = heaps_alloc;
    peer->realloc = heaps_realloc;
    peer->start = heaps_start;
    peer->reset = heaps_reset;
    peer->thread_start = heaps_start;
    peer->thread_end = heaps_end;
    peer->cycle = heaps_cycle;
    read_mimalloc_version(library, peer);
    return true;
}
