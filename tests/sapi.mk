# The tests of sapi_stubs/: the contract, the trace engine, tsrmalloc-cli.

sapi_unit_tests = \
	tests/unit/sapi_ini \
	tests/unit/sapi_modules \
	tests/unit/sapi_lifecycle \
	tests/unit/sapi_output

UNIT_TESTS += $(sapi_unit_tests) tests/unit/trace_reader tests/unit/trace_replay

tests_unit_sapi_ini_SOURCES = tests/unit/sapi_ini.c
tests_unit_sapi_ini_LDADD = $(UNIT_LDADD)
tests_unit_sapi_modules_SOURCES = tests/unit/sapi_modules.c tests/unit/sapi_support.h
tests_unit_sapi_modules_LDADD = $(UNIT_LDADD)
tests_unit_sapi_lifecycle_SOURCES = tests/unit/sapi_lifecycle.c tests/unit/sapi_support.h \
	tests/support/place.h
tests_unit_sapi_lifecycle_LDADD = $(UNIT_LDADD)
tests_unit_sapi_output_SOURCES = tests/unit/sapi_output.c tests/unit/sapi_support.h
tests_unit_sapi_output_LDADD = $(UNIT_LDADD)

# The engine is tested without the heap: trace_replay.c brings one that it can make fail.
tests_unit_trace_reader_SOURCES = tests/unit/trace_reader.c
tests_unit_trace_reader_LDADD = libtsrmalloc-engines.la $(CRITERION_LIBS) $(ZLIB_LIBS)
tests_unit_trace_replay_SOURCES = tests/unit/trace_replay.c
tests_unit_trace_replay_LDADD = libtsrmalloc-engines.la $(CRITERION_LIBS) $(ZLIB_LIBS)

PLAIN_TESTS += tests/unit/sapi_threads
tests_unit_sapi_threads_SOURCES = tests/unit/sapi_threads.c
tests_unit_sapi_threads_LDADD = libtsrmalloc-engines.la $(PLAIN_LDADD) $(ZLIB_LIBS)

SCRIPT_TESTS += \
	tests/cli/usage.sh \
	tests/cli/files.sh \
	tests/cli/run.sh \
	tests/cli/json.sh \
	tests/cli/leaks.sh \
	tests/cli/limit.sh \
	tests/cli/startup_trace.sh \
	tests/cli/lua.sh \
	tests/cli/storages.sh \
	tests/cli/environment.sh \
	tests/cli/progress.sh \
	tests/cli/system.sh

EXTRA_DIST += \
	tests/cli/support.sh \
	tests/data/small.zmt \
	tests/data/over_8m.zmt \
	tests/data/wide.zmt \
	tests/data/bad_dead_id.zmt

# The Lua engine. Plain programs: interrupts are for ThreadSanitizer, too.
lua_ldadd = libtsrmalloc-engines.la $(PLAIN_LDADD) $(ZLIB_LIBS) $(LUA_LIBS)
PLAIN_TESTS += tests/unit/lua_malloc tests/unit/lua_interrupt tests/unit/lua_number
tests_unit_lua_malloc_SOURCES = tests/unit/lua_malloc.c tests/unit/lua_support.h
tests_unit_lua_malloc_LDADD = $(lua_ldadd)
tests_unit_lua_interrupt_SOURCES = tests/unit/lua_interrupt.c tests/unit/lua_support.h
tests_unit_lua_interrupt_LDADD = $(lua_ldadd)
PLAIN_TESTS += tests/unit/lua_image
tests_unit_lua_image_SOURCES = tests/unit/lua_image.c tests/unit/lua_support.h
tests_unit_lua_image_LDADD = $(lua_ldadd)
tests_unit_lua_image_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
tests_unit_lua_number_SOURCES = tests/unit/lua_number.c
tests_unit_lua_number_LDADD = $(lua_ldadd)
tests_unit_lua_number_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)

if LUA
UNIT_TESTS += tests/unit/lua_library
endif
tests_unit_lua_library_SOURCES = tests/unit/lua_library.c tests/unit/lua_support.h
tests_unit_lua_library_LDADD = $(lua_ldadd) $(CRITERION_LIBS)
