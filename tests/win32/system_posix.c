/* system_posix: system.h on POSIX systems; empty on Windows.
 * Owns        the threads it started.
 * Thread      any.
 * Invariants  a row_thread is joined once.
 * Failure     ends the program.
 * Tests       tests/win32/rows_threads.c */
#include "config.h"

#ifndef _WIN32

#include "tests/win32/system.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct row_thread {
    pthread_t thread;
    void (*body)(void *arg);
    void *arg;
};

static void *run(void *arg)
{
    const row_thread *thread = arg;
    thread->body(thread->arg);
    return NULL;
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
    if (pthread_create(&thread->thread, NULL, run, thread) != 0) {
        fputs("no thread\n", stderr);
        exit(1);
    }
    return thread;
}

void row_thread_join(row_thread *thread)
{
    pthread_join(thread->thread, NULL);
    free(thread);
}

void row_thread_yield(void)
{
    sched_yield();
}

size_t row_resident_size(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long mapped_pages, resident_pages = 0;
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &mapped_pages, &resident_pages) != 2) {
            resident_pages = 0;
        }
        fclose(file);
    }
    return resident_pages * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
