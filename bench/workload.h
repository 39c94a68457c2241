/* workload: what an allocator is measured with. Each function returns nanoseconds per operation. */
#ifndef TSRMALLOC_BENCH_WORKLOAD_H
#define TSRMALLOC_BENCH_WORKLOAD_H

#include "bench/peer.h"
#include "sapi_stubs/engine/trace.h"

/* Replay `trace` once to warm up, then `repeat` times; each `q` is a request end. */
double bench_run_trace(const bench_peer *peer, const trace *trace, unsigned int repeat);

/* Live blocks of low .. high bytes, `live_size` bytes of them: free one at random, allocate
 * another, `count` times after as many to age the heap. An operation is a free or an allocation. */
double bench_run_live(const bench_peer *peer, size_t low, size_t high, size_t live_size,
    size_t count);

#endif
