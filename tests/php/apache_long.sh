#!/bin/sh
# apache_long: apache.sh with 10,000 requests.
APACHE_REQUESTS=10000
export APACHE_REQUESTS
exec "$abs_top_srcdir/tests/php/apache.sh"
