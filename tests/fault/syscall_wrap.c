/* syscall_wrap: what --wrap puts in the place of the system's functions.
 * Owns        the counters of uses.
 * Thread      any.
 * Invariants  a call that fails on purpose does nothing else, and sets errno as the system would.
 * Failure     on purpose.
 * Tests       used by tests/fault/syscall_sweep.c */
#include "config.h"

#include "tests/fault/syscall_wrap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/types.h>

const char *const syscall_names[SYSCALL_KIND_COUNT] = {
#define SYSCALL_NAME(name) #name,
    SYSCALL_KINDS(SYSCALL_NAME)
#undef SYSCALL_NAME
};

static struct {
    syscall_kind kind;              /* const while threads run */
    size_t n;                       /* const while threads run; 0: none */
    bool always[SYSCALL_KIND_COUNT];        /* const while threads run */
    atomic_size_t use_count;        /* relaxed: of `kind` */
    atomic_bool failed;             /* relaxed */
} plan;

void syscall_fail_at(syscall_kind kind, size_t n)
{
    plan.kind = kind;
    plan.n = n;
}

void syscall_fail_always(syscall_kind kind)
{
    plan.always[kind] = true;
}

bool syscall_has_failed(void)
{
    return atomic_load_explicit(&plan.failed, memory_order_relaxed);
}

/* Is it this use's turn? */
static bool fails(syscall_kind kind, int error)
{
    bool now = plan.always[kind];
    if (kind == plan.kind && plan.n != 0
            && atomic_fetch_add_explicit(&plan.use_count, 1, memory_order_relaxed) + 1 == plan.n) {
        atomic_store_explicit(&plan.failed, true, memory_order_relaxed);
        now = true;
    }
    if (now) {
        errno = error;
    }
    return now;
}

/* What the linker calls the system's own. */
void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
int __real_munmap(void *address, size_t size);
void *__real_mremap(void *address, size_t old_size, size_t new_size, int flags, ...);
int __real_madvise(void *address, size_t size, int advice);
int __real_mincore(void *address, size_t size, unsigned char *pages);
int __real_open(const char *path, int flags, ...);
ssize_t __real_read(int file, void *buffer, size_t size);
int __real_close(int file);
ssize_t __real_getrandom(void *buffer, size_t size, unsigned int flags);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*body)(void *), void *argument);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    return fails(SYSCALL_mmap, ENOMEM)
        ? MAP_FAILED : __real_mmap(address, size, protection, flags, file, offset);
}

int __wrap_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size)
{
    return fails(SYSCALL_munmap, ENOMEM) ? -1 : __real_munmap(address, size);
}

void *__wrap_mremap(void *address, size_t old_size, size_t new_size, int flags, ...);
void *__wrap_mremap(void *address, size_t old_size, size_t new_size, int flags, ...)
{
    void *target = NULL;
    if (flags & MREMAP_FIXED) {
        va_list arguments;
        va_start(arguments, flags);
        target = va_arg(arguments, void *);
        va_end(arguments);
    }
    return fails(SYSCALL_mremap, ENOMEM)
        ? MAP_FAILED : __real_mremap(address, old_size, new_size, flags, target);
}

int __wrap_madvise(void *address, size_t size, int advice);
int __wrap_madvise(void *address, size_t size, int advice)
{
    return fails(SYSCALL_madvise, EINVAL) ? -1 : __real_madvise(address, size, advice);
}

int __wrap_mincore(void *address, size_t size, unsigned char *pages);
int __wrap_mincore(void *address, size_t size, unsigned char *pages)
{
    return fails(SYSCALL_mincore, EAGAIN) ? -1 : __real_mincore(address, size, pages);
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return fails(SYSCALL_open, EMFILE) ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_read(int file, void *buffer, size_t size);
ssize_t __wrap_read(int file, void *buffer, size_t size)
{
    return fails(SYSCALL_read, EIO) ? -1 : __real_read(file, buffer, size);
}

int __wrap_close(int file);
int __wrap_close(int file)
{
    int result = __real_close(file);
    return fails(SYSCALL_close, EIO) ? -1 : result;     /* Linux closes it all the same */
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned int flags);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned int flags)
{
    return fails(SYSCALL_getrandom, EAGAIN) ? -1 : __real_getrandom(buffer, size, flags);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    return fails(SYSCALL_posix_memalign, ENOMEM)
        ? ENOMEM : __real_posix_memalign(block, alignment, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails(SYSCALL_aligned_alloc, ENOMEM) ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*body)(void *), void *argument)
{
    return fails(SYSCALL_pthread_create, EAGAIN)
        ? EAGAIN : __real_pthread_create(thread, attributes, body, argument);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    return fails(SYSCALL_pthread_mutex_init, EAGAIN)
        ? EAGAIN : __real_pthread_mutex_init(mutex, attributes);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    return fails(SYSCALL_pthread_key_create, EAGAIN)
        ? EAGAIN : __real_pthread_key_create(key, destructor);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    /* A value that this thread had once set has its place: only the first time needs memory. The
     * library has one key. */
    static _Thread_local bool had_place;
    if (!had_place && fails(SYSCALL_pthread_setspecific, ENOMEM)) {
        return ENOMEM;
    }
    had_place = true;
    return __real_pthread_setspecific(key, value);
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return fails(SYSCALL_pthread_atfork, ENOMEM)
        ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}
