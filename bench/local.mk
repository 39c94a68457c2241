# tsrmalloc-bench: links neither the library nor any allocator; each is opened by dlopen() in a
# process of its own.

bin_PROGRAMS += tsrmalloc-bench
tsrmalloc_bench_SOURCES = \
    bench/clock.h bench/figures.c bench/figures.h bench/heap.c bench/heap.h bench/machine.c \
    bench/main.c bench/memory.c bench/memory.h bench/metric.c bench/metric.h bench/options.c \
    bench/options.h bench/peer.c bench/peer.h bench/peer_general.c bench/peer_limit.c \
    bench/peer_ours.c bench/peer_zend.c bench/pictures.c bench/process.c bench/process.h \
    bench/random.h bench/replay.c bench/replay.h bench/report.c bench/report.h bench/report_json.c \
    bench/report_variants.c bench/run.c bench/run.h bench/sequence.c bench/sequence.h \
    bench/table.c bench/table.h bench/targets.c bench/workload.c bench/workload.h \
    bench/workload_age.c bench/workload_churn.c bench/workload_grow.c bench/workload_handoff.c \
    bench/workload_live.c bench/workload_reset.c bench/workload_startup.c bench/workload_traces.c \
    sapi_stubs/engine/line_reader.c sapi_stubs/engine/line_reader.h \
    sapi_stubs/engine/trace_reader.c sapi_stubs/engine/trace.h
tsrmalloc_bench_LDADD = $(ZLIB_LIBS) -ldl -lm
# Flags of its own give it objects of its own: the library's are made by libtool.
tsrmalloc_bench_CPPFLAGS = $(AM_CPPFLAGS)

dist_man1_MANS += docs/tsrmalloc-bench.1
EXTRA_DIST += bench/fpm_compare.sh bench/fpm_report.awk bench/pages/page.lua bench/pages/page.php \
    bench/pages/tables.lua bench/pages/tables.php
EXTRA_DIST += bench/bench.sh bench/update_document.sh bench/variants.sh docs/benchmarks.md \
    docs/benchmarks/age.svg docs/benchmarks/live.svg docs/benchmarks/reset.svg \
    docs/benchmarks/traces.svg

# The load generator for FastCGI servers: tests and bench/fpm_compare.sh use it.
noinst_PROGRAMS += tsrmalloc-fcgi-load
tsrmalloc_fcgi_load_SOURCES = \
    bench/clock.h bench/fastcgi_load.c bench/fastcgi_load.h bench/fastcgi_load_options.c \
    bench/fastcgi_load_report.c bench/fastcgi_load_request.c
tsrmalloc_fcgi_load_LDADD = libtsrmalloc-fpm.la
tsrmalloc_fcgi_load_CPPFLAGS = $(AM_CPPFLAGS)
