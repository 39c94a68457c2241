/* replay.h: runs a sequence on a peer, on one thread or on several side by side. */
#ifndef TSRMALLOC_BENCH_REPLAY_H
#define TSRMALLOC_BENCH_REPLAY_H

#include "bench/metric.h"
#include "bench/peer.h"

#define BENCH_WARM_UP_TURNS 3
#define BENCH_TURNS_LEAST 5
#define BENCH_OPS_LEAST 5000000

/* Do ops [first, end); `blocks` has a place for each id. A TRACE_END resets, or does nothing where
 * the peer cannot: see bench_sequence_expand(). */
void bench_replay_range(const bench_peer *peer, const bench_sequence *sequence, size_t first,
    size_t end, void **blocks);

/* Free what is left in the table: the request end of a peer that has none. */
void bench_replay_free_all(const bench_peer *peer, void **blocks, size_t count);

/* The request end of any peer: it resets, or what is left in the table is freed. */
void bench_replay_end_request(const bench_peer *peer, void **blocks, size_t count);

/* Start the peer and replay the sequence on `threads` threads with a heap each. A closed one is
 * timed `repeat` times; with 0, BENCH_TURNS_LEAST times and until BENCH_OPS_LEAST are done.
 * CPU_NS and WALL_NS: per operation of all threads; NS: the first of these for one thread,
 * the second for several. Also memory, and for ours the overhead.
 * false: result->refusal has the reason. */
bool bench_replay(bench_peer *peer, const bench_sequence *sequence, unsigned int threads,
    unsigned int repeat, bench_result *result) __attribute__((warn_unused_result));

#endif
