dnl TSRMALLOC_NEED(PACKAGE): notes a Debian package that has to be installed, once.
AC_DEFUN([TSRMALLOC_NEED], [
AS_CASE([" $tsrmalloc_missing "], [*" $1 "*], [], [tsrmalloc_missing="$tsrmalloc_missing $1"])
])

dnl TSRMALLOC_DEPENDENCIES: looks for everything before it complains, so that one run of configure
dnl names every missing package. Criterion is needed by `make check` only and never stops configure
dnl by itself. For Windows only the library is built: it needs Concurrency Kit's headers alone.
AC_DEFUN([TSRMALLOC_DEPENDENCIES], [
tsrmalloc_missing=

AC_CHECK_HEADERS([ck_pr.h ck_ring.h ck_stack.h ck_sequence.h], [],
    [TSRMALLOC_NEED([libck-dev])], [AC_INCLUDES_DEFAULT])

dnl Optional: with it, a program under memcheck tells it where blocks begin and end.
tsrmalloc_memcheck="no: valgrind/memcheck.h is missing (apt-get install valgrind)"
AC_CHECK_HEADER([valgrind/memcheck.h], [tsrmalloc_memcheck=yes])
AS_IF([test "$tsrmalloc_memcheck" = yes], [tsrmalloc_has_memcheck=1], [tsrmalloc_has_memcheck=0])
AC_DEFINE_UNQUOTED([HAVE_VALGRIND_MEMCHECK_H], [$tsrmalloc_has_memcheck],
    [1: there is valgrind/memcheck.h])

ZLIB_LIBS=
CRITERION_LIBS=
LUA_CFLAGS=
LUA_LIBS=
tsrmalloc_lua=no
ACL_LIBS=
tsrmalloc_acl=no
tsrmalloc_unit_tests="no: only tests/win32 runs on Windows"
AS_IF([test $tsrmalloc_windows = no], [TSRMALLOC_POSIX_DEPENDENCIES])

AS_IF([test -n "$tsrmalloc_missing"], [
    AS_IF([test -z "$CRITERION_LIBS"], [TSRMALLOC_NEED([libcriterion-dev])])
    AC_MSG_ERROR([dependencies are missing. On Debian or Ubuntu:
    apt-get install$tsrmalloc_missing])
])

AM_CONDITIONAL([HAVE_CRITERION], [test -n "$CRITERION_LIBS"])
AC_SUBST([ZLIB_LIBS])
AC_SUBST([CRITERION_LIBS])
AM_CONDITIONAL([LUA], [test $tsrmalloc_lua = yes])
AS_IF([test $tsrmalloc_lua = yes], [tsrmalloc_lua_defined=1], [tsrmalloc_lua_defined=0])
AC_DEFINE_UNQUOTED([TSRMALLOC_LUA], [$tsrmalloc_lua_defined], [1: the Lua engine is compiled in])
AC_SUBST([LUA_CFLAGS])
AC_SUBST([LUA_LIBS])
AC_SUBST([tsrmalloc_lua])
AC_SUBST([ACL_LIBS])
AS_IF([test "$tsrmalloc_acl" = yes], [tsrmalloc_acl_defined=1], [tsrmalloc_acl_defined=0])
AC_DEFINE_UNQUOTED([TSRMALLOC_ACL], [$tsrmalloc_acl_defined], [1: libacl is there, for sockets])
])

dnl TSRMALLOC_POSIX_DEPENDENCIES: what programs and tests need beside.
AC_DEFUN([TSRMALLOC_POSIX_DEPENDENCIES], [
AC_CHECK_HEADER([zlib.h],
    [AC_CHECK_LIB([z], [gzread], [ZLIB_LIBS=-lz], [TSRMALLOC_NEED([zlib1g-dev])])],
    [TSRMALLOC_NEED([zlib1g-dev])])

AC_CHECK_PROGS([PKG_CONFIG], [pkg-config pkgconf])
AS_IF([test -z "$PKG_CONFIG"], [TSRMALLOC_NEED([pkg-config])])

TSRMALLOC_CHECK_LUA
TSRMALLOC_CHECK_ACL

AC_SEARCH_LIBS([pthread_create], [pthread], [],
    [AC_MSG_ERROR([POSIX threads are needed])])
AC_SEARCH_LIBS([dlopen], [dl], [], [])

tsrmalloc_unit_tests="yes (Criterion)"
AC_CHECK_HEADER([criterion/criterion.h],
    [AC_CHECK_LIB([criterion], [criterion_initialize], [CRITERION_LIBS=-lcriterion])])
AS_IF([test -z "$CRITERION_LIBS"],
    [tsrmalloc_unit_tests="no: make check needs Criterion (apt-get install libcriterion-dev)"],
    [test "$tsrmalloc_tsan" = 1],
    [tsrmalloc_unit_tests="no: Criterion does not run under ThreadSanitizer"])
])

dnl TSRMALLOC_CHECK_ACL: libacl for the sockets of tsrmalloc-fpm; optional unless --with-acl.
AC_DEFUN([TSRMALLOC_CHECK_ACL], [
tsrmalloc_acl="no: --without-acl"
AS_IF([test "x$with_acl" != xno], [
    tsrmalloc_acl="no: sys/acl.h is missing (apt-get install libacl1-dev)"
    AC_CHECK_HEADER([sys/acl.h],
        [AC_CHECK_LIB([acl], [acl_set_file], [ACL_LIBS=-lacl
            tsrmalloc_acl=yes])])
    AS_IF([test "x$with_acl" = xyes && test "$tsrmalloc_acl" != yes],
        [TSRMALLOC_NEED([libacl1-dev])])
])
])

dnl TSRMALLOC_CHECK_LUA: Lua 5.4 for the engine, unless --without-lua. Needs pkg-config, which is asked for
dnl before.
AC_DEFUN([TSRMALLOC_CHECK_LUA], [
AS_IF([test "x$with_lua" != xno && test -n "$PKG_CONFIG"], [
    AC_MSG_CHECKING([for Lua 5.4])
    for tsrmalloc_lua_package in lua5.4 lua-5.4 lua54 lua; do
        AS_IF([$PKG_CONFIG --exists "$tsrmalloc_lua_package >= 5.4" "$tsrmalloc_lua_package < 5.5"], [
            LUA_CFLAGS=`$PKG_CONFIG --cflags $tsrmalloc_lua_package`
            LUA_LIBS=`$PKG_CONFIG --libs $tsrmalloc_lua_package`
            tsrmalloc_lua=yes
            break
        ])
    done
    AC_MSG_RESULT([$tsrmalloc_lua])
    AS_IF([test $tsrmalloc_lua = no], [TSRMALLOC_NEED([liblua5.4-dev])])
])
])
