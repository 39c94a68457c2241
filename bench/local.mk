# tsrmalloc-bench: links neither the library nor any allocator; each is opened by dlopen() in a
# process of its own.
noinst_PROGRAMS += tsrmalloc-bench
tsrmalloc_bench_SOURCES = \
    bench/main.c bench/peer.c bench/peer.h bench/workload.c bench/workload.h \
    sapi_stubs/engine/line_reader.c sapi_stubs/engine/line_reader.h \
    sapi_stubs/engine/trace_reader.c sapi_stubs/engine/trace.h
tsrmalloc_bench_LDADD = $(ZLIB_LIBS) -ldl -lm
# Flags of its own give it objects of its own: the library's are made by libtool.
tsrmalloc_bench_CPPFLAGS = $(AM_CPPFLAGS)
