# make coverage: which lines of alloc/ and tsrm/ the tests reach. It builds in coverage/, with gcc
# and lcov; what no test reaches is compared with docs/reliability.md.

EXTRA_DIST += tests/coverage/coverage.sh tests/coverage/exit.c

COVERAGE_JOBS = 2
coverage:
	@COVERAGE_JOBS='$(COVERAGE_JOBS)' $(srcdir)/tests/coverage/coverage.sh
.PHONY: coverage
