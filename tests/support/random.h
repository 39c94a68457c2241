/* random: the numbers of the random tests: fast, and the same from the same seed everywhere. */
#ifndef TSRMALLOC_TESTS_SUPPORT_RANDOM_H
#define TSRMALLOC_TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    return random_mix(*state);
}

/* A number in 0 .. count - 1; count is not 0. */
static inline size_t random_below(uint64_t *state, size_t count)
{
    return (size_t)(random_next(state) % count);
}

#endif
