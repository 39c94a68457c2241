/* os_posix: the operating system as POSIX has it; see os.h. Empty on Windows.
 * Owns        the thread-specific key and the allocation hook.
 * Thread      any.
 * Invariants  I1  a lock acquired here is never held across a user callback by the callers
 * Failure     NULL or false; errno is not promised.
 * Tests       tests/unit/tsrm_os.c, tests/unit/tsrm_oom.c */
#include "config.h"

#ifndef _WIN32

#include <time.h>

#include "tsrm/os.h"

uint64_t tsrm_os_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#ifdef ZTS

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if TSRMALLOC_SANITIZE_ADDRESS
#include <sanitizer/lsan_interface.h>
#endif

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* POSIX promises 4 where the limit is not a constant. ThreadSanitizer tears its own thread state
 * down in the last round, before us, so that build ends its threads one round earlier. */
#ifdef PTHREAD_DESTRUCTOR_ITERATIONS
const int tsrm_os_value_rounds = PTHREAD_DESTRUCTOR_ITERATIONS - TSRMALLOC_SANITIZE_THREAD;
#else
const int tsrm_os_value_rounds = 4 - TSRMALLOC_SANITIZE_THREAD;
#endif

static pthread_key_t value_key;                   /* const after init: see value_made */
static atomic_bool value_made;                    /* atomic: release in create, acquire in get */
static _Atomic(bool (*)(size_t size)) alloc_hook; /* atomic: relaxed, set by tests */

bool tsrm_os_lock_init(tsrm_os_lock *lock)
{
    return pthread_mutex_init(lock, NULL) == 0;
}

void tsrm_os_lock_destroy(tsrm_os_lock *lock)
{
    pthread_mutex_destroy(lock);
}

void tsrm_os_lock_acquire(tsrm_os_lock *lock)
{
    pthread_mutex_lock(lock);
}

void tsrm_os_lock_release(tsrm_os_lock *lock)
{
    pthread_mutex_unlock(lock);
}

void tsrm_os_condition_renew(tsrm_os_condition *condition)
{
    const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;

    memcpy(condition, &fresh, sizeof(fresh));
}

void tsrm_os_condition_wait(tsrm_os_condition *condition, tsrm_os_lock *lock)
{
    pthread_cond_wait(condition, lock);
}

void tsrm_os_condition_broadcast(tsrm_os_condition *condition)
{
    pthread_cond_broadcast(condition);
}

void tsrm_os_set_alloc_hook(bool (*hook)(size_t size))
{
    atomic_store_explicit(&alloc_hook, hook, memory_order_relaxed);
}

static bool alloc_allowed(size_t size)
{
    bool (*hook)(size_t) = atomic_load_explicit(&alloc_hook, memory_order_relaxed);

    return hook == NULL || hook(size);
}

void *tsrm_os_reserve(size_t size)
{
    void *memory;

    if (!alloc_allowed(size)) {
        return NULL;
    }
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
#if TSRMALLOC_SANITIZE_ADDRESS
    /* Pointers in a mapping keep nothing alive for LeakSanitizer unless it is told. */
    __lsan_register_root_region(memory, size);
#endif
    return memory;
}

void tsrm_os_unreserve(void *memory, size_t size)
{
#if TSRMALLOC_SANITIZE_ADDRESS
    __lsan_unregister_root_region(memory, size);
#endif
    munmap(memory, size);
}

void *tsrm_os_alloc(size_t size)
{
    void *memory;

    if (size > SIZE_MAX - TSRM_OS_ALIGNMENT || !alloc_allowed(size)) {
        return NULL;
    }
    /* aligned_alloc wants a multiple of the alignment; 0 becomes one line. */
    size = (size + (size == 0) + TSRM_OS_ALIGNMENT - 1) & ~(size_t)(TSRM_OS_ALIGNMENT - 1);
    memory = aligned_alloc(TSRM_OS_ALIGNMENT, size);
    return memory == NULL ? NULL : memset(memory, 0, size);
}

void tsrm_os_free(void *memory)
{
    free(memory);
}

THREAD_T tsrm_os_thread_id(void)
{
    return pthread_self();
}

uintptr_t tsrm_os_thread_key(THREAD_T thread_id)
{
    /* pthread_t is an integer on some systems and a pointer on others. */
    return (uintptr_t)thread_id;
}

bool tsrm_os_value_create(void (*destructor)(void *value))
{
    if (!alloc_allowed(0) || pthread_key_create(&value_key, destructor) != 0) {
        return false;
    }
    atomic_store_explicit(&value_made, true, memory_order_release);
    return true;
}

void *tsrm_os_value_get(void)
{
    /* Before it is made the key is 0, which may be somebody else's. */
    return atomic_load_explicit(&value_made, memory_order_acquire) ? pthread_getspecific(value_key)
                                                                   : NULL;
}

bool tsrm_os_value_set(void *value)
{
    return pthread_setspecific(value_key, value) == 0;
}

bool tsrm_os_on_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return alloc_allowed(0) && pthread_atfork(prepare, parent, child) == 0;
}

const char *tsrm_os_api_name(void)
{
    return "POSIX Threads";
}

int tsrm_sigmask(int how, const sigset_t *set, sigset_t *oldset)
{
    return pthread_sigmask(how, set, oldset);
}

#endif

#endif
