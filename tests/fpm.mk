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

# The request side with a fake connection, pool and log around it.
PLAIN_TESTS += tests/fpm/request
tests_fpm_request_SOURCES = tests/fpm/request.c tests/fpm/request_fake.h
if ZTS
tests_fpm_request_SOURCES += $(fpm_request_sources)
endif
tests_fpm_request_LDADD = libtsrmalloc-fpm.la libtsrmalloc-engines.la $(PLAIN_LDADD) $(ZLIB_LIBS) \
    $(LUA_LIBS)

# With real clients: nginx, lighttpd, Apache, HAProxy, Caddy, cgi-fcgi, Chromium; what is not
# installed is skipped.
SCRIPT_TESTS += tests/fpm/load.sh tests/fpm/nginx.sh tests/fpm/balance.sh tests/fpm/clients.sh \
    tests/fpm/status_page.sh tests/fpm/lua.sh tests/fpm/hostile.sh \
    tests/fpm/mixed.sh tests/fpm/upload.sh
LONG_TESTS += tests/fpm/mixed_long.sh tests/fpm/upload_long.sh
EXTRA_DIST += tests/fpm/mixed_long.sh tests/fpm/upload_long.sh
EXTRA_DIST += tests/fpm/support.sh tests/fpm/requests.sh tests/fpm/requests.php tests/fpm/root/echo.lua \
    tests/fpm/root/large.lua tests/fpm/root/tell.lua tests/fpm/root/wait.lua docs/deployment.md

# What tests/fpm/hostile.sh runs.
check_PROGRAMS += tests/fpm/hostile
tests_fpm_hostile_SOURCES = tests/fpm/hostile.c tests/fpm/wire.c tests/fpm/wire.h \
    tests/fpm/fastcgi_rows.c tests/fpm/fastcgi_rows.h
tests_fpm_hostile_LDADD = libtsrmalloc-fpm.la
