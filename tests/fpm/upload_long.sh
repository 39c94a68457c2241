#!/bin/sh
# upload_long: tests/fpm/upload.sh with 1 GiB.
UPLOAD_BYTES=1073741824 exec "$abs_top_srcdir/tests/fpm/upload.sh"
