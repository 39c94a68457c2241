/* heap.h: how much memory a heap takes: what is seen from outside, and what ours says itself. */
#ifndef TSRMALLOC_BENCH_HEAP_H
#define TSRMALLOC_BENCH_HEAP_H

#include "bench/memory.h"
#include "bench/metric.h"
#include "bench/peer.h"

/* OVERHEAD: the peak of what the heap held since its last request end, against `live_peak` bytes
 * asked for. Nothing for other peers. */
void bench_heap_overhead(const bench_peer *peer, uint64_t live_peak, bench_result *result);

/* Replay a closed sequence again, not timed, and look on the way: RSS_PEAK is at least what is
 * seen. For ours also OVERHEAD; and KEPT, when `mapped` says how many bytes the process had mapped
 * with the heap just made (else NAN). */
void bench_heap_replay(const bench_peer *peer, const bench_sequence *sequence, void **blocks,
    const bench_memory *memory, double mapped, bench_result *result);

#endif
