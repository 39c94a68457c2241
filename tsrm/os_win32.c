/* os_win32: the operating system as Windows has it; see os.h. Empty elsewhere.
 * Owns        the fiber-local index and the allocation hook.
 * Thread      any.
 * Invariants  I1  a lock acquired here is never held across a user callback by the callers
 *             I2  the destructor runs at the end of a thread, never at the end of the process
 * Failure     NULL or false; GetLastError is not promised.
 * Tests       tests/win32/rows.c, by ./quickstart.sh check-win32 */
#include "config.h"

#ifdef _WIN32

#include "tsrm/os.h"

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

uint64_t tsrm_os_clock_ns(void)
{
    LARGE_INTEGER count, frequency;
    uint64_t seconds, rest;

    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    /* In two steps: ticks times 10^9 passes 64 bits within half an hour at common frequencies. */
    seconds = (uint64_t)(count.QuadPart / frequency.QuadPart);
    rest = (uint64_t)(count.QuadPart % frequency.QuadPart);
    return seconds * UINT64_C(1000000000) +
           rest * UINT64_C(1000000000) / (uint64_t)frequency.QuadPart;
}

#ifdef ZTS

#include <malloc.h>
#include <stdatomic.h>
#include <string.h>

/* A fiber-local destructor is called once, before the thread's DLL and TLS callbacks: what those
 * still free of this thread's heap they find already gone. */
const int tsrm_os_value_rounds = 1;

typedef BOOLEAN(NTAPI *shutdown_query)(void);

static DWORD value_index;                         /* const after init: see value_made */
static atomic_bool value_made;                    /* atomic: release in create, acquire in get */
static void (*value_destructor)(void *value);     /* const after init */
static shutdown_query process_is_ending;          /* const after init */
static _Atomic(bool (*)(size_t size)) alloc_hook; /* atomic: relaxed, set by tests */

bool tsrm_os_lock_init(tsrm_os_lock *lock)
{
    InitializeSRWLock(lock);
    return true;
}

void tsrm_os_lock_destroy(tsrm_os_lock *lock)
{
    (void)lock; /* a slim lock owns nothing */
}

void tsrm_os_lock_acquire(tsrm_os_lock *lock)
{
    AcquireSRWLockExclusive(lock);
}

void tsrm_os_lock_release(tsrm_os_lock *lock)
{
    ReleaseSRWLockExclusive(lock);
}

void tsrm_os_condition_renew(tsrm_os_condition *condition)
{
    InitializeConditionVariable(condition);
}

void tsrm_os_condition_wait(tsrm_os_condition *condition, tsrm_os_lock *lock)
{
    SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}

void tsrm_os_condition_broadcast(tsrm_os_condition *condition)
{
    WakeAllConditionVariable(condition);
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
    /* Committed at once: charged to the commit limit, but still without memory until touched. */
    return alloc_allowed(size)
               ? VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE)
               : NULL;
}

void tsrm_os_unreserve(void *memory, size_t size)
{
    (void)size; /* MEM_RELEASE takes the whole reservation */
    VirtualFree(memory, 0, MEM_RELEASE);
}

void *tsrm_os_alloc(size_t size)
{
    void *memory;

    if (size > SIZE_MAX - TSRM_OS_ALIGNMENT || !alloc_allowed(size)) {
        return NULL;
    }
    size += size == 0;
    memory = _aligned_malloc(size, TSRM_OS_ALIGNMENT);
    return memory == NULL ? NULL : memset(memory, 0, size);
}

void tsrm_os_free(void *memory)
{
    _aligned_free(memory);
}

THREAD_T tsrm_os_thread_id(void)
{
    return GetCurrentThreadId();
}

uintptr_t tsrm_os_thread_key(THREAD_T thread_id)
{
    return (uintptr_t)thread_id;
}

/* Windows calls this for the last thread of a process, too. The others were ended where they stood,
 * perhaps holding a lock that a dtor would wait for, and POSIX has no destructors there. */
static void NTAPI value_callback(void *value)
{
    if (value != NULL && !process_is_ending()) {
        value_destructor(value);
    }
}

/* The callback must stay mapped when a program unloads the DLL that this code is in. */
static bool pin_module(void)
{
    HMODULE module;

    return GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN |
                                  GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                              (LPCWSTR)(uintptr_t)value_callback, &module) != 0;
}

static bool find_shutdown_query(void)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");

    if (ntdll != NULL) {
        process_is_ending =
            (shutdown_query)(uintptr_t)GetProcAddress(ntdll, "RtlDllShutdownInProgress");
    }
    return process_is_ending != NULL;
}

bool tsrm_os_value_create(void (*destructor)(void *value))
{
    value_destructor = destructor;
    if (!alloc_allowed(0) || !pin_module() || !find_shutdown_query()) {
        return false;
    }
    value_index = FlsAlloc(value_callback);
    if (value_index == FLS_OUT_OF_INDEXES) {
        return false;
    }
    atomic_store_explicit(&value_made, true, memory_order_release);
    return true;
}

void *tsrm_os_value_get(void)
{
    return atomic_load_explicit(&value_made, memory_order_acquire) ? FlsGetValue(value_index)
                                                                   : NULL;
}

bool tsrm_os_value_set(void *value)
{
    return FlsSetValue(value_index, value) != 0;
}

bool tsrm_os_on_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    (void)prepare;
    (void)parent;
    (void)child;
    return true;
}

const char *tsrm_os_api_name(void)
{
    return "Windows Threads";
}

#endif

#endif
