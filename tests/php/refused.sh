#!/bin/sh
# refused: a PHP that cannot be served is told so in one line, before any block exists.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

sources=$abs_top_srcdir/tests/php

# build NAME FLAG...: a PHP that is not served, and programs that link it and load it.
build() {
    name=$1
    shift
    "$CC" "$@" -fPIC -shared -o "$work/lib$name.so" "$sources/fake_php.c" &&
        "$CC" -DLINKED -o "$work/links_$name" "$sources/fake_program.c" "$work/lib$name.so" &&
        "$CC" -o "$work/loads" "$sources/fake_program.c" -ldl
}

fake() {
    status=0
    LD_PRELOAD=$preload "$@" >"$work/out" 2>"$work/err" || status=$?
}
lines_on_err() { [ "$(wc -l <"$work/err")" -eq "$1" ] || { cat "$work/err"; return 1; }; }

build debug && build newer -DFAKE_NEWER && build older -DFAKE_OLDER || exit 1
for name in debug newer older; do
    case $name in
        debug) reason="serves release builds of PHP, and this is a debug build" ;;
        older) reason="serves PHP 8.2 to 8.4, and this one is older" ;;
        newer) reason="serves PHP 8.2 to 8.4, and this one is newer" ;;
    esac
    preload=$drop_in
    fake "$work/loads" "$work/lib$name.so"
    check "$name, loaded later: exit status 70" status_is 70
    check "$name, loaded later: why" err "tsrmalloc: $reason"
    check "$name, loaded later: that is all" lines_on_err 1
    check "$name, loaded later: nothing has run" not out "the program ran"

    fake "$work/links_$name"
    check "$name, there at start: the program runs without the drop-in" status_is 3
    check "$name, there at start: its own memory manager" out "its own memory manager"
    check "$name, there at start: why" err \
        "tsrmalloc: $reason; the program goes on without tsrmalloc"
    check "$name, there at start: that is all" lines_on_err 1
    preload="libc.so.6:$drop_in libm.so.6"
    fake "$work/links_$name"
    check "$name, there at start: the rest of LD_PRELOAD stays" out \
        "LD_PRELOAD is 'libc.so.6:libm.so.6'"
done

# Where the addresses of its table do not fit, the loader leaves the drop-in out.
# shellcheck disable=SC3045
narrow() { (ulimit -v 200000 && fake sh -c 'echo the program ran' && out "$1" && err "$2"); }
preload=$drop_in
check "too few addresses: the program runs without the drop-in, and the loader says so" narrow \
    "the program ran" "'$drop_in' from LD_PRELOAD cannot be preloaded"

# A program that has PHP inside (php-cli) calls its own functions: it runs as ever.
if command -v php8.2 >/dev/null; then
    inside() { [ "$(LD_PRELOAD=$drop_in php8.2 -n "$scripts/idle.php" 2>&1)" = \
        "$(php8.2 -n "$scripts/idle.php")" ]; }
    check "a program with PHP inside runs as ever" inside
else
    check_skip "a program with PHP inside runs as ever" "php8.2 is not installed"
fi
check_summary
