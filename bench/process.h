/* process.h: a measurement in a process of its own: this program, executed anew.
 *
 * Nothing an allocator does to its process can reach another's, and what has to be loaded before
 * anything else can be. The child answers with lines of text on its stdout. */
#ifndef TSRMALLOC_BENCH_PROCESS_H
#define TSRMALLOC_BENCH_PROCESS_H

#include "bench/run.h"

/* First argument of the program when it is such a child; not for people. */
#define BENCH_CHILD_OPTION "--measure"

/* Once, before any measurement: allocators keep thread-local variables where only libraries loaded
 * at the start of a process have room; children get room for those that are opened later. */
void bench_process_prepare(void);

/* Measure a case with a peer; `sequence_file` as bench_sequence_publish() made it, or -1.
 * false: result->refusal says why. */
bool bench_process_measure(const bench_peer_choice *peer, const bench_workload *workload,
    const bench_task *task, int sequence_file, bench_result *result)
    __attribute__((warn_unused_result));

/* Ask a peer for its version. false: peer->missing says why it cannot be opened. */
bool bench_process_probe(bench_peer_choice *peer) __attribute__((warn_unused_result));

/* The child: measures, answers and ends the process. */
void bench_process_child(int argc, char **argv) __attribute__((noreturn));

#endif
