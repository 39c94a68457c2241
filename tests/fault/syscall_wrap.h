/* syscall_wrap: the calls that the library makes to the system, one of which can be made to fail.
 * The linker's --wrap sends them here; see tests/stress.mk. */
#ifndef TSRMALLOC_TESTS_FAULT_SYSCALL_WRAP_H
#define TSRMALLOC_TESTS_FAULT_SYSCALL_WRAP_H

#include <stdbool.h>
#include <stddef.h>

/* X(name): every call that is counted and can fail. */
#define SYSCALL_KINDS(X) \
    X(mmap) X(munmap) X(mremap) X(madvise) X(mincore) X(open) X(read) X(close) X(getrandom) \
    X(posix_memalign) X(aligned_alloc) \
    X(pthread_create) X(pthread_mutex_init) X(pthread_key_create) X(pthread_setspecific) \
    X(pthread_atfork)

typedef enum syscall_kind {
#define SYSCALL_NAME(name) SYSCALL_##name,
    SYSCALL_KINDS(SYSCALL_NAME)
#undef SYSCALL_NAME
    SYSCALL_KIND_COUNT
} syscall_kind;

extern const char *const syscall_names[SYSCALL_KIND_COUNT];

/* The n-th use of `kind` fails, from 1; the others succeed. Before any thread is started. */
void syscall_fail_at(syscall_kind kind, size_t n);
/* Every use of `kind` fails. */
void syscall_fail_always(syscall_kind kind);
/* Has the n-th use come? */
bool syscall_has_failed(void);

#endif
