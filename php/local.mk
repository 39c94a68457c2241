# php/: the memory manager of a real PHP, as a library to preload and as an archive to link.
#
# The core is compiled again: its TSRM macros are empty, each thread has its heap in TLS, and names
# that mean something else in PHP are others (core_names.h).

EXTRA_DIST += php/symbols docs/php.md php/bench/bench.sh php/bench/clock.c \
    php/bench/replace.php

# ROUNDS: how many (default 11). What the last run found goes into docs/php.md with bench-php-document.
bench-php: all
	@$(srcdir)/php/bench/bench.sh . bench-php-results $(ROUNDS)
bench-php-document:
	@$(srcdir)/bench/update_document.sh '$(srcdir)/docs/php.md' bench-php-results
.PHONY: bench-php bench-php-document

if PHP_DROP_IN

# In the order of linking: see alloc/local.mk.
php_sources = \
    php/emalloc.c php/fallible.c php/manager.c php/host.c php/options.c php/limits.c \
    $(alloc_main_sources) tsrm/os_posix.c tsrm/startup_trace.c \
    $(alloc_mode_sources) php/error.c php/heaps.c php/record.c php/record_file.c \
    $(alloc_table_sources) $(alloc_core_headers) php/core_names.h php/error.h php/face.h php/host.h php/options.h php/record.h php/record_file.h

noinst_LTLIBRARIES += libtsrmalloc-php-objects.la
libtsrmalloc_php_objects_la_SOURCES = $(php_sources)
libtsrmalloc_php_objects_la_CPPFLAGS = -include $(top_srcdir)/php/core_names.h -DTSRMALLOC_PHP \
    -I$(top_srcdir) -I$(top_srcdir)/tsrm -I$(top_srcdir)/alloc

lib_LTLIBRARIES += libtsrmalloc-php.la
libtsrmalloc_php_la_SOURCES = php/preload.c
libtsrmalloc_php_la_CPPFLAGS = $(libtsrmalloc_php_objects_la_CPPFLAGS)
libtsrmalloc_php_la_LIBADD = libtsrmalloc-php-objects.la
libtsrmalloc_php_la_LDFLAGS = -module -avoid-version -shared $(TSRMALLOC_LDFLAGS) \
    -Wl,-z,defs -Wl,--version-script,php/exports.map
libtsrmalloc_php_la_DEPENDENCIES = libtsrmalloc-php-objects.la php/exports.map

# The names of php/symbols, one a line, behind `|`.
php_symbols = sed 's/\#.*//' $(srcdir)/php/symbols | tr -s ' ' '\n' | sed '/^$$/d'

php/exports.map: php/symbols
	@$(MKDIR_P) php
	$(AM_V_GEN) { echo '{ global:'; $(php_symbols) | sed 's/$$/;/'; echo 'local: *; };'; } >$@

# The archive is one object in which every other name is its own, so that it can stand in the place
# of PHP's zend_alloc.o. main.c of a ZTS PHP needs one name more than other objects may see, and late.c
# two.
php/keep: php/symbols Makefile
	@$(MKDIR_P) php
	$(AM_V_GEN) { $(php_symbols); \
	echo zend_mm_globals_size; \
	echo tsrmalloc_php_report_begins; echo tsrmalloc_php_report_ends; } >$@

libtsrmalloc-php.a: libtsrmalloc-php-objects.la php/keep
	$(AM_V_GEN) $(LD) -r -o php/tsrmalloc-php.o --whole-archive .libs/libtsrmalloc-php-objects.a && \
	$(OBJCOPY) --keep-global-symbols=php/keep php/tsrmalloc-php.o && \
	rm -f $@ && $(AR) cr $@ php/tsrmalloc-php.o && $(RANLIB) $@

# Compiled by who links the archive into a late PHP.
phplatedir = $(pkgdatadir)
dist_phplate_DATA = php/late.c

phparchivedir = $(libdir)
phparchive_DATA = libtsrmalloc-php.a
CLEANFILES += libtsrmalloc-php.a php/tsrmalloc-php.o php/exports.map php/keep

endif
