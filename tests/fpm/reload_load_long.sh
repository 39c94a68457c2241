#!/bin/sh
# reload_load_long: tests/fpm/reload_load.sh with 4,000 requests on either side.
RELOAD_REQUESTS=4000 exec "$abs_top_srcdir/tests/fpm/reload_load.sh"
