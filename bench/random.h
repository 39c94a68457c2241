/* random.h: a small generator, the same numbers in every process. */
#ifndef TSRMALLOC_BENCH_RANDOM_H
#define TSRMALLOC_BENCH_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_random {
    uint64_t state;             /* not 0 */
} bench_random;

#define BENCH_RANDOM_SEED { UINT64_C(0x243F6A8885A308D3) }

/* xorshift64 */
static inline uint64_t bench_random_next(bench_random *random)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

static inline size_t bench_random_below(bench_random *random, size_t limit)
{
    return (size_t)(bench_random_next(random) % limit);
}

static inline size_t bench_random_between(bench_random *random, size_t low, size_t high)
{
    return low + bench_random_below(random, high - low + 1);
}

/* Sizes as PHP asks for them: four of five up to 64 bytes, one of fifty above 256. Mean: 91. */
static inline size_t bench_random_small_size(bench_random *random)
{
    size_t dice = bench_random_below(random, 50);
    if (dice < 40) {
        return bench_random_between(random, 8, 64);
    }
    return dice < 49 ? bench_random_between(random, 65, 256)
                     : bench_random_between(random, 257, 3072);
}

#endif
