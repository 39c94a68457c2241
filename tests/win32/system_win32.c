/* system_win32: system.h on Windows; empty elsewhere.
 * Owns        the threads it started.
 * Thread      any.
 * Invariants  a row_thread is joined once.
 * Failure     ends the program.
 * Tests       tests/win32/rows_threads.c */
#include "config.h"

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#define PSAPI_VERSION 2     /* GetProcessMemoryInfo() of kernel32 */
#include <windows.h>
#include <process.h>
#include <psapi.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/win32/system.h"

struct row_thread {
    HANDLE thread;
    void (*body)(void *arg);
    void *arg;
};

static unsigned __stdcall run(void *arg)
{
    const row_thread *thread = arg;
    thread->body(thread->arg);
    return 0;
}

row_thread *row_thread_start(void (*body)(void *arg), void *arg)
{
    row_thread *thread = malloc(sizeof *thread);
    if (thread == NULL) {
        perror("malloc");
        exit(1);
    }
    thread->body = body;
    thread->arg = arg;
    thread->thread = (HANDLE)_beginthreadex(NULL, 0, run, thread, 0, NULL);
    if (thread->thread == NULL) {
        fputs("no thread\n", stderr);
        exit(1);
    }
    return thread;
}

void row_thread_join(row_thread *thread)
{
    WaitForSingleObject(thread->thread, INFINITE);
    CloseHandle(thread->thread);
    free(thread);
}

void row_thread_yield(void)
{
    SwitchToThread();
}

size_t row_resident_size(void)
{
    PROCESS_MEMORY_COUNTERS counters;
    return GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)
        ? counters.WorkingSetSize : 0;
}

#endif
