# tsrmalloc-stress: the public interface under threads, limits, failures and forks, every block
# checked. It links the library as any program does, and the trace engine for its mode `trace`.

bin_PROGRAMS += tsrmalloc-stress
tsrmalloc_stress_SOURCES = \
    stress/blocks.c stress/main.c stress/mix.c stress/mode_churn.c stress/mode_fork.c \
    stress/mode_handoff.c stress/mode_huge.c stress/mode_ids.c stress/mode_limit.c \
    stress/mode_misbehave.c stress/mode_oom.c stress/mode_request.c stress/mode_trace.c \
    stress/options.c stress/random.h stress/report.c stress/run.c stress/stress.h stress/worker.c
tsrmalloc_stress_LDADD = libtsrmalloc-engines.la libtsrmalloc.la $(ZLIB_LIBS)
tsrmalloc_stress_CPPFLAGS = $(AM_CPPFLAGS) \
    -DTSRMALLOC_TRACE_DIR='"$(pkgdatadir)/traces"'

# The traces that the mode `trace` finds by itself.
tracesdir = $(pkgdatadir)/traces
traces_DATA = traces/dokuwiki-opcache.zmt.gz traces/composer.zmt.gz

dist_man1_MANS += docs/tsrmalloc-stress.1
EXTRA_DIST += docs/reliability.md
