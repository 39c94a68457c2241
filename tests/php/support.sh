# support.sh: what the tests of php/ share; to be sourced first. Ends the test, skipped, where there
# is no PHP to test with.
#
#   php ARGUMENT...      runs tests/php/embed as it is: then $status, $work/out and $work/err
#   ours ARGUMENT...     the same with the drop-in preloaded
#   same SENTENCE ARGUMENT...  checks that both print the same and end with the same status
#   extensions           prints the -d options for what programs load, as far as it is there
#   make_wiki DIRECTORY  a dokuwiki of its own, from Debian's
#   out TEXT, err TEXT   true if that output has TEXT somewhere (a fixed string)
#   status_is N          true if the last run ended so
#
# Environment: TSRMALLOC_PHP_INCLUDES (-I flags) and TSRMALLOC_PHP_LIBRARY (libphp*.so): another PHP
# than the installed one. TSRMALLOC_PHP_DROP_IN: another library to preload.

. "$abs_top_srcdir/tests/support/check.sh"

drop_in=${TSRMALLOC_PHP_DROP_IN:-$abs_top_builddir/.libs/libtsrmalloc-php.so}
scripts=$abs_top_srcdir/tests/php/scripts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip_all() {
    check_skip "$1" "$2"
    check_summary
    exit
}

# find_php: the includes and the library of the PHP to test with.
find_php() {
    if [ -n "${TSRMALLOC_PHP_LIBRARY-}" ]; then
        php_includes=$TSRMALLOC_PHP_INCLUDES
        php_library=$TSRMALLOC_PHP_LIBRARY
        return
    fi
    php_includes=$(php-config8.2 --includes 2>/dev/null) || return
    php_library=/usr/lib/libphp8.2.so
    [ -f "$php_library" ]
}

# compile SOURCE PROGRAM: against the PHP that was found. Tests that run at once may both do it.
compile() {
    # shellcheck disable=SC2086
    ${CC:-cc} -g -pthread -I"$abs_top_srcdir" $php_includes -o "$2.$$" "$1" "$php_library" \
        -Wl,-rpath,"$(dirname "$php_library")" && mv "$2.$$" "$2"
}

find_php || skip_all "a real PHP on this heap" "libphp8.2-embed and php8.2-dev are not installed"
embed=$work/embed
[ -f "$drop_in" ] || skip_all "a real PHP on this heap" "this build has no drop-in"
compile "$abs_top_srcdir/tests/php/embed.c" "$embed" || exit 1

php() {
    status=0
    "$embed" "$@" >"$work/out" 2>"$work/err" || status=$?
}

ours() {
    status=0
    LD_PRELOAD=$drop_in "$embed" "$@" >"$work/out" 2>"$work/err" || status=$?
}

is_same() {
    php "$@"
    mv "$work/out" "$work/expected.out"
    mv "$work/err" "$work/expected.err"
    expected_status=$status
    ours "$@"
    diff "$work/expected.out" "$work/out" && diff "$work/expected.err" "$work/err" &&
        status_is "$expected_status"
}

same() {
    sentence=$1
    shift
    check "$sentence" is_same "$@"
}

extensions() {
    for name in ctype iconv mbstring tokenizer xml dom simplexml xmlwriter phar posix; do
        [ ! -f "$(php-config8.2 --extension-dir)/$name.so" ] || echo "-d extension=$name"
    done
}

make_wiki() {
    cp -rL /usr/share/dokuwiki "$1" 2>/dev/null || true    # some links lead nowhere
    rm -f "$1/.htaccess"
    mkdir -p "$1/data" "$1/conf"
    cp -rL /etc/dokuwiki/. "$1/conf/" 2>/dev/null || true
    cp -rL /var/lib/dokuwiki/data/. "$1/data/" 2>/dev/null || true
    for folder in attic cache index locks log media media_attic media_meta meta pages tmp; do
        mkdir -p "$1/data/$folder"
    done
    printf '<?php $conf["savedir"] = "%s/data"; $conf["useacl"] = 0;\n' "$1" >"$1/conf/local.php"
    printf '<?php define("DOKU_CONF", "%s/conf/");\n' "$1" >"$1/inc/preload.php"
}

out() { grep -qF -e "$1" "$work/out" || { cat "$work/out" "$work/err"; return 1; }; }
err() { grep -qF -e "$1" "$work/err" || { cat "$work/out" "$work/err"; return 1; }; }
out_is() { [ "$(cat "$work/out")" = "$1" ] || { cat "$work/out" "$work/err"; return 1; }; }
status_is() {
    [ "$status" -eq "$1" ] || { echo "status $status"; cat "$work/out" "$work/err"; return 1; }
}
not() { ! "$@"; }
