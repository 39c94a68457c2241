/* heap: one request heap, owned by one thread.
 *
 *   zend_mm_heap --+-- free_buckets[]    free slots, one bucket per bin
 *                  +-- carve[]           the part of each bin's newest run never handed out
 *                  +-- free_runs         the table of segments (2 MiB each, cut from units of
 *                  |                     block_size bytes), large_free_buckets[], rest_buckets[]
 *                  +-- huge              table of huge blocks, cache of freed mappings
 *                  +-- remote            blocks freed by other threads
 *
 * Accounting identities:
 *   size      = sum over bins of used_count * slot_size + large_size + huge.size
 *   real_size = segment_count * 2 MiB + huge.touched_size + huge.cached_size
 * Everything is owner only, but for `index` (const while the heap lives) and `remote`.
 */
#ifndef TSRMALLOC_HEAP_H
#define TSRMALLOC_HEAP_H

#include <stdalign.h>

#include "alloc/bin.h"
#include "alloc/huge.h"
#include "alloc/process_stats.h"
#include "alloc/remote.h"
#include "alloc/segment_pool.h"
#include "alloc/storage.h"

typedef struct zend_mm_custom_handlers {
    void *(*_malloc)(size_t size);
    void (*_free)(void *block);
    void *(*_realloc)(void *block, size_t size);
    size_t (*_gc)(void);
    void (*_shutdown)(bool full, bool silent);
} zend_mm_custom_handlers;

#define ZEND_MM_PEAK_PRECISION 256      /* `peak` may miss this part of the heap */
#define ZEND_MM_HELD_LENGTH_MAX 8       /* pages; longer runs are not held */
/* Bytes of a heap's struct: whole pages, so that two owners never share a cache line. */
#define ZEND_MM_HEAP_STRUCT_SIZE ((size_t)8192)
#define ZEND_MM_DEFAULT_COMPACT_SIZE ((size_t)2 * 1024 * 1024)

/* Why the last allocation gave NULL. */
typedef enum zend_mm_failure {
    ZEND_MM_FAILURE_NONE,
    ZEND_MM_FAILURE_LIMIT,
    ZEND_MM_FAILURE_STORAGE,
    ZEND_MM_FAILURE_SIZE,       /* no address space holds this many bytes */
    ZEND_MM_FAILURE_ALIGNMENT,  /* more than ZEND_MM_MAX_ALIGNMENT, or no power of two */
} zend_mm_failure;

struct zend_mm_heap {
    /* 0: the e* family is served by this heap's own allocator. First, and an int: PHP's debugger and
     * profilers write 0 here, and back, to step past the handlers they have set. */
    int custom_mode;
    uint16_t index;             /* in the segment map; HEAP_INDEX_CONSTANT for a heap of no segments */
    bool sees_calls;            /* every call takes the way through dispatch.c */
    bool is_refused_by_process; /* the storage was not asked: the process's limit has no room */
    bool maps_lazily;           /* const: a block's untouched pages are no memory */
    bool wants_huge_pages;      /* const: USE_ZEND_ALLOC_HUGE_PAGES, where maps_lazily */
    bool touches_ahead;         /* const: pages become resident some at a time, see heap_pages.c */
    bool has_padding;           /* const: blocks lie inside what the heap below knows */
    bool hides_memory;          /* const: memcheck or AddressSanitizer is told what is not a block */
    bool is_observing;          /* an observer runs: what it allocates is not told */
    bool internal;              /* the struct lives in the heap's first segment */
    bool overflow;              /* an error is being reported: the limit is lifted */
    uint8_t failure;            /* zend_mm_failure */
    uintptr_t link_key;         /* new at every reset */

    alignas(64) zend_mm_bucket free_buckets[ZEND_MM_BUCKET_COUNT];
    zend_mm_carve carve[ZEND_MM_BIN_COUNT];

    zend_mm_free_runs free_runs;
    zend_mm_segment *first_unit;        /* stays at request end; NULL until a segment is taken */
    zend_mm_segment *spare_unit;        /* an entirely free unit kept back, or NULL */
    size_t segment_count;
    zend_mm_huge_table huge;

    void *held_runs[ZEND_MM_HELD_LENGTH_MAX + 1];   /* by length in pages: see heap_held.c */
    size_t large_size;                  /* bytes of live large runs */
    uint32_t run_counts[ZEND_MM_BIN_COUNT];     /* small runs of each bin */
    size_t runs_size;                   /* bytes of all small runs, an upper bound of their slots */
    size_t moving_size;                 /* bytes of a block that realloc is moving: not counted twice */
    size_t peak;
    size_t peak_note_at;                /* grown to this many bytes, `peak` is brought up to date */
    size_t real_size, real_peak;
    size_t limit;

    zend_mm_storage *storage;
    zend_mm_segment_pool *pool;         /* of the storage type; NULL: segments go to the storage */
    size_t block_size;                  /* bytes of one unit */
    size_t compact_size;                /* compact the storage when real_peak was above; 0 = never */
    size_t reserve_size;
    void *reserve;                      /* a page run, free while an error is reported */

    uint32_t average_segments;          /* moving average of requests' peaks, 1/256 segments */
    uint32_t expected_segments;         /* what the pool counts for this heap, 1/256 segments */
    size_t peak_segment_count;          /* in this request */

    uint64_t reset_count;
    uint64_t reset_duration;            /* nanoseconds, the last one */
    uint64_t reset_storage_duration;    /* nanoseconds of it in the storage's functions */
    uint64_t storage_duration;          /* nanoseconds spent giving memory to the storage */
    uint32_t key_generation;            /* fork_generation when key_state was drawn */
    uint64_t key_state;                 /* what the next link_key is made from; 0 = not seeded */

    /* A heap without storage (USE_ZEND_ALLOC=0) passes calls on to these. */
    void *(*_malloc)(size_t size);
    void (*_free)(void *block);
    void *(*_realloc)(void *block, size_t size);

    zend_mm_custom_handlers custom;     /* _malloc NULL: none are set */
    struct zend_mm_observer *observers; /* newest first */
    struct zend_mm_block_table *tracked;    /* USE_TRACKED_ALLOC; NULL: no block is remembered */
    struct zend_mm_debug *debug;        /* NULL: off */
    struct zend_mm_hardened *hardened;  /* NULL: off */
    size_t quarantined_size;            /* bytes of freed blocks that a quarantine keeps back */

    alignas(64) zend_mm_remote remote;

    alignas(64) zend_mm_snapshot snapshot;  /* the last: acquiring a struct does not clear it */
};

/* ---- heap_registry.c ---- */

/* A zeroed heap struct with an index of its own; NULL when there are too many heaps. Any thread. */
zend_mm_heap *zend_mm_registry_acquire(void);
/* Take the struct and its index back, once nothing in the segment map names it. */
void zend_mm_registry_release(uint16_t index);
/* Is there a heap with this index? It may end at any time; its struct stays. Any thread. */
bool zend_mm_registry_is_taken(uint16_t index);
/* The struct with this index, as acquire gave it. */
zend_mm_heap *zend_mm_registry_heap(uint16_t index);

/* ---- heap.c: life ---- */

void zend_mm_init(zend_mm_heap *heap);
size_t zend_mm_heap_size(const zend_mm_heap *heap);
/* Draw a new link key, and encode every free slot's link with it. */
void zend_mm_heap_refresh_key(zend_mm_heap *heap);
/* Bring `peak` up to date, where it is read. */
void zend_mm_heap_note_peak(zend_mm_heap *heap);
/* The same, wherever the heap has taken a run or a mapping, if it grew enough to matter. */
void zend_mm_heap_grown(zend_mm_heap *heap);

/* ---- heap_pages.c: page runs, segments, the limit ---- */

/* A run of `count` pages marked large; NULL and heap->failure at the limit or out of memory. */
void *zend_mm_heap_alloc_pages(zend_mm_heap *heap, uint32_t count);
/* Free a run of `count` pages, large or small. */
void zend_mm_heap_free_pages(zend_mm_heap *heap, void *run, uint32_t count);
/* Take the first unit, and the reserve (and an internal heap's own page) out of it. */
bool zend_mm_heap_take_first_unit(zend_mm_heap *heap);
/* Make the first unit as new, at request end. */
void zend_mm_heap_reinit_first_unit(zend_mm_heap *heap);
/* Hide all of the first unit that can become blocks; for a heap that hides memory from now on. */
void zend_mm_heap_hide_first_unit(zend_mm_heap *heap);
void zend_mm_heap_take_reserve(zend_mm_heap *heap);
void zend_mm_heap_release_reserve(zend_mm_heap *heap);
/* Give all units back, or (keep_first) all but the first: to the pool, those beyond its `slack` to the
 * storage. */
void zend_mm_heap_give_units(zend_mm_heap *heap, bool keep_first, zend_mm_pool_slack slack);
/* Give back every unit but the first that has no run in it (after a gc, which counts nothing). */
void zend_mm_heap_give_free_units(zend_mm_heap *heap);
/* A heap that has ended the start-up and one request has more of them to come: a program that runs one
 * request would pay for nothing. */
static inline bool zend_mm_heap_is_worker(const zend_mm_heap *heap)
{
    return heap->reset_count >= 2;
}
/* At request end: put huge pages behind some of the segments that the request has filled. */
void zend_mm_heap_collapse_full_segments(zend_mm_heap *heap);
/* Give the storage what the pool holds beyond what all heaps expect and `slack`. */
void zend_mm_heap_trim_pool(zend_mm_heap *heap, zend_mm_pool_slack slack);
/* Tell the pool how many segments (1/256) this heap is expected to need. */
void zend_mm_heap_expect(zend_mm_heap *heap, uint32_t expected);
/* May the heap hold `size` more bytes? */
bool zend_mm_heap_is_within_limit(const zend_mm_heap *heap, size_t size);
/* The heap is to hold `more` bytes: what it only keeps, the spare unit and cached mappings, goes back
 * where the heap would hold more than ever since its request began. */
void zend_mm_heap_yield(zend_mm_heap *heap, size_t more);
/* Drop what is cached and free; true when something came of it. */
bool zend_mm_heap_reclaim(zend_mm_heap *heap);

/* ---- heap_held.c ---- */

/* Is a large run of this length one that was freed and waits? */
static inline bool zend_mm_heap_is_held(const zend_mm_heap *heap, const void *run, uint32_t length)
{
    return length <= ZEND_MM_HELD_LENGTH_MAX && heap->held_runs[length] == run;
}

/* Hold a large run that was freed. false: it is too long, or one of its length is held. */
static inline bool zend_mm_heap_hold(zend_mm_heap *heap, void *run, uint32_t length)
{
    if (length > ZEND_MM_HELD_LENGTH_MAX || heap->held_runs[length] != NULL) {
        return false;
    }
    heap->held_runs[length] = run;
    return true;
}

/* The held run of this length, no longer held; NULL: there is none. */
static inline void *zend_mm_heap_take_held(zend_mm_heap *heap, uint32_t length)
{
    if (length > ZEND_MM_HELD_LENGTH_MAX) {
        return NULL;
    }
    void *run = heap->held_runs[length];
    heap->held_runs[length] = NULL;
    return run;
}

/* Free all held runs; true when there were some. */
bool zend_mm_heap_release_held(zend_mm_heap *heap);

/* ---- heap_storage.c: what the process holds is counted here; real_size is the caller's ---- */

/* Count `size` more bytes for the process; false (and heap->is_refused_by_process): no room. */
bool zend_mm_heap_storage_reserve(zend_mm_heap *heap, size_t size) ZEND_MM_USE_RESULT;
/* A block of the storage, `counted_size` of its bytes counted; NULL: it has none, or
 * (heap->is_refused_by_process) may not be asked. */
void *zend_mm_heap_storage_alloc(zend_mm_heap *heap, size_t size, size_t counted_size);
/* Resize a block, in place or not, what is counted of it being the caller's to change; NULL: it
 * cannot be, and is as before. */
void *zend_mm_heap_storage_realloc(zend_mm_heap *heap, void *block, size_t old_size,
    size_t new_size);
void zend_mm_heap_storage_free(zend_mm_heap *heap, void *block, size_t size, size_t counted_size);

/* ---- heap_huge.c ---- */

void *zend_mm_heap_huge_alloc(zend_mm_heap *heap, size_t size);
void zend_mm_heap_huge_free(zend_mm_heap *heap, void *block);
/* Resize without copying; false when only a copy can. */
bool zend_mm_heap_huge_resize(zend_mm_heap *heap, const zend_mm_huge *huge, size_t size,
    void **block);
bool zend_mm_heap_huge_drop_cache(zend_mm_heap *heap);
/* Give back the cached mapping that was freed first; false: there is none. */
bool zend_mm_heap_huge_give_oldest(zend_mm_heap *heap);
/* Let the cached mappings give `size` touched bytes back, the oldest first: the ends of them, or all. */
void zend_mm_heap_huge_trim_cache(zend_mm_heap *heap, size_t size);
void zend_mm_heap_huge_free_all(zend_mm_heap *heap);
/* Whole OS pages for `size` bytes; 0 when that overflows. */
size_t zend_mm_heap_huge_round(size_t size);

/* ---- heap_alloc.c: the slow halves of the hot path ---- */

/* Any size; NULL and heap->failure on failure. */
void *zend_mm_heap_alloc(zend_mm_heap *heap, size_t size);
/* Whatever the hot path could not free: large, huge, another heap's, NULL, or no block at all. */
void zend_mm_heap_free(zend_mm_heap *heap, void *block);
/* A slot for an empty bucket from the run that `bin` carves, with a few more on the bucket. NULL:
 * the bucket is not empty, or the run is used up (a constant heap has none). */
void *zend_mm_heap_carve(zend_mm_heap *heap, uint32_t bin);
/* Free what other threads gave back; true when there was something. */
bool zend_mm_heap_drain_remote(zend_mm_heap *heap);

/* ---- heap_aligned.c ---- */

/* Any size at a multiple of `alignment`; NULL and heap->failure on failure. */
void *zend_mm_heap_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size);

/* ---- heap_realloc.c ---- */

/* Keeps the first copy_size bytes; NULL and heap->failure: the block is as before. */
void *zend_mm_heap_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size);
/* Usable bytes of a block of this heap; panics on anything else. */
size_t zend_mm_heap_usable_size(const zend_mm_heap *heap, const void *block);
/* The same; 0 for anything else. */
size_t zend_mm_heap_find_size(const zend_mm_heap *heap, const void *block);

/* ---- heap_gc.c, heap_check.c ---- */

size_t zend_mm_heap_gc(zend_mm_heap *heap);
/* Does every invariant of the heap hold? On false, *what names the first that does not. */
bool zend_mm_heap_is_valid(const zend_mm_heap *heap, const char **what);

/* Debug builds check the whole heap where a request or a gc begins and ends. */
void zend_mm_heap_assert_valid(const zend_mm_heap *heap);

#endif
