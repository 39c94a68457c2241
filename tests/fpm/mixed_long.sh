#!/bin/sh
# mixed_long: tests/fpm/mixed.sh with 100,000 requests; under ThreadSanitizer, for ten minutes.
case $TSRMALLOC_SANITIZE in
    *thread*) MIXED_SECONDS=${MIXED_SECONDS:-600} MIXED_REQUESTS=${MIXED_REQUESTS:-5000} ;;
    *) MIXED_SECONDS=${MIXED_SECONDS:-0} MIXED_REQUESTS=${MIXED_REQUESTS:-100000} ;;
esac
export MIXED_SECONDS MIXED_REQUESTS
exec "$abs_top_srcdir/tests/fpm/mixed.sh"
