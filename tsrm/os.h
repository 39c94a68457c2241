/* os: every call of tsrm/ to the operating system, wrapped once (os_posix.c, os_win32.c).
 *
 * Failure policy: what can fail for want of memory or keys returns NULL or false; locking a lock
 * that was set up correctly cannot fail. */
#ifndef TSRMALLOC_TSRM_OS_H
#define TSRMALLOC_TSRM_OS_H

#include "tsrm.h"

#if defined(ZTS) && defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
#endif

/* Monotonic time in nanoseconds. Thread: any. */
uint64_t tsrm_os_clock_ns(void);

#ifdef ZTS

#if defined(_WIN32)
typedef SRWLOCK tsrm_os_lock;
typedef CONDITION_VARIABLE tsrm_os_condition;
#define TSRM_OS_LOCK_INIT SRWLOCK_INIT
#define TSRM_OS_CONDITION_INIT CONDITION_VARIABLE_INIT
#else
typedef pthread_mutex_t tsrm_os_lock;
typedef pthread_cond_t tsrm_os_condition;
#define TSRM_OS_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define TSRM_OS_CONDITION_INIT PTHREAD_COND_INITIALIZER
#endif

/* Initial-exec where the platform has it: one load, no call, also in a shared library. (MinGW's gcc
 * takes the attribute and emulates thread-local variables by a call.) */
#if defined(_MSC_VER)
#define TSRM_OS_THREAD_LOCAL __declspec(thread)
#else
#define TSRM_OS_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#endif

/* Alignment of tsrm_os_alloc: a cache line. */
#define TSRM_OS_ALIGNMENT 64

/* init also renews a lock in the child of a fork, whatever its state was. */
bool tsrm_os_lock_init(tsrm_os_lock *lock) TSRM_MUST_CHECK;
void tsrm_os_lock_destroy(tsrm_os_lock *lock);
void tsrm_os_lock_acquire(tsrm_os_lock *lock);
void tsrm_os_lock_release(tsrm_os_lock *lock);
void tsrm_os_condition_renew(tsrm_os_condition *condition);
void tsrm_os_condition_wait(tsrm_os_condition *condition, tsrm_os_lock *lock);
void tsrm_os_condition_broadcast(tsrm_os_condition *condition);

/* Address space of `size` bytes, zeroed, whose pages cost nothing until touched; or NULL. */
void *tsrm_os_reserve(size_t size) TSRM_MUST_CHECK;
void tsrm_os_unreserve(void *memory, size_t size);

/* `size` zeroed bytes aligned to TSRM_OS_ALIGNMENT, a pointer of its own for 0 too; or NULL. */
void *tsrm_os_alloc(size_t size) TSRM_MUST_CHECK;
void tsrm_os_free(void *memory);

/* For tests: asked before each reserve, alloc and key creation; false makes that call fail.
 * NULL removes it. Thread: any; the hook is called in the thread that allocates. */
void tsrm_os_set_alloc_hook(bool (*hook)(size_t size));

/* The calling thread, and a thread id as a number that no two live threads share. */
THREAD_T tsrm_os_thread_id(void);
uintptr_t tsrm_os_thread_key(THREAD_T thread_id);

/* The one thread-specific value with a destructor. tsrm_os_value_rounds: how many times the
 * destructor is called for a value that it sets again each time. Values start NULL. */
extern const int tsrm_os_value_rounds;
bool tsrm_os_value_create(void (*destructor)(void *value)) TSRM_MUST_CHECK;
/* NULL also before create. */
void *tsrm_os_value_get(void);
bool tsrm_os_value_set(void *value) TSRM_MUST_CHECK;

/* Sets what runs around fork(), for good. True where there is no fork. */
bool tsrm_os_on_fork(void (*prepare)(void), void (*parent)(void),
                     void (*child)(void)) TSRM_MUST_CHECK;

/* "POSIX Threads" or "Windows Threads". */
const char *tsrm_os_api_name(void);

#endif

#endif
