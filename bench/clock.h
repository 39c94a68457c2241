/* clock.h: nanoseconds. */
#ifndef TSRMALLOC_BENCH_CLOCK_H
#define TSRMALLOC_BENCH_CLOCK_H

#include <time.h>

static inline double bench_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* What other processes do to the machine shows less in it than in the time of day. */
static inline double bench_thread_time(void)
{
    return bench_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* What one reading of it takes: what was measured between two readings has that in it. The least of
 * many, since nothing makes a reading shorter. */
static inline double bench_thread_time_cost(void)
{
    double least = 1e9;
    for (int turn = 0; turn < 200; turn++) {
        double begin = bench_thread_time();
        double cost = bench_thread_time() - begin;
        least = cost < least ? cost : least;
    }
    return least;
}

/* The same in all processes of the machine. */
static inline double bench_wall_time(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

#endif
