/* pool_progress: a thread that stands still anywhere inside the pool holds no other thread up.
 *     pool_progress [stops]
 * With more threads than processors, one that lost its time slice between two steps stands still: others
 * that wait for it lose theirs, too.
 *
 * Owns        the pool of mmap_zero, which no heap uses here; its segments are addresses only.
 * Thread      workers give and take all the time. Main stops one at a time, wherever a signal meets it.
 * Failure     a CHECK, and the process's end: workers that wait for a stopped one would never be joined.
 * Tests       alloc/segment_pool.c */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "alloc/segment_pool.h"
#include "tests/support/check.h"

enum { WORKER_COUNT = 4, NOBODY = -1, SEGMENT_COUNT = 8, TRIPS = 20, PATIENCE_SECONDS = 30 };

typedef struct worker {
    pthread_t thread;
    _Atomic unsigned long trip_count;   /* written by its thread, read by main; relaxed */
} worker;

static worker workers[WORKER_COUNT];
static atomic_bool ending;
static int stopped[2], released[2];     /* pipes: read() and write() may be called in a handler */

static void stand_still(int number)
{
    char byte = (char)number;
    if (write(stopped[1], &byte, 1) != 1 || read(released[0], &byte, 1) != 1) {
        abort();
    }
}

static void *work(void *argument)
{
    worker *self = argument;
    while (!atomic_load_explicit(&ending, memory_order_relaxed)) {
        void *segment = zend_mm_pool_take(&zend_mm_mmap_zero_pool);
        CHECK(segment == NULL || zend_mm_pool_give(&zend_mm_mmap_zero_pool, segment));
        atomic_fetch_add_explicit(&self->trip_count, 1, memory_order_relaxed);
    }
    return NULL;
}

static unsigned long trips_of(int index)
{
    return atomic_load_explicit(&workers[index].trip_count, memory_order_relaxed);
}

/* All but `still` make TRIPS trips more. */
static bool go_on(int still)
{
    unsigned long before[WORKER_COUNT];
    for (int index = 0; index < WORKER_COUNT; index++) {
        before[index] = trips_of(index);
    }
    time_t end = time(NULL) + PATIENCE_SECONDS;
    for (int index = 0; index < WORKER_COUNT; index++) {
        while (index != still && trips_of(index) < before[index] + TRIPS) {
            if (time(NULL) > end) {
                return false;
            }
            nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        }
    }
    return true;
}

static bool stop_one(int index)
{
    char byte;
    pthread_kill(workers[index].thread, SIGUSR1);
    bool went_on = CHECK(read(stopped[0], &byte, 1) == 1) && go_on(index);
    /* The byte is for this one, not for the next that stops. */
    return CHECK(write(released[1], &byte, 1) == 1) && went_on && go_on(NOBODY);
}

int main(int argc, char **argv)
{
    int stop_count = argc > 1 ? atoi(argv[1]) : 300;
    struct sigaction action = { .sa_handler = stand_still };
    CHECK_CASE("a thread that is stopped anywhere in the pool holds no other thread up");
    if (TSRMALLOC_SANITIZE_THREAD) {
        CHECK_SKIP("ThreadSanitizer delivers signals when it likes, never between two instructions");
        return check_summary();
    }
    sigaction(SIGUSR1, &action, NULL);
    CHECK(pipe(stopped) == 0 && pipe(released) == 0);
    for (uintptr_t number = 1; number <= SEGMENT_COUNT; number++) {
        CHECK(zend_mm_pool_give(&zend_mm_mmap_zero_pool, (void *)(number * ZEND_MM_SEGMENT_SIZE)));
    }
    for (int index = 0; index < WORKER_COUNT; index++) {
        if (!CHECK(pthread_create(&workers[index].thread, NULL, work, &workers[index]) == 0)) {
            return check_summary();
        }
    }
    /* A thread that is stopped while it begins may hold locks of the C library or of a sanitizer. */
    CHECK(go_on(NOBODY));
    for (int stop = 0; stop < stop_count; stop++) {
        if (!CHECK(stop_one(stop % WORKER_COUNT))) {
            printf("stop %d: the others waited for %d s\n", stop, PATIENCE_SECONDS);
            return check_summary();
        }
    }
    atomic_store(&ending, true);
    for (int index = 0; index < WORKER_COUNT; index++) {
        pthread_join(workers[index].thread, NULL);
    }
    CHECK_CASE("and all segments are there afterwards, each once");
    uintptr_t seen = 0;
    CHECK(zend_mm_pool_size(&zend_mm_mmap_zero_pool) == SEGMENT_COUNT);
    for (int number = 0; number < SEGMENT_COUNT; number++) {
        void *segment = zend_mm_pool_take(&zend_mm_mmap_zero_pool);
        seen |= (uintptr_t)1 << (uintptr_t)segment / ZEND_MM_SEGMENT_SIZE;
    }
    CHECK(seen == ((uintptr_t)2 << SEGMENT_COUNT) - 2);
    CHECK(zend_mm_pool_take(&zend_mm_mmap_zero_pool) == NULL);
    return check_summary();
}
