dnl TSRMALLOC_SWITCHES: turns the --enable answers into conditionals, config.h macros and flags.
dnl ZTS and ZEND_DEBUG are a -D, not config.h macros: the public headers need them, and pkg-config
dnl repeats them.
AC_DEFUN([TSRMALLOC_SWITCHES], [
ZTS_CPPFLAGS=
SANITIZE_CPPFLAGS=
AS_IF([test "x$enable_zts" != xno], [
    enable_zts=yes
    ZTS_CPPFLAGS=-DZTS
])

DEBUG_CPPFLAGS=
AS_IF([test "x$enable_debug" != xno], [
    enable_debug=yes
    DEBUG_CPPFLAGS=-DZEND_DEBUG=1
])

tsrmalloc_asan=0
tsrmalloc_tsan=0
SANITIZE_CFLAGS=
AS_CASE([",$enable_sanitize,"],
    [,no,], [],
    [,address,|,undefined,|,address*undefined,|,undefined*address,|,thread,], [
        SANITIZE_CFLAGS="-fsanitize=$enable_sanitize -fno-omit-frame-pointer"
        AS_CASE(["$enable_sanitize"], [*undefined*],
            [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fno-sanitize-recover=undefined"])
        AS_CASE(["$enable_sanitize"], [*address*], [tsrmalloc_asan=1])
        AS_CASE(["$enable_sanitize"], [thread], [
            tsrmalloc_tsan=1
            dnl ThreadSanitizer does not see Concurrency Kit's inline assembly.
            SANITIZE_CPPFLAGS=-DCK_USE_CC_BUILTINS=1
        ])
    ],
    [AC_MSG_ERROR([--enable-sanitize=$enable_sanitize: not one of address, undefined, thread])])

AS_IF([test "x$enable_free_checks" != xno], [tsrmalloc_free_checks=1], [tsrmalloc_free_checks=0])

AC_DEFINE_UNQUOTED([ZEND_MM_FREE_CHECKS], [$tsrmalloc_free_checks],
    [1: the hot path checks small blocks for misuse, see alloc/checks.h])
AC_DEFINE_UNQUOTED([TSRMALLOC_SANITIZE_ADDRESS], [$tsrmalloc_asan],
    [1: built with AddressSanitizer])
AC_DEFINE_UNQUOTED([TSRMALLOC_SANITIZE_THREAD], [$tsrmalloc_tsan],
    [1: built with ThreadSanitizer])

AM_CONDITIONAL([ZTS], [test "$enable_zts" = yes])
AM_CONDITIONAL([DEBUG_BUILD], [test "$enable_debug" = yes])
AM_CONDITIONAL([SANITIZE_ADDRESS], [test "$tsrmalloc_asan" = 1])
AM_CONDITIONAL([SANITIZE_THREAD], [test "$tsrmalloc_tsan" = 1])
dnl A PHP that is not built with a sanitizer cannot load a library that is; the symbols' script is ELF.
AM_CONDITIONAL([PHP_DROP_IN],
    [test "$tsrmalloc_windows" = no && test -z "$SANITIZE_CFLAGS" && test "$enable_shared" = yes])
AM_CONDITIONAL([SANITIZE_ANY], [test -n "$SANITIZE_CFLAGS"])

AC_SUBST([ZTS_CPPFLAGS])
AC_SUBST([DEBUG_CPPFLAGS])
AC_SUBST([SANITIZE_CPPFLAGS])
AC_SUBST([SANITIZE_CFLAGS])
AC_SUBST([enable_sanitize])
AC_SUBST([enable_zts])
AC_SUBST([enable_debug])
])
