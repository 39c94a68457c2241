/* fastcgi: a stream of bytes for the FastCGI parser, in pieces.
 * Input       a byte each for the seeds of two ways to cut, then the stream.
 * Owns        nothing.
 * Thread      one.
 * Invariants  I1  what the parser says does not depend on how the stream was cut
 *             I2  it holds no more memory than its limits say, and none at the end
 * Failure     abort.
 * Tests       this is one. */
#include "config.h"

#include <string.h>

#include "tests/fpm/fastcgi_transcript.h"
#include "tests/fuzz/fuzz.h"

/* Low, so that inputs of a fuzzer's size meet them. */
static const fcgi_limits limits = { 2048, 20, 64, 9999999, 9999999 };

enum { MEMORY_MAX = 2 * 2048 + 2048 + 20 * 64 };

static void tell(transcript *script, transcript_answer answer, uint32_t seed, const uint8_t *data,
    size_t size)
{
    transcript_begin(script, &limits, answer);
    for (size_t at = 0; at < size;) {
        seed = seed * 1664525 + 1013904223;
        /* Mostly short pieces, some long ones. */
        size_t piece = (seed >> 28) == 0 ? seed >> 16 & 1023 : seed >> 24 & 15;
        piece = piece < size - at ? piece : size - at;
        transcript_feed(script, data + at, piece);
        at += piece;
    }
    transcript_end(script);
    FUZZ_EXPECT(script->memory_peak <= MEMORY_MAX && script->memory_size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    transcript one, other;
    uint8_t first = fuzz_byte(&data, &size), second = fuzz_byte(&data, &size);
    for (int late = 0; late < 2; late++) {
        transcript_answer answer = late ? TRANSCRIPT_ANSWER_LATE : TRANSCRIPT_ANSWER_AT_ONCE;
        tell(&one, answer, first, data, size);
        tell(&other, answer, second + 1000u, data, size);
        FUZZ_EXPECT(strcmp(one.text, other.text) == 0);
        transcript_free(&one);
        transcript_free(&other);
    }
    return 0;
}
