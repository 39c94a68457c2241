/* fuzz.h: what the fuzz harnesses share. Each defines LLVMFuzzerTestOneInput(); libFuzzer, AFL++
 * (whose driver takes the same function) and replay.c call it. A finding is an abort. */
#ifndef TSRMALLOC_TESTS_FUZZ_FUZZ_H
#define TSRMALLOC_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_EXPECT(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
        #condition), abort()))

/* The next byte of the input; 0 behind its end. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size)
{
    if (*size == 0) {
        return 0;
    }
    (*size)--;
    return *(*data)++;
}

#endif
