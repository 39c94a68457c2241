#!/bin/sh
# node: a PHP that nobody here built, 8.4 with ZTS, inside Node.js (the npm package
# @platformatic/php-node), with the drop-in preloaded: what each request answers, and its memory.
# The package is fetched once, into the cache of zts_build.sh; with --where this prints where that is or
# would be, and does nothing. As root it installs the libraries that PHP needs.
# NODE_ROUNDS: how many rounds of ten requests (default 200).
set -u
package=@platformatic/php-node@1.4.0
cache=${TSRMALLOC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tsrmalloc}/node
if [ "${1-}" = --where ]; then
    echo "$cache/package"
    exit
fi
. "$abs_top_srcdir/tests/support/check.sh"
drop_in=$abs_top_builddir/.libs/libtsrmalloc-php.so
scripts=$abs_top_srcdir/tests/php/scripts
rounds=${NODE_ROUNDS:-200}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip_all() {
    check_skip "PHP 8.4 inside Node.js" "$1"
    check_summary
    exit
}
[ -f "$drop_in" ] || skip_all "this build has no drop-in"
[ "$(uname -m)" = x86_64 ] || skip_all "the package has no PHP for $(uname -m)"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip_all "node and npm are not installed"
fi

fetch() {
    rm -rf "$cache.new"
    mkdir -p "$cache.new" &&
        (cd "$cache.new" && timeout 300 npm pack --silent "$package" &&
            tar -x -f ./*.tgz && rm ./*.tgz) \
            >"$work/fetch.log" 2>&1 &&
        mv "$cache.new" "$cache"
}
[ -f "$cache/package/index.js" ] || fetch || skip_all "the npm package $package cannot be fetched"
libphp=$cache/package/npm/linux-x64-gnu/libphp.so
missing() { ldd "$libphp" | sed -n 's/^[[:space:]]*\([^ ]*\) => not found/\1/p' | tr '\n' ' '; }
if [ -n "$(missing)" ] && [ "$(id -u)" -eq 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install \
        --no-install-recommends libargon2-1 libcurl4 libonig5 libpng16-16 libpq5 libreadline8 \
        libsqlite3-0 libxml2 libzip4 >"$work/install.log" 2>&1 || tail -n 3 "$work/install.log"
fi
[ -z "$(missing)" ] || skip_all "its PHP needs $(missing)"

# requests LIBRARY ROUNDS FILE...: what node_requests.cjs prints goes to $work/out. LIBRARY may be empty.
requests() {
    library=$1
    shift
    env ${library:+LD_PRELOAD=$library} TSRMALLOC_INFO=1 UV_THREADPOOL_SIZE=4 \
        node --expose-gc "$abs_top_srcdir/tests/php/node_requests.cjs" "$cache/package" "$scripts" \
        "$@" >"$work/out" 2>"$work/err"
}
files="hello.php values.php sizes.php end.php error.php"
answers() { grep -v '^resident ' "$work/out" >"$1"; }
stock() {
    # shellcheck disable=SC2086
    requests "" 3 $files && answers "$work/stock" && [ "$(wc -l <"$work/stock")" -ge 5 ] ||
        { cat "$work/out" "$work/err"; return 1; }
}
same() {
    # shellcheck disable=SC2086
    requests "$drop_in" "$rounds" $files || { cat "$work/out" "$work/err"; return 1; }
    answers "$work/with"
    diff "$work/stock" "$work/with"
}
# Four threads and Node's first, which starts PHP: that is the one more request end.
served() {
    grep -q "served PHP 8\.4[^ ]* (ZTS), 5 heaps, $((rounds * 10 + 1)) request ends" "$work/err" ||
        { cat "$work/err"; return 1; }
}
flat() {
    grown=$(sed -n 's/^resident \([0-9]*\) MiB/\1/p' "$work/out")
    echo "resident: $grown MiB more in the last quarter of $rounds rounds than in the second"
    [ "$grown" -le 16 ]
}
limited() {
    requests "$drop_in" 2 limit_text.php hello.php && grep -q '^hello.php 200 ' "$work/out" &&
        grep -q '^limit_text.php .*Allowed memory size of [0-9]* bytes exhausted' "$work/out" ||
        { cat "$work/out" "$work/err"; return 1; }
}
check "five files, as PHP is" stock
check "the same answers with the drop-in, $rounds rounds of ten requests at once" same
check "the heap serves: each thread of the pool has its own" served
check "memory is flat" flat
check "a request that meets its limit ends, the others go on" limited
check_summary
