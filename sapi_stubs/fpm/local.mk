# tsrmalloc-fpm. What needs neither sockets nor threads is a library of its own, for the tests.

noinst_LTLIBRARIES += libtsrmalloc-fpm.la
libtsrmalloc_fpm_la_SOURCES = \
	sapi_stubs/fpm/fastcgi.h \
	sapi_stubs/fpm/fastcgi.c \
	sapi_stubs/fpm/fastcgi_params.h \
	sapi_stubs/fpm/fastcgi_params.c \
	sapi_stubs/fpm/fastcgi_output.h \
	sapi_stubs/fpm/fastcgi_output.c \
	sapi_stubs/fpm/status.h \
	sapi_stubs/fpm/status.c \
	sapi_stubs/fpm/status_writer.h \
	sapi_stubs/fpm/status_writer.c \
	sapi_stubs/fpm/status_formats.c \
	sapi_stubs/fpm/status_metrics.c \
	sapi_stubs/fpm/status_live.c \
	sapi_stubs/fpm/access_log.h \
	sapi_stubs/fpm/access_log.c

# The request side: it needs the server's connections and pools, or a test's.
fpm_request_sources = \
	sapi_stubs/fpm/request.h \
	sapi_stubs/fpm/request_internal.h \
	sapi_stubs/fpm/request.c \
	sapi_stubs/fpm/request_body.c \
	sapi_stubs/fpm/request_answer.c \
	sapi_stubs/fpm/request_pages.c \
	sapi_stubs/fpm/request_script.c \
	sapi_stubs/fpm/request_file.h \
	sapi_stubs/fpm/request_file.c \
	sapi_stubs/fpm/request_end.c
