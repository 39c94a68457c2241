# The fuzz harnesses, built here with a main() that replays the corpora; tests/fuzz/fuzz.sh builds them
# for libFuzzer and AFL++. make fuzz FUZZ_SECONDS=900 runs each under libFuzzer.

fuzz_harnesses = tests/fuzz/operations tests/fuzz/trace tests/fuzz/environment tests/fuzz/options \
    tests/fuzz/fastcgi tests/fuzz/conf
check_PROGRAMS += $(fuzz_harnesses)
fuzz_main = tests/fuzz/replay.c tests/fuzz/fuzz.h

tests_fuzz_operations_SOURCES = tests/fuzz/operations.c $(fuzz_main) tests/support/model.c \
    tests/support/model.h
tests_fuzz_operations_LDADD = $(PLAIN_LDADD)
tests_fuzz_trace_SOURCES = tests/fuzz/trace.c $(fuzz_main)
tests_fuzz_trace_LDADD = libtsrmalloc-engines.la $(PLAIN_LDADD) $(ZLIB_LIBS)
tests_fuzz_environment_SOURCES = tests/fuzz/environment.c $(fuzz_main)
tests_fuzz_environment_LDADD = $(PLAIN_LDADD)
tests_fuzz_options_SOURCES = tests/fuzz/options.c $(fuzz_main) sapi_stubs/cli/options.c
tests_fuzz_options_LDADD = $(PLAIN_LDADD)
# An object of its own beside tsrmalloc-cli's.
tests_fuzz_options_CPPFLAGS = $(AM_CPPFLAGS)
tests_fuzz_fastcgi_SOURCES = tests/fuzz/fastcgi.c $(fuzz_main) $(fastcgi_transcript)
tests_fuzz_fastcgi_LDADD = libtsrmalloc-fpm.la
tests_fuzz_conf_SOURCES = tests/fuzz/conf.c $(fuzz_main)
tests_fuzz_conf_LDADD = libtsrmalloc-fpm.la $(PLAIN_LDADD)

SCRIPT_TESTS += tests/fuzz/replay.sh
EXTRA_DIST += tests/fuzz/fuzz.sh tests/fuzz/corpus

FUZZ_SECONDS = 60
fuzz: all
	@for harness in operations trace environment options fastcgi conf; do \
	    $(srcdir)/tests/fuzz/fuzz.sh $$harness $(FUZZ_SECONDS) || exit 1; \
	done
.PHONY: fuzz
