/* peer.h: an allocator under measurement, opened by dlopen() in a process of its own.
 *
 * All peers are called through the same function pointers, which are the library's own functions
 * (only a heap of mimalloc's has to be fetched first), so that all pay the same. */
#ifndef TSRMALLOC_BENCH_PEER_H
#define TSRMALLOC_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "alloc/zend_alloc.h"
#include "bench/sequence.h"

typedef struct bench_peer {
    void *(*alloc)(size_t size);
    void (*free)(void *block);
    /* Ours takes a third argument; all get it. The others never look at it, as on every ABI where
     * arguments travel in registers. */
    void *(*realloc)(void *block, size_t size, int allow_failure);

    bool (*start)(void);            /* once, in the main thread, before the first alloc */
    void (*reset)(void);            /* the request end; NULL: live blocks are freed singly */
    bool (*thread_start)(void);     /* in every further thread */
    void (*thread_end)(void);
    void (*cycle)(void);            /* a whole life of a thread's heap, with one block */

    bool (*statistics)(zend_mm_heap_statistics *statistics);    /* NULL: not ours */
    bool (*plan)(const bench_sequence *sequence);   /* NULL: needs to know nothing beforehand */
    void (*rewind)(void);           /* the sequence begins anew; NULL: does not matter */
    void (*plan_ring)(struct bench_peer *peer, size_t size);    /* see peer_limit.c; or NULL */

    const char *no_threads;         /* why it is measured in one thread only; NULL: it is not */
    const char *no_remote_free;     /* why no other thread may free its blocks; NULL: it may */
    char version[96];
} bench_peer;

/* The names that need no path, in the order of the tables. */
typedef struct bench_peer_default {
    const char *name;
    const char *library;            /* NULL: none is loaded */
    const char *package;            /* of Debian, NULL: none needed */
} bench_peer_default;

extern const bench_peer_default bench_peer_defaults[];
extern const size_t bench_peer_default_count;

/* Load the allocator called `name` from `path`; the symbols of a library say what it is. Nothing is
 * started yet. false: `error` says why. */
bool bench_peer_open(const char *name, const char *path, bench_peer *peer, char *error,
    size_t error_size) __attribute__((warn_unused_result));

/* ---- between peer.c and the kinds ---- */

/* A function by name; ISO C has no cast from data to function pointers. */
#define BENCH_FIND(library, name, target) \
    bench_peer_find((library), (name), &(target), sizeof(target))

bool bench_peer_find(void *library, const char *name, void *target, size_t size)
    __attribute__((warn_unused_result));

/* Each fills `peer`; false: the library lacks a function. */
bool bench_peer_open_ours(void *library, bench_peer *peer);
bool bench_peer_open_zend(void *library, bench_peer *peer);
bool bench_peer_open_general(void *library, bench_peer *peer);
bool bench_peer_open_libc(bench_peer *peer);
bool bench_peer_open_mimalloc(void *library, bench_peer *peer);
bool bench_peer_open_mimalloc_heaps(void *library, bench_peer *peer);
bool bench_peer_open_limit(bench_peer *peer);

#endif
