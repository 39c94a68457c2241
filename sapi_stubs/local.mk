# sapi_stubs: the contract and lifecycle (part of the library), the engines and the programs.

TSRMALLOC_SOURCES += \
	sapi_stubs/sapi.c \
	sapi_stubs/sapi.h \
	sapi_stubs/sapi_internal.h \
	sapi_stubs/php_ini.c \
	sapi_stubs/lifecycle.c \
	sapi_stubs/module_registry.c \
	sapi_stubs/module_registry.h

pkginclude_HEADERS += sapi_stubs/sapi.h

# On Windows there is the library alone: the programs are POSIX programs.
if !WINDOWS

# What engines need of the heap is public API: they sit beside the library, not inside it.
noinst_LTLIBRARIES += libtsrmalloc-engines.la
libtsrmalloc_engines_la_SOURCES = \
	sapi_stubs/engine/engine.h \
	sapi_stubs/engine/interrupt.c \
	sapi_stubs/engine/line_reader.h \
	sapi_stubs/engine/line_reader.c \
	sapi_stubs/engine/trace.h \
	sapi_stubs/engine/trace_reader.c \
	sapi_stubs/engine/trace_replay.c
libtsrmalloc_engines_la_LIBADD = $(ZLIB_LIBS) $(LUA_LIBS) -lm
if LUA
libtsrmalloc_engines_la_SOURCES += \
	sapi_stubs/engine/lua_internal.h \
	sapi_stubs/engine/lua_engine.c \
	sapi_stubs/engine/lua_state.c \
	sapi_stubs/engine/lua_stop.c \
	sapi_stubs/engine/lua_request.c \
	sapi_stubs/engine/lua_form.c \
	sapi_stubs/engine/lua_json.c \
	sapi_stubs/engine/lua_json_decode.c \
	sapi_stubs/engine/lua_text.c \
	sapi_stubs/engine/lua_buffer.c \
	sapi_stubs/engine/lua_number.c \
	sapi_stubs/engine/lua_image.c
endif
libtsrmalloc_engines_la_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)

bin_PROGRAMS += tsrmalloc-cli
tsrmalloc_cli_SOURCES = \
	sapi_stubs/cli/cli.h \
	sapi_stubs/cli/main.c \
	sapi_stubs/cli/options.c \
	sapi_stubs/cli/statistics.c \
	sapi_stubs/cli/worker.c \
	sapi_stubs/cli/request.c \
	sapi_stubs/cli/script.c \
	sapi_stubs/cli/crew.c \
	sapi_stubs/cli/progress.c \
	sapi_stubs/cli/report.c \
	sapi_stubs/cli/startup_tree.c \
	sapi_stubs/cli/info.c
tsrmalloc_cli_LDADD = libtsrmalloc-engines.la libtsrmalloc.la $(ZLIB_LIBS)

dist_man1_MANS += docs/tsrmalloc-cli.1

endif

EXTRA_DIST += \
	docs/startup.md \
	docs/lua.md \
	traces/README.md \
	traces/dokuwiki-opcache.zmt.gz \
	traces/composer.zmt.gz
