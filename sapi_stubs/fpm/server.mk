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
	sapi_stubs/fpm/clock.h \
	sapi_stubs/fpm/pm.h \
	sapi_stubs/fpm/pm.c \
	sapi_stubs/fpm/connection.h \
	sapi_stubs/fpm/connection.c \
	sapi_stubs/fpm/lot.h \
	sapi_stubs/fpm/lot.c \
	sapi_stubs/fpm/turn.h \
	sapi_stubs/fpm/turn.c \
	sapi_stubs/fpm/scoreboard.h \
	sapi_stubs/fpm/scoreboard.c \
	sapi_stubs/fpm/budget.h \
	sapi_stubs/fpm/budget.c

# A server of threads needs TSRM.
if ZTS
sbin_PROGRAMS = tsrmalloc-fpm tsrmalloc-fpmctl
tsrmalloc_fpmctl_SOURCES = sapi_stubs/fpm/fpmctl.c
tsrmalloc_fpm_SOURCES = \
	sapi_stubs/fpm/main.c \
	sapi_stubs/fpm/options.h \
	sapi_stubs/fpm/options.c \
	sapi_stubs/fpm/daemon.h \
	sapi_stubs/fpm/daemon.c \
	sapi_stubs/fpm/identity.h \
	sapi_stubs/fpm/identity.c \
	sapi_stubs/fpm/server.h \
	sapi_stubs/fpm/server.c \
	sapi_stubs/fpm/server_pools.c \
	sapi_stubs/fpm/control_socket.c \
	sapi_stubs/fpm/control_commands.c \
	sapi_stubs/fpm/listener.h \
	sapi_stubs/fpm/listener.c \
	sapi_stubs/fpm/listener_acl.h \
	sapi_stubs/fpm/listener_acl.c \
	sapi_stubs/fpm/queue_length.h \
	sapi_stubs/fpm/queue_length.c \
	sapi_stubs/fpm/allowed.c \
	sapi_stubs/fpm/pool.h \
	sapi_stubs/fpm/pool_internal.h \
	sapi_stubs/fpm/pool.c \
	sapi_stubs/fpm/pool_status.c \
	sapi_stubs/fpm/slowlog.c \
	sapi_stubs/fpm/worker.h \
	sapi_stubs/fpm/worker.c \
	$(fpm_request_sources)
tsrmalloc_fpm_CPPFLAGS = $(AM_CPPFLAGS) -DFPM_PREFIX='"$(prefix)"' \
	-DFPM_SYSCONFDIR='"$(sysconfdir)"'
tsrmalloc_fpm_LDADD = libtsrmalloc-fpm.la libtsrmalloc-engines.la libtsrmalloc.la \
	$(LUA_LIBS) $(ZLIB_LIBS) $(ACL_LIBS)

dist_man8_MANS = docs/tsrmalloc-fpm.8 docs/tsrmalloc-fpmctl.8
dist_doc_DATA += docs/fpm.md
# An example to begin with, and a unit for systemd: for a human to put where they belong.
fpm_exampledir = $(docdir)/examples
dist_fpm_example_DATA = sapi_stubs/fpm/tsrmalloc-fpm.conf
nodist_fpm_example_DATA = tsrmalloc-fpm.service
CLEANFILES += tsrmalloc-fpm.service
EXTRA_DIST += sapi_stubs/fpm/tsrmalloc-fpm.service.in
tsrmalloc-fpm.service: $(srcdir)/sapi_stubs/fpm/tsrmalloc-fpm.service.in Makefile
	$(AM_V_GEN)$(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	    $(srcdir)/sapi_stubs/fpm/tsrmalloc-fpm.service.in >$@
endif
