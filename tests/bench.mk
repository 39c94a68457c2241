# Tests of tsrmalloc-bench: what it computes, and a run of seconds; never how fast anything is.

UNIT_TESTS += tests/bench/figures tests/bench/sequence
tests_bench_figures_SOURCES = tests/bench/figures.c bench/figures.c bench/metric.c
tests_bench_figures_LDADD = $(CRITERION_LIBS) -lm
tests_bench_sequence_SOURCES = tests/bench/sequence.c bench/memory.c bench/metric.c bench/peer.c \
    bench/peer_general.c bench/peer_limit.c bench/peer_ours.c bench/peer_zend.c bench/sequence.c
tests_bench_sequence_LDADD = libtsrmalloc-engines.la $(CRITERION_LIBS) $(ZLIB_LIBS) -ldl
# Objects of their own, as tsrmalloc-bench has.
tests_bench_figures_CPPFLAGS = $(AM_CPPFLAGS)
tests_bench_sequence_CPPFLAGS = $(AM_CPPFLAGS)

SCRIPT_TESTS += tests/bench/smoke.sh
