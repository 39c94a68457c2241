/* peer: opens one allocator behind one interface.
 * Owns        the loaded library, for the life of the process.
 * Thread      the main thread.
 * Invariants  every peer is called through function pointers, so that all pay the same.
 * Failure     false and a text.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/peer.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char debian_zend[] = "libphp8.2.so";

/* A function by name; ISO C has no cast from data to function pointers. */
#define FIND(library, name, target) find((library), (name), &(target), sizeof(target))

static bool find(void *library, const char *name, void *target, size_t size)
{
    void *symbol = dlsym(library, name);
    memcpy(target, &symbol, size);
    return symbol != NULL;
}

static void *open_library(const char *path, char *error, size_t error_size)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(error, error_size, "%s", dlerror());
    }
    return library;
}

static bool lacks(const char *path, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s lacks a function of the memory manager", path);
    return false;
}

/* ---- ours ---- */

static void ***our_tsrm_ls;
static void (*our_shutdown)(int silent, int full, void ***tsrm_ls);
static void *(*our_realloc)(void *block, size_t size, int allow_failure);

static void ours_reset(void)
{
    our_shutdown(1, 0, our_tsrm_ls);
}

static void *ours_realloc(void *block, size_t size)
{
    return our_realloc(block, size, 0);
}

static bool open_ours(const char *path, bench_peer *peer, char *error, size_t error_size)
{
    void *library = open_library(path, error, error_size);
    if (library == NULL) {
        return false;
    }
    int (*startup)(int, int, int, const char *);
    void *(*resource)(int, void *);
    void (*start)(void ***);
    if (!FIND(library, "_emalloc", peer->alloc) || !FIND(library, "_efree", peer->free)
            || !FIND(library, "_erealloc", our_realloc)
            || !FIND(library, "start_memory_manager", start)
            || !FIND(library, "shutdown_memory_manager", our_shutdown)) {
        return lacks(path, error, error_size);
    }
    /* A build without ZTS has no TSRM, and its functions take no tsrm_ls. */
    if (FIND(library, "tsrm_startup", startup) && FIND(library, "ts_resource_ex", resource)) {
        if (!startup(1, 1, 0, NULL)) {
            return lacks(path, error, error_size);
        }
        our_tsrm_ls = resource(0, NULL);
    }
    start(our_tsrm_ls);
    peer->realloc = ours_realloc;
    peer->reset = ours_reset;
    return true;
}

/* ---- Zend MM ---- */

static void (*zend_shutdown)(bool silent, bool full);

static void zend_reset(void)
{
    zend_shutdown(true, false);
}

static bool open_zend(const char *path, bench_peer *peer, char *error, size_t error_size)
{
    path = path != NULL ? path : debian_zend;
    void *library = open_library(path, error, error_size);
    if (library == NULL) {
        return false;
    }
    void (*start)(void);
    if (!FIND(library, "_emalloc", peer->alloc) || !FIND(library, "_efree", peer->free)
            || !FIND(library, "_erealloc", peer->realloc)
            || !FIND(library, "start_memory_manager", start)
            || !FIND(library, "shutdown_memory_manager", zend_shutdown)) {
        return lacks(path, error, error_size);
    }
    start();
    peer->reset = zend_reset;
    return true;
}

/* ---- general allocators ---- */

static bool open_libc(bench_peer *peer)
{
    peer->alloc = malloc;
    peer->free = free;
    peer->realloc = realloc;
    peer->reset = NULL;
    return true;
}

bool bench_peer_open(const char *name, const char *path, bench_peer *peer, char *error,
    size_t error_size)
{
    if (strcmp(name, "ours") == 0) {
        return open_ours(path, peer, error, error_size);
    }
    if (strcmp(name, "zend") == 0) {
        return open_zend(path, peer, error, error_size);
    }
    if (strcmp(name, "libc") == 0) {
        return open_libc(peer);
    }
    snprintf(error, error_size, "unknown allocator '%s', expected ours, zend or libc", name);
    return false;
}
