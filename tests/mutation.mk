# make check-mutants: small defects, one at a time, and the test that fails for each. It builds in
# mutation/; MUTANTS='NAME NAME' for some of them, with --named first for the named tests only.
# `make check` sees that the tables fit the sources.

SCRIPT_TESTS += tests/mutation/table.sh
EXTRA_DIST += tests/mutation/mutants.sh tests/mutation/table.awk tests/mutation/alloc.txt \
    tests/mutation/tsrm.txt

check-mutants:
	@$(srcdir)/tests/mutation/mutants.sh $(MUTANTS)
.PHONY: check-mutants
