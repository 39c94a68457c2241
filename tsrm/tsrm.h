/* tsrm.h: the thread-safe resource manager, public interface.
 *
 * A *resource* is a block of memory of which every thread has its own copy, known by one id for
 * the whole process. Each thread that calls TSRM has an *entry*; `tsrm_ls` points at it, and
 * (*tsrm_ls)[id - 1] is the thread's copy of resource `id`. Ids start at 1. The entry never moves
 * while its thread lives, so reading it takes no lock.
 *
 * The names and signatures are those of PHP 5.x, where `tsrm_ls` is an explicit argument
 * (TSRMLS_DC and its siblings); what later PHP versions added is here as well, and says so.
 * Without ZTS every macro below is empty, nothing but the start-up trace is declared, and callers
 * written with TSRMLS_* compile unchanged.
 *
 * Rules for every callback (ctor, dtor, handler): it is called without any lock held and may call
 * TSRM, except for the three calls that end threads (ts_free_thread, ts_free_worker_threads,
 * tsrm_shutdown): inside a ctor, a dtor or a ts_apply_for_id callback these report an error and do
 * nothing. A callback must return: it may not be left by longjmp, nor end its thread. */
#ifndef TSRMALLOC_TSRM_H
#define TSRMALLOC_TSRM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(ZTS) && !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

#if defined(_WIN32)
#define TSRM_API __declspec(dllexport)
#elif defined(__GNUC__)
#define TSRM_API __attribute__((visibility("default")))
#else
#define TSRM_API
#endif

#if defined(__MINGW32__) && !defined(__clang__)
#define TSRM_PRINTF(format_index, first_index)                                                     \
    __attribute__((format(gnu_printf, format_index, first_index))) /* knows %zu on Windows too */
#elif defined(__GNUC__)
#define TSRM_PRINTF(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))
#else
#define TSRM_PRINTF(format_index, first_index)
#endif

#if defined(__GNUC__)
#define TSRM_MUST_CHECK __attribute__((warn_unused_result))
#else
#define TSRM_MUST_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- start-up trace (in ZTS and other builds alike; ours) ---- */

typedef struct tsrm_startup_event {
    unsigned long thread;  /* number of the thread, from 1 in order of its first traced step */
    int depth;             /* nesting of traced steps in this thread, from 0 */
    bool leaving;          /* false: the step begins; true: it has ended */
    const char *function;  /* name of the step */
    const char *decision;  /* what the step decided; "" when it begins */
    uint64_t duration_ns;  /* wall time of the step in nanoseconds; 0 when it begins */
} tsrm_startup_event;

/* `event` and its strings live only during the call. */
typedef void (*tsrm_startup_trace_func)(const tsrm_startup_event *event, void *arg);

/* Sets who is told of each step of the start-up flow; NULL turns the trace off.
 * The sink is called in the thread that runs the step, so it must be thread-safe, and it must not
 * allocate from the heap, whose start-up it may be watching.
 * Thread: call before tsrm_startup, while no other thread uses the library. */
TSRM_API void tsrm_set_startup_trace(tsrm_startup_trace_func sink, void *arg);

#ifdef ZTS

#if defined(_WIN32)
typedef unsigned long THREAD_T; /* a DWORD */
#else
typedef pthread_t THREAD_T;
#endif

typedef struct tsrm_mutex *MUTEX_T; /* opaque, from tsrm_mutex_alloc */
typedef int ts_rsrc_id;             /* 1..TSRM_RSRC_ID_MAX; 0 is "none" */

/* Largest number of ids a process can allocate; ts_free_id does not give ids back. */
#define TSRM_RSRC_ID_MAX 8192
/* Largest total of tsrm_reserve, in bytes. */
#define TSRM_FAST_SIZE_MAX 65536

/* `resource` is the copy to set up or tear down, `tsrm_ls` the entry it belongs to, which need
 * not be the calling thread's: ts_allocate_id runs the ctor for all live threads, ts_free_id the
 * dtor. PHP 5.x signatures. */
typedef void (*ts_allocate_ctor)(void *resource, void ***tsrm_ls);
typedef void (*ts_allocate_dtor)(void *resource, void ***tsrm_ls);

typedef void (*tsrm_thread_begin_func_t)(THREAD_T thread_id, void ***tsrm_ls);
typedef void (*tsrm_thread_end_func_t)(THREAD_T thread_id, void ***tsrm_ls);
typedef void (*tsrm_shutdown_func_t)(void);

/* ---- start and end of TSRM ---- */

/* Starts TSRM for the process. `expected_threads` sizes the look-up table at first (it grows),
 * `expected_resources` is accepted for compatibility (the id table is reserved whole and touched
 * as needed), `debug_level` and `debug_filename` are handed to tsrm_error_set.
 * Returns 1, also when TSRM is already started (then nothing changes), or 0 when memory or a
 * pthread key is missing. Works again after tsrm_shutdown. Thread: one at a time; the caller is
 * the main thread from now on. Since PHP 4. */
TSRM_API int tsrm_startup(int expected_threads, int expected_resources, int debug_level,
                          const char *debug_filename) TSRM_MUST_CHECK;

/* Ends TSRM: frees the calling thread's entry and every interpreter context that no other thread
 * has set, then calls the shutdown handler. Entries of threads that still run are left to them,
 * readable until they end.
 * Returns the number of entries left (PHP returns nothing), -1 when called inside a ctor or dtor.
 * Thread: any, while no other thread calls tsrm_startup or tsrm_shutdown. Since PHP 4. */
TSRM_API int tsrm_shutdown(void);

/* ---- resources ---- */

/* Allocates an id for a resource of `size` bytes, stores it in *rsrc_id before any ctor runs, and
 * constructs the resource for every live thread before it returns; a thread that starts later
 * constructs it itself. A resource starts zeroed and aligned to 64 bytes; `ctor` and `dtor` may
 * be NULL.
 * Each ctor runs exactly once per thread. A thread that is just ending may be passed over.
 * Returns the id; 0, with *rsrc_id = 0 and no ctor run, when TSRM is not started, memory is out,
 * or all ids are taken.
 * Thread: any, at any time, also inside a ctor. Since PHP 4. */
TSRM_API ts_rsrc_id ts_allocate_id(ts_rsrc_id *rsrc_id, size_t size, ts_allocate_ctor ctor,
                                   ts_allocate_dtor dtor);

/* Adds `size` bytes (rounded up to 16) to the room for fast resources in every entry; nothing is
 * touched until used.
 * Returns true, or false when the total would pass TSRM_FAST_SIZE_MAX. Unlike in PHP it may be
 * called at any time.
 * Thread: any. Since PHP 7.4 (there: void). */
TSRM_API bool tsrm_reserve(size_t size);

/* As ts_allocate_id, for a resource inside the entry itself: it is at (char *)tsrm_ls + *offset
 * in every thread, which saves TSRMG_FAST one load. Aligned to 16 bytes. Takes its room from
 * tsrm_reserve.
 * Returns 0, with *rsrc_id = 0 and *offset = 0 and no id spent, also when that room is used up.
 * Thread: any. Since PHP 7.4. */
TSRM_API ts_rsrc_id ts_allocate_fast_id(ts_rsrc_id *rsrc_id, size_t *offset, size_t size,
                                        ts_allocate_ctor ctor,
                                        ts_allocate_dtor dtor);

/* Returns resource `id` of a thread, or its `tsrm_ls` when id is 0.
 * `th_id` NULL or the caller's own: the calling thread's current context. The first call in a
 * thread makes its entry and constructs all ids there are, lowest first, before it returns. A
 * resource that another thread is just constructing here is waited for, unless the caller is
 * inside a callback for the same or a higher id: then the result is NULL.
 * Another thread's `th_id`: what that thread has, valid while it lives; never creates anything.
 * Returns NULL when the id is not allocated or was freed, the other thread has no entry or no
 * such resource (yet), memory is out (the next call tries again), TSRM is not started, or the
 * calling thread is past its last pthread destructor round.
 * Thread: any. Since PHP 4. */
TSRM_API void *ts_resource_ex(ts_rsrc_id id, THREAD_T *th_id);

#define ts_resource(id) ts_resource_ex((id), NULL)

/* Calls cb with every live thread's copy of resource `id`, in the caller; no copy goes away while
 * cb looks at it.
 * Thread: any; what cb does with the copies of running threads must be safe for them. Since
 * PHP 8. */
TSRM_API void ts_apply_for_id(ts_rsrc_id id, void (*cb)(void *resource));

/* Destroys resource `id` in all threads, in the caller, and retires the id: threads read NULL
 * from then on and new threads do not construct it. All dtors have ended when it returns; except
 * that, called inside a callback for the same or a higher id, it leaves a resource that another
 * callback is at work on to be destroyed when that one returns. No-op for an id that was freed
 * before or never allocated.
 * Thread: any; nobody may use the resource any more. Since PHP 4. */
TSRM_API void ts_free_id(ts_rsrc_id id);

/* ---- threads ---- */

/* Frees the calling thread's entry: dtors in reverse order of ids, then the memory. A thread that
 * ends without it is cleaned up in its last pthread destructor round. Using TSRM again afterwards
 * makes a new entry.
 * Thread: any, not inside a ctor or dtor. Since PHP 4. */
TSRM_API void ts_free_thread(void);

/* Frees the entries of all other threads, in the caller; such a thread then reads NULL for every
 * id until it calls ts_free_thread or ends. Thread: any, not inside a ctor or dtor; the other
 * threads must be idle. PHP 4 to 7. */
TSRM_API void ts_free_worker_threads(void);

/* Number of threads that have an entry now. Thread: any. Ours. */
TSRM_API size_t tsrm_thread_count(void);

/* The calling thread. Since PHP 4. */
TSRM_API THREAD_T tsrm_thread_id(void);

/* True in the thread that called tsrm_startup, and after a fork in the child's only thread. Since
 * PHP 7. */
TSRM_API bool tsrm_is_main_thread(void);

/* True from the beginning of tsrm_shutdown to the next tsrm_startup. Since PHP 7. */
TSRM_API bool tsrm_is_shutdown(void);

/* True if the calling thread has a current entry. Since PHP 8.3. */
TSRM_API bool tsrm_is_managed_thread(void);

/* "POSIX Threads" or "Windows Threads". Since PHP 7. */
TSRM_API const char *tsrm_api_name(void);

/* The calling thread's `tsrm_ls`, or NULL if it has none; never creates one. Since PHP 7.0. */
TSRM_API void *tsrm_get_ls_cache(void);

/* Set what runs before, and after, all ctors of a new entry (a thread's or an interpreter
 * context's), in the thread that makes it. Return the handler that was set before, as PHP does,
 * through void *.
 * Thread: any; entries being made at that moment may see either handler. Since PHP 4 (`tsrm_ls`:
 * PHP 5.x). */
TSRM_API void *tsrm_set_new_thread_begin_handler(tsrm_thread_begin_func_t handler);
TSRM_API void *tsrm_set_new_thread_end_handler(tsrm_thread_end_func_t handler);

/* Sets what runs at the end of tsrm_shutdown; returns the handler before.
 * Thread: any. Since PHP 8. */
TSRM_API void *tsrm_set_shutdown_handler(tsrm_shutdown_func_t handler);

/* ---- interpreter contexts: entries that belong to no thread and can be made current in any. PHP
 * 4 to 7 ---- */

/* Makes a context, its resources constructed with the context current; the caller's current entry
 * is then restored.
 * Returns the context, or NULL when memory is out or TSRM is not started. Thread: any. */
TSRM_API void *tsrm_new_interpreter_context(void) TSRM_MUST_CHECK;

/* Makes `new_ctx` (from tsrm_new_interpreter_context, from an earlier call of this function in
 * this thread, or NULL) the calling thread's current entry; returns the one before, or NULL.
 * After NULL, the next ts_resource goes back to the thread's own entry. Thread: any; a context
 * may be current in one thread at a time. */
TSRM_API void *tsrm_set_interpreter_context(void *new_ctx);

/* Destroys a context that is current in no other thread (else an error is reported and nothing
 * done); where it is the caller's, the caller has none afterwards. Inside a ctor or dtor the dtors
 * run later, before the outermost TSRM call of the thread returns.
 * Thread: any. */
TSRM_API void tsrm_free_interpreter_context(void *context);

/* ---- mutexes, signals, messages ---- */

/* A non-recursive mutex, or NULL when memory is out. Since PHP 4. */
TSRM_API MUTEX_T tsrm_mutex_alloc(void) TSRM_MUST_CHECK;
/* Frees a mutex that nobody holds; NULL is fine. Since PHP 4. */
TSRM_API void tsrm_mutex_free(MUTEX_T mutex);
/* Lock, unlock; return 0, or -1 for NULL. Since PHP 4. */
TSRM_API int tsrm_mutex_lock(MUTEX_T mutex);
TSRM_API int tsrm_mutex_unlock(MUTEX_T mutex);

/* One lock of the process around getenv, setenv and putenv. Not recursive. Since PHP 7. */
TSRM_API void tsrm_env_lock(void);
TSRM_API void tsrm_env_unlock(void);

#if !defined(_WIN32)
/* pthread_sigmask. Returns 0 or an errno value. Since PHP 5.4. */
TSRM_API int tsrm_sigmask(int how, const sigset_t *set, sigset_t *oldset);
#endif

#define TSRM_ERROR_LEVEL_ERROR 1
#define TSRM_ERROR_LEVEL_CORE 2
#define TSRM_ERROR_LEVEL_INFO 3

/* Writes a line ("TSRM:  " and the text) if `level` is at or below the level of tsrm_error_set.
 * Returns 1 if it was written, else 0. Thread: any. Since PHP 4. */
TSRM_API int tsrm_error(int level, const char *format, ...) TSRM_PRINTF(2, 3);
/* Sets the level (0, the default: silence) and the file to append to (NULL: stderr, also when it
 * cannot be opened).
 * Thread: any. Since PHP 4. */
TSRM_API void tsrm_error_set(int level, const char *debug_filename);

/* ---- macros ---- */

#define TSRM_SHUFFLE_RSRC_ID(rsrc_id) ((rsrc_id) + 1)
#define TSRM_UNSHUFFLE_RSRC_ID(rsrc_id) ((rsrc_id) - 1)

/* Through the `tsrm_ls` in scope (PHP 5.x). */
#define TSRMLS_FETCH() void ***tsrm_ls = (void ***)ts_resource_ex(0, NULL)
#define TSRMLS_FETCH_FROM_CTX(ctx) void ***tsrm_ls = (void ***)(ctx)
#define TSRMLS_SET_CTX(ctx) ctx = (void ***)tsrm_ls
#define TSRMLS_D void ***tsrm_ls
#define TSRMLS_DC , TSRMLS_D
#define TSRMLS_C tsrm_ls
#define TSRMLS_CC , TSRMLS_C
#define TSRMG(id, type, element) (TSRMG_BULK(id, type)->element)
#define TSRMG_BULK(id, type) ((type)(*((void ***)tsrm_ls))[TSRM_UNSHUFFLE_RSRC_ID(id)])

/* Through the calling thread's current entry, which must exist (PHP 7.4). */
#define TSRMG_FAST(offset, type, element) (TSRMG_FAST_BULK(offset, type)->element)
#define TSRMG_FAST_BULK(offset, type) ((type)((char *)tsrm_get_ls_cache() + (offset)))

/* Through a copy of `tsrm_ls` that each shared object keeps in its own thread-local variable (PHP
 * 7.0): define it in one file, declare it in the others, and update it in every thread and after
 * every context switch. No semicolon follows DEFINE and EXTERN. */
#if defined(_MSC_VER)
#define TSRM_TLS __declspec(thread)
#define TSRM_TLS_MODEL_ATTR
#else
#define TSRM_TLS __thread
#if defined(__GLIBC__) && defined(__GNUC__) && defined(__PIC__)
#define TSRM_TLS_MODEL_ATTR __attribute__((tls_model("initial-exec")))
#else
#define TSRM_TLS_MODEL_ATTR
#endif
#endif
#define TSRMLS_CACHE _tsrm_ls_cache
#define TSRMLS_CACHE_DEFINE() TSRM_TLS void *TSRMLS_CACHE = NULL;
#define TSRMLS_CACHE_EXTERN() extern TSRM_TLS void *TSRMLS_CACHE;
#define TSRMLS_CACHE_UPDATE() TSRMLS_CACHE = tsrm_get_ls_cache()
#define TSRMLS_MAIN_CACHE_DEFINE() TSRM_TLS void *TSRMLS_CACHE TSRM_TLS_MODEL_ATTR = NULL;
#define TSRMLS_MAIN_CACHE_EXTERN() extern TSRM_TLS void *TSRMLS_CACHE TSRM_TLS_MODEL_ATTR;
#define TSRMG_STATIC(id, type, element) (TSRMG_BULK_STATIC(id, type)->element)
#define TSRMG_BULK_STATIC(id, type)                                                                \
    ((type)(*((void ***)TSRMLS_CACHE))[TSRM_UNSHUFFLE_RSRC_ID(id)])
#define TSRMG_FAST_STATIC(offset, type, element) (TSRMG_FAST_BULK_STATIC(offset, type)->element)
#define TSRMG_FAST_BULK_STATIC(offset, type) ((type)((char *)TSRMLS_CACHE + (offset)))

#else /* not ZTS */

#define tsrm_env_lock()
#define tsrm_env_unlock()

#define TSRMLS_FETCH()
#define TSRMLS_FETCH_FROM_CTX(ctx)
#define TSRMLS_SET_CTX(ctx)
#define TSRMLS_D void
#define TSRMLS_DC
#define TSRMLS_C
#define TSRMLS_CC
#define TSRMLS_CACHE_DEFINE()
#define TSRMLS_CACHE_EXTERN()
#define TSRMLS_CACHE_UPDATE()
#define TSRMLS_MAIN_CACHE_DEFINE()
#define TSRMLS_MAIN_CACHE_EXTERN()

#endif /* ZTS */

#ifdef __cplusplus
}
#endif

#endif /* TSRMALLOC_TSRM_H */
