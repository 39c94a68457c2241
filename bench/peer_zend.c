/* peer_zend: Zend MM of a PHP 7 or 8 library without thread safety (Debian's libphp*.so).
 * Owns        the functions of the library, one library a process.
 * Thread      the main thread; heaps made by zend_cycle(): the thread that made them.
 * Invariants  I1  the one heap of the process is used by the main thread only
 * Failure     false.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/peer.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* const after bench_peer_open_zend() */
static struct {
    void (*start)(void);
    void (*shutdown)(bool silent, bool full);
    void *(*heap_startup)(void);
    void *(*heap_alloc)(void *heap, size_t size);
    void (*heap_shutdown)(void *heap, bool full, bool silent);
} zend;

static bool zend_start(void)
{
    zend.start();
    return true;
}

static void zend_reset(void)
{
    zend.shutdown(true, false);
}

/* What its thread-safe build does when a thread starts and ends. */
static void zend_cycle(void)
{
    void *heap = zend.heap_startup();
    *(volatile char *)zend.heap_alloc(heap, 64) = 1;
    zend.heap_shutdown(heap, true, true);
}

typedef struct version_search {
    ElfW(Addr) base;            /* of the library */
    bench_peer *peer;
} version_search;

/* No function of the library tells its version before PHP is started; the header line it sends with
 * every page does. */
static int find_version(struct dl_phdr_info *object, size_t size, void *argument)
{
    static const char header[] = "X-Powered-By: PHP/";
    version_search *search = argument;
    (void)size;
    for (size_t index = 0; object->dlpi_addr == search->base && index < object->dlpi_phnum;
            index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        const char *start = (const char *)(uintptr_t)(object->dlpi_addr + part->p_vaddr);
        const char *found = part->p_type != PT_LOAD || part->p_flags != PF_R ? NULL
            : memmem(start, part->p_filesz, header, sizeof header - 1);
        if (found != NULL) {
            snprintf(search->peer->version, sizeof search->peer->version, "Zend MM of PHP %.20s",
                found + sizeof header - 1);
            return 1;
        }
    }
    return 0;
}

static void read_version(void *library, bench_peer *peer)
{
    struct link_map *map;
    snprintf(peer->version, sizeof peer->version, "Zend MM");
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0) {
        dl_iterate_phdr(find_version, &(version_search){ map->l_addr, peer });
    }
}

bool bench_peer_open_zend(void *library, bench_peer *peer)
{
    if (dlsym(library, "tsrm_startup") != NULL
        || !BENCH_FIND(library, "_emalloc", peer->alloc)
        || !BENCH_FIND(library, "_efree", peer->free)
        || !BENCH_FIND(library, "_erealloc", peer->realloc)
        || !BENCH_FIND(library, "start_memory_manager", zend.start)
        || !BENCH_FIND(library, "shutdown_memory_manager", zend.shutdown)) {
        return false;
    }
    if (BENCH_FIND(library, "zend_mm_startup", zend.heap_startup)
        && BENCH_FIND(library, "_zend_mm_alloc", zend.heap_alloc)
        && BENCH_FIND(library, "zend_mm_shutdown", zend.heap_shutdown)) {
        peer->cycle = zend_cycle;
    }
    peer->start = zend_start;
    peer->reset = zend_reset;
    peer->no_threads = "a library without thread safety, one heap in one thread";
    peer->no_remote_free = "a free by another thread than the owner ends the process";
    read_version(library, peer);
    return true;
}
