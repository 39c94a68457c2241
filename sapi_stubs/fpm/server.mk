# tsrmalloc-fpm: the server itself.

# Configuration and log.
libtsrmalloc_fpm_la_SOURCES += \
	sapi_stubs/fpm/log.h \
	sapi_stubs/fpm/log.c \
	sapi_stubs/fpm/conf.h \
	sapi_stubs/fpm/conf_internal.h \
	sapi_stubs/fpm/conf.c \
	sapi_stubs/fpm/conf_table.c \
	sapi_stubs/fpm/conf_value.c \
	sapi_stubs/fpm/conf_line.c \
	sapi_stubs/fpm/conf_check.c

# Workers, and what they share.
libtsrmalloc_fpm_la_SOURCES += \
	sapi_stubs/fpm/connection.h \
	sapi_stubs/fpm/scoreboard.h \
	sapi_stubs/fpm/worker.h \
	sapi_stubs/fpm/pool.h
