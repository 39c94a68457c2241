dnl TSRMALLOC_CHECK_CFLAG(FLAG, VARIABLE): appends FLAG to VARIABLE if the compiler knows it.
dnl -Werror, because clang only warns about flags it does not know.
AC_DEFUN([TSRMALLOC_CHECK_CFLAG], [
AC_MSG_CHECKING([whether $CC accepts $1])
tsrmalloc_saved_cflags=$CFLAGS
CFLAGS="$CFLAGS -Werror $1"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes])
     $2="$$2 $1"],
    [AC_MSG_RESULT([no])])
CFLAGS=$tsrmalloc_saved_cflags
])

dnl TSRMALLOC_CHECK_LDFLAG(FLAG, VARIABLE): the same for the linker.
AC_DEFUN([TSRMALLOC_CHECK_LDFLAG], [
AC_MSG_CHECKING([whether the linker accepts $1])
tsrmalloc_saved_ldflags=$LDFLAGS
LDFLAGS="$LDFLAGS -Werror -shared -fPIC $1"
AC_LINK_IFELSE([AC_LANG_SOURCE([extern int tsrmalloc_probe; int tsrmalloc_probe = 1;])],
    [AC_MSG_RESULT([yes])
     $2="$$2 $1"],
    [AC_MSG_RESULT([no])])
LDFLAGS=$tsrmalloc_saved_ldflags
])

dnl TSRMALLOC_COMPILER_FLAGS: what every source is compiled with, before the user's own CFLAGS.
dnl The optimisation level is a default of CFLAGS (-g -O2 from AC_PROG_CC) and so the user's.
AC_DEFUN([TSRMALLOC_COMPILER_FLAGS], [
TSRMALLOC_CFLAGS=
TSRMALLOC_CHECK_CFLAG([-std=gnu11], [TSRMALLOC_CFLAGS])
AS_IF([test $tsrmalloc_windows = no], [TSRMALLOC_CHECK_CFLAG([-pthread], [TSRMALLOC_CFLAGS])])
TSRMALLOC_CHECK_CFLAG([-fvisibility=hidden], [TSRMALLOC_CFLAGS])
TSRMALLOC_CHECK_CFLAG([-fno-semantic-interposition], [TSRMALLOC_CFLAGS])
dnl All TLS of the library fits the static TLS that a late dlopen may draw on.
TSRMALLOC_CHECK_CFLAG([-ftls-model=initial-exec], [TSRMALLOC_CFLAGS])
AS_IF([test "$enable_debug" = yes && test -z "$tsrmalloc_user_cflags"],
    [CFLAGS="-g -Og"])

TSRMALLOC_WARNINGS="-Wall -Wextra -Wundef -Wconversion"
AS_IF([test "x$enable_werror" != xno], [TSRMALLOC_WARNINGS="$TSRMALLOC_WARNINGS -Werror"])

TSRMALLOC_LDFLAGS=
dnl A thread that ends after dlclose would run a key destructor that is no longer mapped.
AS_IF([test $tsrmalloc_windows = no],
    [TSRMALLOC_CHECK_LDFLAG([-Wl,-z,nodelete], [TSRMALLOC_LDFLAGS])],
    [dnl A DLL resolves every symbol when it is linked; it pins itself, see tsrm/os_win32.c.
    TSRMALLOC_LDFLAGS="-no-undefined -static-libgcc"])

AS_IF([test -n "$SANITIZE_CFLAGS"], [
    AC_MSG_CHECKING([whether $CC links with -fsanitize=$enable_sanitize])
    tsrmalloc_saved_cflags=$CFLAGS
    CFLAGS="$CFLAGS $SANITIZE_CFLAGS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([no run-time library for the sanitizer; for clang on Debian 12:
    apt-get install libclang-rt-14-dev])])
    CFLAGS=$tsrmalloc_saved_cflags
])

AC_SUBST([TSRMALLOC_CFLAGS])
AC_SUBST([TSRMALLOC_WARNINGS])
AC_SUBST([TSRMALLOC_LDFLAGS])
])
