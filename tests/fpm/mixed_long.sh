#!/bin/sh
# mixed_long: tests/fpm/mixed.sh with 100,000 requests.
MIXED_REQUESTS=100000 exec "$abs_top_srcdir/tests/fpm/mixed.sh"
