/* zend_alloc.h: the request heap, public interface of alloc/.
 *
 * Words      heap, segment (2 MiB), page (4 KiB), page run, bin, slot, huge block, storage.
 * Threads    a heap is used by the thread that owns it. One call may come from another thread:
 *            efree() of a live block (a remote free).
 * Failure    The e* family never returns NULL: at the memory limit, or when the storage is empty,
 *            the error callback runs, then zend_bailout() jumps to the nearest zend_try.
 *            Functions named *_recoverable and zend_mm_try_* return NULL instead.
 * Versions   "since X" names the PHP version whose function of the same name this one follows;
 *            "ours" marks what PHP does not have.
 * Places     functions that end in ZEND_FILE_LINE_DC take the caller's file and line in debug builds,
 *            nothing in others (zend_file_line.h). Call them by the macro without the underscore, or,
 *            to pass your own caller's place on, by the macro that ends in _rel.
 */
#ifndef TSRMALLOC_ZEND_ALLOC_H
#define TSRMALLOC_ZEND_ALLOC_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tsrm.h"
#include "zend_file_line.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
# define ZEND_API TSRM_API
# define ZEND_MM_MALLOC_LIKE __attribute__((malloc, warn_unused_result))
# define ZEND_MM_ALLOC_SIZE(n) __attribute__((alloc_size(n)))
# define ZEND_MM_ALLOC_SIZE2(n, m) __attribute__((alloc_size(n, m)))
# define ZEND_MM_USE_RESULT __attribute__((warn_unused_result))
# define ZEND_MM_NORETURN __attribute__((noreturn))
# define ZEND_MM_CONSTANT(n) (ZEND_MM_CONSTANT_SIZES && __builtin_constant_p(n))
#else
# define ZEND_API
# define ZEND_MM_MALLOC_LIKE
# define ZEND_MM_ALLOC_SIZE(n)
# define ZEND_MM_ALLOC_SIZE2(n, m)
# define ZEND_MM_USE_RESULT
# define ZEND_MM_NORETURN
# define ZEND_MM_CONSTANT(n) 0
#endif

/* 1: a size that is known at compile time goes straight to its bin. That call does not say how many
 * bytes were asked for, so Valgrind sees the end of the slot, not of the block: programs that are not
 * optimised do without, and those with AddressSanitizer. */
#ifndef ZEND_MM_CONSTANT_SIZES
# if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__)
#  define ZEND_MM_CONSTANT_SIZES 0
# elif defined(__has_feature)
#  if __has_feature(address_sanitizer)
#   define ZEND_MM_CONSTANT_SIZES 0
#  else
#   define ZEND_MM_CONSTANT_SIZES 1
#  endif
# else
#  define ZEND_MM_CONSTANT_SIZES 1
# endif
#endif

/* ---- geometry ------------------------------------------------------------------------------ */

#define ZEND_MM_SEGMENT_SIZE ((size_t)2 * 1024 * 1024)
#define ZEND_MM_PAGE_SIZE ((size_t)4096)
#define ZEND_MM_ALIGNMENT ((size_t)8)
#define ZEND_MM_ALIGNMENT_LOG2 3
#define ZEND_MM_ALIGNMENT_MASK (~(ZEND_MM_ALIGNMENT - 1))
#define ZEND_MM_MAX_SMALL_SIZE ((size_t)3072)
#define ZEND_MM_BIN_COUNT 30
/* `size` rounded up to what every block is aligned to, or to `alignment`, a power of two. Since 5.2. */
#define ZEND_MM_ALIGNED_SIZE(size) ZEND_MM_ALIGNED_SIZE_EX((size), ZEND_MM_ALIGNMENT)
#define ZEND_MM_ALIGNED_SIZE_EX(size, alignment) \
    (((size) + ((alignment) - 1)) & ~((size_t)(alignment) - 1))
/* Bytes that a block takes beside its own: who asks for a slot's size less this fills the slot. The
 * padding of a debug build, as it is unless ZEND_MM_DEBUG says otherwise. Since 7.0. */
#define ZEND_MM_OVERHEAD ((size_t)(ZEND_DEBUG ? 32 : 0))
#define ZEND_MM_DEFAULT_RESERVE_SIZE ((size_t)8192)
#define ZEND_MM_MAX_ALIGNMENT ZEND_MM_SEGMENT_SIZE

/* The bins: X(index, slot size in bytes, slots per run, pages per run). The only copy of the table:
 * size look-up, run carving and the _emalloc_N family are all made from it. */
#define ZEND_MM_BINS(X) \
    X( 0,    8, 512, 1) X( 1,   16, 256, 1) X( 2,   24, 170, 1) X( 3,   32, 128, 1) \
    X( 4,   40, 102, 1) X( 5,   48,  85, 1) X( 6,   56,  73, 1) X( 7,   64,  64, 1) \
    X( 8,   80,  51, 1) X( 9,   96,  42, 1) X(10,  112,  36, 1) X(11,  128,  32, 1) \
    X(12,  160,  25, 1) X(13,  192,  21, 1) X(14,  224,  18, 1) X(15,  256,  16, 1) \
    X(16,  320,  64, 5) X(17,  384,  32, 3) X(18,  448,   9, 1) X(19,  512,   8, 1) \
    X(20,  640,  32, 5) X(21,  768,  16, 3) X(22,  896,   9, 2) X(23, 1024,   8, 2) \
    X(24, 1280,  16, 5) X(25, 1536,   8, 3) X(26, 1792,  16, 7) X(27, 2048,   8, 4) \
    X(28, 2560,   8, 5) X(29, 3072,   4, 3)

typedef struct zend_mm_heap zend_mm_heap;

/* ---- the request family -------------------------------------------------------------------- */

/* Allocate `size` bytes from the calling thread's heap. Any size gives a unique block, 0 included.
 * Blocks are 8-aligned; a fresh block of a non-zero multiple of 16 bytes is 16-aligned.
 * Never NULL. Errors: memory limit, out of memory (error callback, then zend_bailout()).
 * Thread: any thread; it uses its own heap, which is made on first use. Since 4.0. */
ZEND_API void *_emalloc(size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE
    ZEND_MM_ALLOC_SIZE(1);

/* Free a block of the e* family; NULL is ignored, errno is kept. A block of another thread's heap
 * is handed to that heap (a remote free), legal until the owner's request or thread ends.
 * Errors: a pointer that is no live block ends the process with `zend_mm_heap corrupted`.
 * Since 4.0; remote frees are ours. */
ZEND_API void _efree(void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC);

/* `count * size` zeroed bytes; a product that overflows is the overflow error. Since 4.0. */
ZEND_API void *_ecalloc(size_t count, size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
    ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE2(1, 2);

/* Resize `block` to `size` bytes and keep the contents up to the smaller size. NULL allocates; size
 * 0 gives a block of the smallest bin. The block must be of the calling thread's heap.
 * allow_failure != 0: NULL instead of an error, the block is as before. Since 4.0 (where
 * allow_failure was ignored). */
ZEND_API void *_erealloc(void *block, size_t size, int allow_failure ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT ZEND_MM_ALLOC_SIZE(2);

/* As _erealloc, but only the first `copy_size` bytes need to survive a move. Since 7.0. */
ZEND_API void *_erealloc2(void *block, size_t size, size_t copy_size, int allow_failure
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT ZEND_MM_ALLOC_SIZE(2);

/* `count * size + offset` bytes; overflow is the error
 * `Possible integer overflow in memory allocation (%zu * %zu + %zu)`. Since 5.2. */
ZEND_API void *_safe_emalloc(size_t count, size_t size, size_t offset ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE;
ZEND_API void *_safe_erealloc(void *block, size_t count, size_t size, size_t offset
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT;

/* Copy a string, or exactly `length` bytes of it plus a NUL, into the heap. Since 4.0. */
ZEND_API char *_estrdup(const char *string ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
    ZEND_MM_MALLOC_LIKE;
ZEND_API char *_estrndup(const char *string, size_t length ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE;

/* `size` bytes at a multiple of `alignment`, a power of two up to ZEND_MM_MAX_ALIGNMENT (more, or
 * none, is an error). Freed by efree(); resized by erealloc(), which keeps the alignment only while
 * the block stays in place. Errors as _emalloc. Ours. */
ZEND_API void *_emalloc_aligned(size_t alignment, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(2);

/* Usable bytes of a live block of the calling thread's heap: the slot, the pages, or, in a heap with
 * padding, what was asked for; 0 under custom handlers and when USE_ZEND_ALLOC=0, where nobody knows.
 * Since 5.2. */
ZEND_API size_t _zend_mem_block_size(const void *block ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
    ZEND_MM_USE_RESULT;

/* One function per bin, for sizes known at compile time: emalloc() and efree_size() choose them, but
 * not in debug builds, where they are functions of no place. `_efree_N` may free any block whose size
 * falls into that bin. Since 7.0. */
#define ZEND_MM_DECLARE_BIN(index, slot_size, slots, pages) \
    ZEND_API void *_emalloc_##slot_size(void) ZEND_MM_MALLOC_LIKE; \
    ZEND_API void _efree_##slot_size(void *block);
ZEND_MM_BINS(ZEND_MM_DECLARE_BIN)
#undef ZEND_MM_DECLARE_BIN

/* Same result as _emalloc and _efree: the kind of a block follows from our own bounds and from its
 * address, never from the name the caller picked. Since 7.0. */
ZEND_API void *_emalloc_large(size_t size) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(1);
ZEND_API void *_emalloc_huge(size_t size) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(1);
ZEND_API void _efree_large(void *block, size_t size);
ZEND_API void _efree_huge(void *block, size_t size);

static inline void *zend_mm_emalloc_constant(size_t size)
{
#define ZEND_MM_TRY_BIN(index, slot_size, slots, pages) \
    if (size <= slot_size) return _emalloc_##slot_size();
    ZEND_MM_BINS(ZEND_MM_TRY_BIN)
#undef ZEND_MM_TRY_BIN
    return _emalloc(size ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC);
}

static inline void zend_mm_efree_constant(void *block, size_t size)
{
#define ZEND_MM_TRY_BIN(index, slot_size, slots, pages) \
    if (size <= slot_size) { _efree_##slot_size(block); return; }
    ZEND_MM_BINS(ZEND_MM_TRY_BIN)
#undef ZEND_MM_TRY_BIN
    _efree(block ZEND_FILE_LINE_EMPTY_CC ZEND_FILE_LINE_EMPTY_CC);
}

#define emalloc(size) \
    (ZEND_MM_SPECIALISED(size) ? zend_mm_emalloc_constant(size) : _emalloc((size) ZEND_MM_HERE))
#define efree(block) _efree((block) ZEND_MM_HERE)
#define efree_size(block, size) \
    (ZEND_MM_SPECIALISED(size) ? zend_mm_efree_constant((block), (size)) : efree(block))
#define ecalloc(count, size) _ecalloc((count), (size) ZEND_MM_HERE)
#define erealloc(block, size) _erealloc((block), (size), 0 ZEND_MM_HERE)
#define erealloc2(block, size, copy_size) _erealloc2((block), (size), (copy_size), 0 ZEND_MM_HERE)
#define erealloc_recoverable(block, size) _erealloc((block), (size), 1 ZEND_MM_HERE)
#define erealloc2_recoverable(block, size, copy_size) \
    _erealloc2((block), (size), (copy_size), 1 ZEND_MM_HERE)
#define emalloc_aligned(alignment, size) _emalloc_aligned((alignment), (size) ZEND_MM_HERE)
#define safe_emalloc(count, size, offset) _safe_emalloc((count), (size), (offset) ZEND_MM_HERE)
#define safe_erealloc(block, count, size, offset) \
    _safe_erealloc((block), (count), (size), (offset) ZEND_MM_HERE)
#define estrdup(string) _estrdup((string) ZEND_MM_HERE)
#define estrndup(string, length) _estrndup((string), (length) ZEND_MM_HERE)
#define zend_mem_block_size(block) _zend_mem_block_size((block) ZEND_MM_HERE)
#define emalloc_large(size) (ZEND_DEBUG ? emalloc(size) : _emalloc_large(size))
#define emalloc_huge(size) (ZEND_DEBUG ? emalloc(size) : _emalloc_huge(size))
#define efree_large(block) efree(block)
#define efree_huge(block) efree(block)

/* ---- the persistent family: C library memory that outlives requests ------------------------- */

/* malloc, calloc, realloc and strdup that never return NULL for a size above 0: they print
 * `Out of memory` and exit(1). Blocks are freed with free(). Any thread. Since 5.2/7.0. */
ZEND_API void *__zend_malloc(size_t size) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(1);
ZEND_API void *__zend_calloc(size_t count, size_t size) ZEND_MM_MALLOC_LIKE
    ZEND_MM_ALLOC_SIZE2(1, 2);
ZEND_API void *__zend_realloc(void *block, size_t size) ZEND_MM_USE_RESULT ZEND_MM_ALLOC_SIZE(2);
ZEND_API char *__zend_strdup(const char *string) ZEND_MM_MALLOC_LIKE;
ZEND_API char *zend_strndup(const char *string, size_t length) ZEND_MM_MALLOC_LIKE;

/* Persistent `count * size + offset` bytes; overflow as in safe_emalloc. Since 5.2. */
ZEND_API void *_safe_malloc(size_t count, size_t size, size_t offset) ZEND_MM_MALLOC_LIKE;
ZEND_API void *_safe_realloc(void *block, size_t count, size_t size, size_t offset)
    ZEND_MM_USE_RESULT;

#define safe_malloc(count, size, offset) _safe_malloc((count), (size), (offset))
#define safe_realloc(block, count, size, offset) _safe_realloc((block), (count), (size), (offset))

/* `persistent` != 0 picks the C library, 0 the request heap. The recoverable ones may give NULL. */
#define pemalloc(size, persistent) ((persistent) ? __zend_malloc(size) : emalloc(size))
#define pefree(block, persistent) ((persistent) ? free(block) : efree(block))
#define pefree_size(block, size, persistent) \
    ((persistent) ? free(block) : efree_size((block), (size)))
#define pecalloc(count, size, persistent) \
    ((persistent) ? __zend_calloc((count), (size)) : ecalloc((count), (size)))
#define perealloc(block, size, persistent) \
    ((persistent) ? __zend_realloc((block), (size)) : erealloc((block), (size)))
#define perealloc2(block, size, copy_size, persistent) \
    ((persistent) ? __zend_realloc((block), (size)) : erealloc2((block), (size), (copy_size)))
#define perealloc_recoverable(block, size, persistent) \
    ((persistent) ? realloc((block), (size)) : erealloc_recoverable((block), (size)))
#define perealloc2_recoverable(block, size, copy_size, persistent) \
    ((persistent) ? realloc((block), (size)) \
                  : erealloc2_recoverable((block), (size), (copy_size)))
#define pestrdup(string, persistent) ((persistent) ? __zend_strdup(string) : estrdup(string))
#define pestrndup(string, length, persistent) \
    ((persistent) ? zend_strndup((string), (length)) : estrndup((string), (length)))
#define safe_pemalloc(count, size, offset, persistent) \
    ((persistent) ? safe_malloc((count), (size), (offset)) \
                  : safe_emalloc((count), (size), (offset)))
#define safe_perealloc(block, count, size, offset, persistent) \
    ((persistent) ? safe_realloc((block), (count), (size), (offset)) \
                  : safe_erealloc((block), (count), (size), (offset)))

/* ---- storage: where a heap's segments come from --------------------------------------------- */

typedef struct zend_mm_mem_handlers zend_mm_mem_handlers;

typedef struct zend_mm_storage {
    const zend_mm_mem_handlers *handlers;
    void *data;     /* the handlers' own */
} zend_mm_storage;

/* A table of storage functions. Sizes are bytes, multiples of the OS page; every block must be
 * 2 MiB-aligned (a heap refuses one that is not). Functions are called by the heap's owner, or by
 * the thread that ends the heap. Since 5.2; the size arguments of _realloc and _free are ours. */
struct zend_mm_mem_handlers {
    const char *name;                                   /* the ZEND_MM_MEM_TYPE */
    zend_mm_storage *(*init)(void *params);             /* NULL: cannot start */
    void (*dtor)(zend_mm_storage *storage);             /* after every block was given back */
    void (*compact)(zend_mm_storage *storage);          /* no block is in use; NULL: nothing to do */
    void *(*_alloc)(zend_mm_storage *storage, size_t size);
    void *(*_realloc)(zend_mm_storage *storage, void *block, size_t old_size, size_t new_size);
                                                        /* NULL: cannot, block is as before */
    void (*_free)(zend_mm_storage *storage, void *block, size_t size);
};

/* ---- heaps ---------------------------------------------------------------------------------- */

/* Make a heap as the environment asks: ZEND_MM_MEM_TYPE (malloc, mmap_anon, mmap_zero, win32 where
 * compiled in), ZEND_MM_SEG_SIZE (bytes with k/m/g; a power of two, at least 2 MiB),
 * ZEND_MM_COMPACT (bytes; 0 = never). NULL when the storage has nothing to give. A wrong variable
 * prints what is wrong and exits with 255. Any thread. Since 5.2. */
ZEND_API zend_mm_heap *zend_mm_startup(void) ZEND_MM_USE_RESULT;

/* Make a heap on `handlers`. block_size: bytes taken from the storage at a time, a power of two
 * (else message and exit 255), raised to 2 MiB. reserve_size: bytes kept back for the time when an
 * error is reported. internal != 0: the heap struct lives in its own first segment; such a heap is
 * not listed and takes no remote frees. params goes to handlers->init.
 * NULL when the storage cannot start, gives nothing, or gives a misaligned block. Since 5.2. */
ZEND_API zend_mm_heap *zend_mm_startup_ex(const zend_mm_mem_handlers *handlers, size_t block_size,
    size_t reserve_size, int internal, void *params) ZEND_MM_USE_RESULT;

/* End a request (full == 0: every block dies, the limit stays) or the heap itself (full != 0).
 * silent is for leak reports. Owner thread, or any thread once the owner is gone. Since 5.2. */
ZEND_API void zend_mm_shutdown(zend_mm_heap *heap, int full, int silent);

/* The e* family on an explicit heap of the calling thread. Custom handlers are not asked.
 * _zend_mm_realloc2 since 7.0, the others since 5.2. */
ZEND_API void *_zend_mm_alloc(zend_mm_heap *heap, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(2);
ZEND_API void _zend_mm_free(zend_mm_heap *heap, void *block ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC);
ZEND_API void *_zend_mm_realloc(zend_mm_heap *heap, void *block, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT ZEND_MM_ALLOC_SIZE(3);
ZEND_API void *_zend_mm_realloc2(zend_mm_heap *heap, void *block, size_t size, size_t copy_size
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT ZEND_MM_ALLOC_SIZE(3);
ZEND_API size_t _zend_mm_block_size(zend_mm_heap *heap, const void *block ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT;

/* emalloc_aligned() on an explicit heap; the second gives NULL instead of an error. Ours. */
ZEND_API void *_zend_mm_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(3);
ZEND_API void *_zend_mm_try_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size
    ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(3);

/* As zend_mm_alloc and zend_mm_realloc, but NULL at the limit or out of memory. Ours. */
ZEND_API void *_zend_mm_try_alloc(zend_mm_heap *heap, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_MALLOC_LIKE ZEND_MM_ALLOC_SIZE(2);
ZEND_API void *_zend_mm_try_realloc(zend_mm_heap *heap, void *block, size_t size ZEND_FILE_LINE_DC
    ZEND_FILE_LINE_ORIG_DC) ZEND_MM_USE_RESULT ZEND_MM_ALLOC_SIZE(3);

#define zend_mm_alloc(heap, size) _zend_mm_alloc((heap), (size) ZEND_MM_HERE)
#define zend_mm_free(heap, block) _zend_mm_free((heap), (block) ZEND_MM_HERE)
#define zend_mm_realloc(heap, block, size) \
    _zend_mm_realloc((heap), (block), (size) ZEND_MM_HERE)
#define zend_mm_realloc2(heap, block, size, copy_size) \
    _zend_mm_realloc2((heap), (block), (size), (copy_size) ZEND_MM_HERE)
#define zend_mm_block_size(heap, block) _zend_mm_block_size((heap), (block) ZEND_MM_HERE)
#define zend_mm_alloc_aligned(heap, alignment, size) \
    _zend_mm_alloc_aligned((heap), (alignment), (size) ZEND_MM_HERE)
#define zend_mm_try_alloc_aligned(heap, alignment, size) \
    _zend_mm_try_alloc_aligned((heap), (alignment), (size) ZEND_MM_HERE)
#define zend_mm_try_alloc(heap, size) _zend_mm_try_alloc((heap), (size) ZEND_MM_HERE)
#define zend_mm_try_realloc(heap, block, size) \
    _zend_mm_try_realloc((heap), (block), (size) ZEND_MM_HERE)

/* Make `heap` the calling thread's heap; returns the one before. Since 5.2. */
ZEND_API zend_mm_heap *zend_mm_set_heap(zend_mm_heap *heap TSRMLS_DC);
/* The calling thread's heap; NULL if there is none and none could be made. Since 7.0. */
ZEND_API zend_mm_heap *zend_mm_get_heap(void);

/* Give unused memory inside the heap back: whole free runs of small slots become free pages, empty
 * segments and cached huge mappings leave the heap. Returns the bytes of pages freed. Since 7.0. */
ZEND_API size_t zend_mm_gc(zend_mm_heap *heap);

/* While the heap holds more than `keep_size` bytes (real size): drop cached huge mappings, then do
 * what zend_mm_gc() does. Live blocks stay, so more than keep_size may be left. Returns the bytes
 * the heap gave away (to the pool of its storage, or to the storage). Owner thread. Ours. */
ZEND_API size_t zend_mm_trim(zend_mm_heap *heap, size_t keep_size);

/* The storage of a heap, whose `data` is its handlers' own; NULL with USE_ZEND_ALLOC=0. Since 5.2. */
ZEND_API zend_mm_storage *zend_mm_get_storage(zend_mm_heap *heap);

/* ---- custom handlers ---------------------------------------------------------------------------- */

/* Serve the e* family of the thread that uses `heap` by these functions. Any of the three NULL
 * restores the heap's own allocator. Handlers may call zend_mm_alloc() and the like on `heap`, which
 * do not come back to them; then limit, statistics and request end work as ever. While they are
 * set is_zend_mm() is false. A malloc or realloc that gives NULL is the out-of-memory error. Owner
 * thread; at any time, but a block goes to the free handler that is set when it is freed.
 * Since 5.2; restoring since 7.3. */
ZEND_API void zend_mm_set_custom_handlers(zend_mm_heap *heap,
    void *(*malloc_handler)(size_t size), void (*free_handler)(void *block),
    void *(*realloc_handler)(void *block, size_t size));
/* The same; gc_handler (may be NULL) serves zend_mm_gc() and gives bytes freed; shutdown_handler (may
 * be NULL) is called by zend_mm_shutdown(), before the heap's own memory is reset or given back.
 * Since 8.4. */
ZEND_API void zend_mm_set_custom_handlers_ex(zend_mm_heap *heap,
    void *(*malloc_handler)(size_t size), void (*free_handler)(void *block),
    void *(*realloc_handler)(void *block, size_t size), size_t (*gc_handler)(void),
    void (*shutdown_handler)(bool full, bool silent));
/* What is set; NULLs for the built-in allocator. With USE_ZEND_ALLOC=0: malloc, free, realloc.
 * Since 7.0, _ex since 8.4. */
ZEND_API void zend_mm_get_custom_handlers(zend_mm_heap *heap,
    void *(**malloc_handler)(size_t size), void (**free_handler)(void *block),
    void *(**realloc_handler)(void *block, size_t size));
ZEND_API void zend_mm_get_custom_handlers_ex(zend_mm_heap *heap,
    void *(**malloc_handler)(size_t size), void (**free_handler)(void *block),
    void *(**realloc_handler)(void *block, size_t size), size_t (**gc_handler)(void),
    void (**shutdown_handler)(bool full, bool silent));
/* true while the e* family is not served by the heap's own allocator. Since 7.0. */
ZEND_API bool zend_mm_is_custom_heap(zend_mm_heap *heap);

/* ---- observers ---------------------------------------------------------------------------------- */

/* Each may be NULL. Called after a block was got, and before one is freed, in the calling thread.
 * Sizes of new blocks are what was asked for, of old ones the usable bytes (0 where nobody knows:
 * under custom handlers, and for a block of another thread's heap). They may allocate; what they
 * allocate is not told. A bailout ends the callbacks of that event, not the call. */
typedef struct zend_mm_observer_handlers {
    void (*on_malloc)(void *data, void *block, size_t size);
    void (*on_realloc)(void *data, void *old_block, size_t old_size, void *block, size_t size);
    void (*on_free)(void *data, void *block, size_t size);
    void (*on_gc)(void *data, size_t freed_size);   /* after zend_mm_gc() */
    void (*on_reset)(void *data, bool full);        /* before the request's (full: the heap's) end */
} zend_mm_observer_handlers;

typedef struct zend_mm_observer zend_mm_observer;

/* Tell `handlers` (copied), with `data`, of every call on the heap from now on, until unregistered
 * or the heap ends. Several at once are told, newest first. is_zend_mm() stays true, and limit and
 * request end work as ever; without observers a heap pays nothing for them. NULL: no memory. Owner
 * thread. Ours. */
ZEND_API zend_mm_observer *zend_mm_observer_register(zend_mm_heap *heap,
    const zend_mm_observer_handlers *handlers, void *data) ZEND_MM_USE_RESULT;
/* Also from inside a callback. Owner thread. Ours. */
ZEND_API void zend_mm_observer_unregister(zend_mm_heap *heap, zend_mm_observer *observer);

/* ---- start-up and the calling thread's heap --------------------------------------------------- */

/* Register alloc_globals with TSRM (or make the one static heap without ZTS); once per process,
 * after tsrm_startup() and ts_resource(0). Since 5.2. */
ZEND_API void start_memory_manager(TSRMLS_D);
/* In a forked child: give the calling thread's heap a link key that the parent does not know. Without
 * it that happens at the child's next request end. Since 8.5. */
ZEND_API void refresh_memory_manager(void);
/* zend_mm_shutdown() on the calling thread's heap. Since 4.0. */
ZEND_API void shutdown_memory_manager(int silent, int full_shutdown TSRMLS_DC);

/* true while the calling thread's heap is the built-in one (false with USE_ZEND_ALLOC=0 and under
 * custom handlers). Since 5.3. */
ZEND_API bool is_zend_mm(void);
/* true for an address inside a segment, or at the start of a huge block, of the calling thread's
 * heap; with USE_TRACKED_ALLOC, for a live block. Reads nothing at the address. Since 7.4. */
ZEND_API bool is_zend_ptr(const void *address);

/* Limit the bytes the heap may hold (real size). Below what it holds now, after cached memory was
 * dropped: false, the old limit stays; SIZE_MAX = none. Since 4.0; refusing since 8.0. */
ZEND_API bool zend_set_memory_limit(size_t limit);
/* true while the calling thread's heap reports an error. Since 8.0. */
ZEND_API bool zend_alloc_in_memory_limit_error_reporting(void);

/* Limit the bytes that all heaps of the process, and the pools of segments between them, hold from
 * their storages: N threads of M bytes each may then not hold N * M. Segments that wait in a pool are
 * given back before an allocation is refused. It holds while an error is reported, too: a callback
 * has its own heap's reserve. Below what is held now, pools emptied: false, the old limit stays.
 * SIZE_MAX = none, the default. Any thread. Ours. */
ZEND_API bool zend_mm_set_process_limit(size_t limit);
/* The bytes that this limit is about. Any thread. Ours. */
ZEND_API size_t zend_mm_process_usage(void);
/* Give segments that wait in the pools back to the system until they hold no more than `keep_size`
 * bytes: for a server that has had nothing to do for a while. Returns the bytes given back. Any thread.
 * Ours. */
ZEND_API size_t zend_mm_process_trim(size_t keep_size);

/* Bytes of live blocks (real == 0) or held from the storage (real != 0); 0 with USE_ZEND_ALLOC=0.
 * Since 5.2. */
ZEND_API size_t zend_memory_usage(int real TSRMLS_DC);
/* The largest value of zend_memory_usage() in this request. Exact for real != 0; for real == 0 it
 * is brought up to date when the heap grows by 1/256 and when it is read, so that it may be low by at
 * most that and the free slots inside the heap's own small runs. Never too high. Since 5.2. */
ZEND_API size_t zend_memory_peak_usage(int real TSRMLS_DC);
/* The peaks become the present values. Since 8.2. */
ZEND_API void zend_memory_reset_peak_usage(void);

/* ---- errors ------------------------------------------------------------------------------------ */

typedef enum zend_mm_error_kind {
    ZEND_MM_ERROR_LIMIT = 1,        /* the heap's memory limit */
    ZEND_MM_ERROR_OUT_OF_MEMORY,    /* the storage has nothing more */
    ZEND_MM_ERROR_OVERFLOW,         /* a size computation overflowed */
    ZEND_MM_ERROR_PROCESS_LIMIT,    /* the process's memory limit */
    ZEND_MM_ERROR_ALIGNMENT,        /* no power of two, or above ZEND_MM_MAX_ALIGNMENT */
} zend_mm_error_kind;

/* Told about an error before zend_bailout(). It may allocate (the limit is lifted meanwhile) and
 * may bail out itself. Runs in the failing thread. */
typedef void (*zend_mm_error_callback)(zend_mm_error_kind kind, const char *message);

/* Set the process's error callback (any thread; NULL restores the default, which prints
 * `Fatal error: MESSAGE` on stderr); returns the one before. Ours (PHP: zend_error_cb). */
ZEND_API zend_mm_error_callback zend_mm_set_error_callback(zend_mm_error_callback callback);

/* One place to jump to. Frames nest per thread; bailing out leaves the innermost one. */
typedef struct zend_bailout_frame {
    struct zend_bailout_frame *outer;
    jmp_buf target;
} zend_bailout_frame;

ZEND_API void zend_bailout_enter(zend_bailout_frame *frame);
ZEND_API void zend_bailout_leave(zend_bailout_frame *frame);
/* Jump to the calling thread's innermost zend_try; without one print so and exit(255). Since 4.0. */
ZEND_API void _zend_bailout(const char *filename, unsigned int line) ZEND_MM_NORETURN;

#define zend_bailout() _zend_bailout(__FILE__, __LINE__)
/* zend_try { ... } zend_catch { ... } zend_end_try(); -- never return or jump out of the block. */
#define zend_try \
    { zend_bailout_frame zend_bailout_frame_; \
      zend_bailout_enter(&zend_bailout_frame_); \
      if (setjmp(zend_bailout_frame_.target) == 0) {
#define zend_catch } else {
#define zend_end_try() \
      } zend_bailout_leave(&zend_bailout_frame_); }

/* ---- statistics ---------------------------------------------------------------------------------- */

typedef struct zend_mm_bin_stats {
    size_t slot_size;           /* bytes */
    size_t used_count;          /* live slots */
    size_t run_count;           /* page runs this bin owns */
} zend_mm_bin_stats;

/* Bytes and counts of one heap. peak as in zend_memory_peak_usage(). */
typedef struct zend_mm_heap_statistics {
    const char *storage;        /* name of the storage handlers */
    unsigned int heap_index;    /* 1 .. */
    size_t size, peak;          /* bytes of live blocks, rounded to their bin or pages */
    size_t real_size, real_peak;/* bytes held from the storage */
    size_t limit;               /* bytes; SIZE_MAX = none */
    size_t segment_count;       /* segments held */
    size_t free_page_count;     /* pages in no run */
    size_t largest_free_run;    /* pages */
    size_t huge_count, huge_size;       /* live huge blocks, bytes of them */
    size_t cached_count, cached_size;   /* freed huge mappings kept, bytes of them */
    uint64_t remote_free_count; /* blocks freed by other threads, since the heap was made */
    uint64_t reset_count;       /* request ends since the heap was made */
    uint64_t reset_duration;    /* nanoseconds, the last request end */
    uint64_t reset_storage_duration;    /* nanoseconds of it spent in the storage's functions */
    zend_mm_bin_stats bins[ZEND_MM_BIN_COUNT];
} zend_mm_heap_statistics;

/* Fill `statistics` for a heap of the calling thread (NULL: the thread's own). false when the
 * thread has no heap. Ours. */
ZEND_API bool zend_mm_heap_stats(zend_mm_heap *heap, zend_mm_heap_statistics *statistics);

/* Write a heap of the calling thread (NULL: the thread's own) as one JSON object to a descriptor:
 * accounts, bins, segments, free pages, fragmentation (the part of them that is not in the longest
 * free run). Allocates nothing. false: the descriptor took less than all, or the heap has no memory
 * of its own. Ours. */
ZEND_API bool zend_mm_heap_dump(zend_mm_heap *heap, int file);

typedef enum zend_mm_heap_state {
    ZEND_MM_HEAP_IDLE,          /* no block is live */
    ZEND_MM_HEAP_IN_REQUEST,
    ZEND_MM_HEAP_REPORTING,     /* an error is being reported */
} zend_mm_heap_state;

/* One heap, as its owner published it when it last grew by 1/256, was collected, trimmed or given a
 * limit, or ended a request. Bytes and counts. */
typedef struct zend_mm_process_heap {
    unsigned int heap_index;
    uint64_t thread;            /* number of the thread that last used it, as debuggers show it; 0: none */
    zend_mm_heap_state state;
    size_t size, peak, real_size, real_peak, cached_size, limit;
    uint64_t remote_free_count, reset_count;
} zend_mm_process_heap;

typedef struct zend_mm_process_statistics {
    size_t heap_count;
    size_t usage, limit;        /* of zend_mm_set_process_limit(), exact */
    size_t pooled_size;         /* bytes of `usage` that wait in pools */
    uint64_t take_count, give_count;    /* times that memory was taken from a storage, given back */
} zend_mm_process_statistics;

/* All heaps of the process but internal ones: up to `capacity` of them in `heaps`, the sums in
 * `process` (may be NULL). Returns how many heaps there are. Any thread, while they run. Ours. */
ZEND_API size_t zend_mm_process_stats(zend_mm_process_statistics *process,
    zend_mm_process_heap *heaps, size_t capacity);

#ifdef __cplusplus
}
#endif

#include "zend_alloc_debug.h"

#endif
