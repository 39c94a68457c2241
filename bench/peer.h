/* peer: an allocator under measurement, opened by dlopen() in a process of its own. */
#ifndef TSRMALLOC_BENCH_PEER_H
#define TSRMALLOC_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_peer {
    void *(*alloc)(size_t size);
    void (*free)(void *block);
    void *(*realloc)(void *block, size_t size);
    void (*reset)(void);        /* the request end; NULL: every live block is freed singly */
} bench_peer;

/* Open the allocator called `name`: "ours" (path: libtsrmalloc.so), "zend" (path: libphp8.2.so; NULL
 * finds Debian's) or "libc". false: `error` says why. */
bool bench_peer_open(const char *name, const char *path, bench_peer *peer, char *error,
    size_t error_size);

#endif
