# tests/win32: the program whose rows must be the same on Windows and on Linux, see docs/windows.md.
# On Linux it is one of the plain tests, too.

tests_win32_rows_SOURCES = \
    tests/win32/rows.c tests/win32/rows.h tests/win32/rows_handlers.c tests/win32/rows_heap.c \
    tests/win32/rows_modes.c \
    tests/win32/rows_start.c tests/win32/rows_threads.c tests/win32/system.h \
    tests/win32/system_posix.c tests/win32/system_win32.c \
    tests/support/check.h stress/random.h
EXTRA_DIST += tests/win32/check.sh docs/windows.md

PLAIN_TESTS += tests/win32/rows

if WINDOWS
# The same objects, linked with the DLL (or, with --disable-shared, the library) and with the core.
PLAIN_TESTS += tests/win32/rows_static tests/win32/own
tests_win32_rows_LDADD = libtsrmalloc.la
tests_win32_rows_static_SOURCES = $(tests_win32_rows_SOURCES)
tests_win32_rows_static_LDADD = $(PLAIN_LDADD)
tests_win32_own_SOURCES = tests/win32/own.c tests/win32/system.h tests/win32/system_win32.c \
    tests/support/check.h
tests_win32_own_LDADD = $(PLAIN_LDADD)
else
tests_win32_rows_LDADD = $(PLAIN_LDADD)
EXTRA_DIST += tests/win32/own.c
endif
