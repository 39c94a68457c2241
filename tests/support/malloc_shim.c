/* malloc_shim: the C library's allocation functions on heaps of this library, to be preloaded under
 * programs that know nothing of it (docs/reliability.md says what such a program gets). Tests only.
 * Owns        a heap for each thread, made at its first allocation. When the thread ends, the heap
 *             and its live blocks wait for the next thread: a general program may hand blocks on.
 * Thread      any; also past the last destructor of a thread.
 * Invariants  I1  16 bytes in front of every block say how large it is and whose
 *             I2  a heap is used by one thread at a time; to free, others go through `bystander`,
 *                 a heap without blocks, so that every free through it is a remote one
 *             I3  what the library allocates while it works for the shim comes from `early`
 * Failure     NULL and ENOMEM; a wrong MALLOC_SHIM_LIMIT, or a storage that would call malloc, ends
 *             the process.
 * Environment MALLOC_SHIM_LIMIT  bytes that all heaps together may hold
 *             MALLOC_SHIM_LOG    a file that gets a line `PROGRAM heaps N allocations N` at the end
 * Tests       tests/stress/malloc_shim.sh, tests/stress/third_party.sh */
#include "config.h"

#include <ck_stack.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/zend_alloc.h"

#define SHIM_API __attribute__((visibility("default")))

/* What malloc() owes its callers, and the room of a header. */
enum { ALIGNMENT = 16, EARLY_SIZE = 1024 * 1024, HEAPS_MAX = 32768 };

typedef struct block_header {
    size_t size;                /* bytes from the address that the program has */
    uint32_t distance;          /* bytes from the start of the heap's block to that address */
    uint32_t heap;              /* index in `heaps`; EARLY: memory of `early` */
} block_header;

_Static_assert(sizeof(block_header) == ALIGNMENT, "the header keeps the alignment");

typedef struct shim_heap {
    alignas(64) ck_stack_entry_t entry;     /* in `parked`, while no thread has the heap */
    zend_mm_heap *heap;                     /* const once made */
    _Atomic uint64_t allocation_count;      /* relaxed: the user adds, the report reads */
} shim_heap;

enum { EARLY, BYSTANDER, FIRST };

/* Never given back: a thread that pops may look at a struct that another has just popped. */
static shim_heap heaps[HEAPS_MAX];
static atomic_uint heap_count = FIRST;      /* relaxed: hands indices out */
static alignas(16) ck_stack_t parked = CK_STACK_INITIALIZER;    /* mpmc push and pop */

static alignas(ALIGNMENT) char early[EARLY_SIZE];
static atomic_size_t early_used;            /* relaxed: hands bytes out */

/* Both const once the first allocation has been made, which is before the first thread is. */
static bool has_started;
static pthread_key_t key;

typedef struct shim_thread {
    shim_heap *heap;            /* NULL: none yet, or none any more */
    bool is_inside;             /* a call from here is the library's own */
    bool borrows;               /* the thread is past its destructors: heaps are its for one call */
    int round_count;            /* of destructors that have been run */
} shim_thread;

static _Thread_local __attribute__((tls_model("initial-exec"))) shim_thread thread;

static _Noreturn void die(const char *what)
{
    static const char name[] = "malloc_shim: ";
    if (write(STDERR_FILENO, name, sizeof name - 1) > 0
            && write(STDERR_FILENO, what, strlen(what)) > 0) {
        (void)!write(STDERR_FILENO, "\n", 1);
    }
    _exit(255);
}

/* ---- heaps ---- */

static void park(shim_heap *heap)
{
    ck_stack_push_mpmc(&parked, &heap->entry);
}

/* A heap that waits, else a new one; NULL: neither. */
static shim_heap *obtain_heap(void)
{
    while (!CK_STACK_ISEMPTY(&parked)) {
        ck_stack_entry_t *entry;
        if (ck_stack_trypop_mpmc(&parked, &entry)) {    /* never ck_stack_pop_mpmc: alloc/segment_pool.c */
            return (shim_heap *)entry;
        }
    }
    zend_mm_heap *made = zend_mm_startup();
    if (made == NULL) {
        return NULL;
    }
    unsigned int index = atomic_fetch_add_explicit(&heap_count, 1, memory_order_relaxed);
    if (index >= HEAPS_MAX) {
        die("more heaps than expected");
    }
    heaps[index].heap = made;
    return &heaps[index];
}

/* Other destructors may still allocate and free: the heap goes in the last round. */
static void end_thread(void *heap)
{
    if (++thread.round_count < PTHREAD_DESTRUCTOR_ITERATIONS
            && pthread_setspecific(key, heap) == 0) {
        return;
    }
    thread.is_inside = true;
    (void)zend_mm_trim(thread.heap->heap, 0);
    park(thread.heap);
    thread.heap = NULL;
    thread.borrows = true;
    thread.is_inside = false;
}

static void set_limit(const char *text)
{
    char *end;
    unsigned long long limit = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || !zend_mm_set_process_limit((size_t)limit)) {
        die("MALLOC_SHIM_LIMIT: expected a number of bytes, more than a heap needs");
    }
}

static void start(void)
{
    const char *storage = getenv("ZEND_MM_MEM_TYPE"), *limit = getenv("MALLOC_SHIM_LIMIT");
    has_started = true;
    if (storage != NULL && strcmp(storage, "malloc") == 0) {
        die("ZEND_MM_MEM_TYPE=malloc: expected a storage that does not call malloc");
    }
    heaps[BYSTANDER].heap = zend_mm_startup();
    if (heaps[BYSTANDER].heap == NULL || pthread_key_create(&key, end_thread) != 0) {
        die("the system has no memory for a heap");
    }
    if (limit != NULL) {
        set_limit(limit);
    }
}

/* The heap to allocate from until leave(). NULL: there is none, or the call comes from inside. */
static shim_heap *enter(void)
{
    if (thread.is_inside) {
        return NULL;
    }
    thread.is_inside = true;
    if (thread.heap != NULL) {
        return thread.heap;
    }
    if (!has_started) {
        start();
    }
    thread.heap = obtain_heap();
    if (thread.heap == NULL) {
        thread.is_inside = false;
    } else if (!thread.borrows && pthread_setspecific(key, thread.heap) != 0) {
        thread.borrows = true;      /* nobody would park it at the thread's end */
    }
    return thread.heap;
}

static void leave(void)
{
    if (thread.borrows) {
        park(thread.heap);
        thread.heap = NULL;
    }
    thread.is_inside = false;
}

/* ---- blocks ---- */

static block_header *header_of(void *address)
{
    return (block_header *)address - 1;
}

static void *start_of(void *address)
{
    return (char *)address - header_of(address)->distance;
}

static void *set_header(void *block, size_t distance, size_t size, size_t heap)
{
    char *address = (char *)block + distance;
    *header_of(address) = (block_header){ size, (uint32_t)distance, (uint32_t)heap };
    return address;
}

/* Bytes for `size` and what lies in front of it; 0: no program has so many. */
static size_t whole_size(size_t *size, size_t distance)
{
    if (*size > PTRDIFF_MAX - distance - ALIGNMENT) {
        return 0;
    }
    *size = *size == 0 ? ALIGNMENT : (*size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return *size + distance;
}

/* Memory from before there is a heap, and for the library while it makes one; never reused. */
static void *allocate_early(size_t alignment, size_t distance, size_t size)
{
    size_t whole = distance + size + alignment;
    size_t begin = atomic_fetch_add_explicit(&early_used, whole, memory_order_relaxed);
    if (whole > EARLY_SIZE || begin > EARLY_SIZE - whole) {
        return NULL;
    }
    uintptr_t address = ((uintptr_t)early + begin + distance + alignment - 1) & ~(alignment - 1);
    return set_header((void *)(address - distance), distance, size, EARLY);
}

static void *allocate_from(shim_heap *own, size_t alignment, size_t distance, size_t size)
{
    void *block = alignment == ALIGNMENT
        ? zend_mm_try_alloc(own->heap, distance + size)
        : zend_mm_try_alloc_aligned(own->heap, alignment, distance + size);
    if (block == NULL) {
        return NULL;
    }
    uint64_t count = atomic_load_explicit(&own->allocation_count, memory_order_relaxed);
    atomic_store_explicit(&own->allocation_count, count + 1, memory_order_relaxed);
    return set_header(block, distance, size, (size_t)(own - heaps));
}

/* alignment: a power of two, at least ALIGNMENT. */
static void *allocate(size_t alignment, size_t size)
{
    int saved = errno;
    bool is_inside = thread.is_inside;
    void *address = NULL;
    if (alignment <= ZEND_MM_MAX_ALIGNMENT && whole_size(&size, alignment) != 0) {
        shim_heap *own = enter();
        if (own != NULL) {
            address = allocate_from(own, alignment, alignment, size);
            leave();
        } else if (is_inside) {
            address = allocate_early(alignment, alignment, size);
        }
    }
    errno = address != NULL ? saved : ENOMEM;
    return address;
}

/* Of a block of the thread's own heap: in place, or moved. NULL: the block is as before. */
static void *resize(void *address, size_t size)
{
    int saved = errno;
    shim_heap *own = enter();
    void *resized = NULL;
    if (own != NULL) {
        void *block = zend_mm_try_realloc(own->heap, start_of(address), ALIGNMENT + size);
        resized = block != NULL ? set_header(block, ALIGNMENT, size, (size_t)(own - heaps)) : NULL;
        leave();
    }
    errno = resized != NULL ? saved : ENOMEM;
    return resized;
}

static bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* ---- what programs call ---- */

SHIM_API void free_sized(void *address, size_t size);
SHIM_API void free_aligned_sized(void *address, size_t alignment, size_t size);

SHIM_API void *malloc(size_t size)
{
    return allocate(ALIGNMENT, size);
}

SHIM_API void free(void *address)
{
    if (address == NULL || header_of(address)->heap == EARLY) {
        return;
    }
    bool has_heap = !thread.is_inside && thread.heap != NULL;
    zend_mm_free(has_heap ? thread.heap->heap : heaps[BYSTANDER].heap, start_of(address));
}

SHIM_API void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *address = allocate(ALIGNMENT, bytes);
    return address != NULL ? memset(address, 0, bytes) : NULL;
}

/* As in glibc, a size of 0 frees. */
SHIM_API void *realloc(void *address, size_t size)
{
    if (address == NULL) {
        return malloc(size);
    }
    if (size == 0) {
        free(address);
        return NULL;
    }
    const block_header *header = header_of(address);
    size_t rounded = size;
    bool is_own = thread.heap != NULL && header->heap == (size_t)(thread.heap - heaps);
    if (is_own && header->distance == ALIGNMENT && whole_size(&rounded, ALIGNMENT) != 0) {
        return resize(address, rounded);
    }
    void *moved = malloc(size);
    if (moved != NULL) {
        memcpy(moved, address, header->size < size ? header->size : size);
        free(address);
    }
    return moved;
}

SHIM_API void *reallocarray(void *address, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(address, bytes);
}

SHIM_API int posix_memalign(void **address, size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0) {
        return EINVAL;
    }
    int saved = errno;
    void *block = allocate(alignment < ALIGNMENT ? ALIGNMENT : alignment, size);
    errno = saved;
    if (block == NULL) {
        return ENOMEM;
    }
    *address = block;
    return 0;
}

SHIM_API void *memalign(size_t alignment, size_t size)
{
    size_t power = ALIGNMENT;
    while (power < alignment && power <= ZEND_MM_MAX_ALIGNMENT) {
        power *= 2;
    }
    return allocate(power, size);
}

SHIM_API void *aligned_alloc(size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return memalign(alignment, size);
}

SHIM_API void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

SHIM_API void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return memalign(page, size > PTRDIFF_MAX ? size : (size + page - 1) & ~(page - 1));
}

SHIM_API size_t malloc_usable_size(void *address)
{
    return address != NULL ? header_of(address)->size : 0;
}

SHIM_API void free_sized(void *address, size_t size)
{
    (void)size;
    free(address);
}

SHIM_API void free_aligned_sized(void *address, size_t alignment, size_t size)
{
    (void)alignment;
    free_sized(address, size);
}

/* ---- the report ---- */

/* A test that compares two runs must know that one of them was on these heaps. */
static __attribute__((destructor)) void report(void)
{
    const char *path = getenv("MALLOC_SHIM_LOG");
    int file = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (file < 0) {
        return;
    }
    uint64_t sum = 0;
    unsigned int count = atomic_load_explicit(&heap_count, memory_order_relaxed);
    for (unsigned int index = FIRST; index < count; index++) {
        sum += atomic_load_explicit(&heaps[index].allocation_count, memory_order_relaxed);
    }
    dprintf(file, "%s heaps %u allocations %llu\n", program_invocation_short_name, count - FIRST,
        (unsigned long long)sum);
    close(file);
}
