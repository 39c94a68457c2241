# The tests of tsrmalloc-fpm.

fastcgi_transcript = tests/fpm/fastcgi_transcript.c tests/fpm/fastcgi_transcript.h

PLAIN_TESTS += tests/fpm/fastcgi
tests_fpm_fastcgi_SOURCES = tests/fpm/fastcgi.c tests/fpm/fastcgi_rows.c tests/fpm/fastcgi_rows.h \
    $(fastcgi_transcript)
tests_fpm_fastcgi_LDADD = libtsrmalloc-fpm.la

PLAIN_TESTS += tests/fpm/fastcgi_params tests/fpm/fastcgi_output
tests_fpm_fastcgi_params_SOURCES = tests/fpm/fastcgi_params.c
tests_fpm_fastcgi_params_LDADD = libtsrmalloc-fpm.la
tests_fpm_fastcgi_output_SOURCES = tests/fpm/fastcgi_output.c
tests_fpm_fastcgi_output_LDADD = libtsrmalloc-fpm.la

PLAIN_TESTS += tests/fpm/status
tests_fpm_status_SOURCES = tests/fpm/status.c tests/fpm/status_sample.h
tests_fpm_status_LDADD = libtsrmalloc-fpm.la

SCRIPT_TESTS += tests/fpm/status_formats.sh

PLAIN_TESTS += tests/fpm/access_log
tests_fpm_access_log_SOURCES = tests/fpm/access_log.c
tests_fpm_access_log_LDADD = libtsrmalloc-fpm.la
