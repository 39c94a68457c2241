#!/bin/sh
# flat_long: 100,000 thread lifetimes, 1,000,000 requests, 10^10 allocations; of these FLAT_PART (1).
exec "$abs_top_builddir/tests/stress/flat" "${FLAT_PART:-1}"
