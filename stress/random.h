/* random.h: the numbers of tsrmalloc-stress and of the random tests, the same from a seed everywhere. */
#ifndef TSRMALLOC_STRESS_RANDOM_H
#define TSRMALLOC_STRESS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* splitmix64 */
static inline uint64_t stress_mix_bits(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static inline uint64_t stress_random(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    return stress_mix_bits(*state);
}

/* A number in 0 .. count - 1; count is not 0. */
static inline size_t stress_below(uint64_t *state, size_t count)
{
    return (size_t)(stress_random(state) % count);
}

/* true once in `count` times. */
static inline bool stress_once_in(uint64_t *state, size_t count)
{
    return stress_below(state, count) == 0;
}

#endif
