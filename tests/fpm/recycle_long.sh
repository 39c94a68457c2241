#!/bin/sh
# recycle_long: tests/fpm/recycle.sh with 10,000 threads.
RECYCLE_REQUESTS=10000 exec "$abs_top_srcdir/tests/fpm/recycle.sh"
