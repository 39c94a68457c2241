/* system: what rows need of the operating system, on Windows and on POSIX systems. */
#ifndef TSRMALLOC_TESTS_WIN32_SYSTEM_H
#define TSRMALLOC_TESTS_WIN32_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct row_thread row_thread;

/* A thread that calls body(arg); ends the program when there is none to be had. */
row_thread *row_thread_start(void (*body)(void *arg), void *arg);
/* Wait until the thread has ended, its destructors included. */
void row_thread_join(row_thread *thread);
/* Let other threads run. */
void row_thread_yield(void);

/* Resident bytes of this process; 0 where the system does not tell. */
size_t row_resident_size(void);

#endif
