#!/bin/sh
# zts: a ZTS PHP, built from Debian's source (zts_build.sh), with the drop-in preloaded and with the
# archive in the place of zend_alloc.o. Long: the first time it builds PHP.
# ZTS_ROUNDS: how often each thread runs each file (default 3). TSRMALLOC_PHP_SOURCE: another PHP's source.
set -u
: "${CC:=cc}"
export CC
zts=$("$abs_top_srcdir/tests/php/zts_build.sh") || exit 1
TSRMALLOC_PHP_INCLUDES="-I$zts/src -I$zts/src/main -I$zts/src/Zend -I$zts/src/TSRM"
TSRMALLOC_PHP_LIBRARY=$zts/stock/libphp.so
export TSRMALLOC_PHP_INCLUDES TSRMALLOC_PHP_LIBRARY
. "$abs_top_srcdir/tests/php/support.sh"

# ---- the archive in the place of zend_alloc.o: libphp.so, and php, which is both in one ----

linked=$work/linked
version=$("$zts/stock/php" -n -r 'echo PHP_VERSION;')
# The object, with its second half where PHP raises the limit's error later.
make_object() {
    object=$abs_top_builddir/php/tsrmalloc-php.o
    grep -q zend_handle_delayed_oom "$zts/src/Zend/zend_alloc.h" || return 0
    # shellcheck disable=SC2086
    $CC -O2 -fPIC $TSRMALLOC_PHP_INCLUDES -c "$abs_top_srcdir/php/late.c" -o "$work/late.o" &&
        ld -r "$object" "$work/late.o" -o "$work/both.o" && object=$work/both.o
}
link_archive() {
    mkdir -p "$linked"
    make_object && cp "$object" "$zts/src/Zend/zend_alloc.o" &&
        cp "$object" "$zts/src/Zend/.libs/zend_alloc.o" &&
        rm -f "$zts/src/libphp.la" "$zts/src/libs/libphp.so" "$zts/src/sapi/cli/php" &&
        make -C "$zts/src" libphp.la sapi/cli/php >"$work/link.log" 2>&1 &&
        cp "$zts/src/libs/libphp.so" "$zts/src/sapi/cli/php" "$linked/" ||
        { tail "$work/link.log"; return 1; }
    cp "$zts/stock/zend_alloc.o" "$zts/src/Zend/zend_alloc.o"
    cp "$zts/stock/zend_alloc_pic.o" "$zts/src/Zend/.libs/zend_alloc.o"
}
check "the archive links in the place of zend_alloc.o" link_archive
info() { TSRMALLOC_INFO=1 "$@" 2>&1 | grep -qF "served PHP $version (ZTS)"; }
check "php-cli with the archive: the heap serves" info "$linked/php" -n "$scripts/hello.php"
inside_same() {
    for script in values sizes end fibers idle limit_set limit_raised; do
        "$zts/stock/php" -n "$scripts/$script.php" >"$work/stock.out" 2>&1
        "$linked/php" -n "$scripts/$script.php" >"$work/linked.out" 2>&1
        diff "$work/stock.out" "$work/linked.out" || return 1
    done
}
check "php-cli with the archive prints what the stock one prints" inside_same

# ---- threads ----

threads=$work/threads
compile "$abs_top_srcdir/tests/php/zts_threads.c" "$threads" || exit 1
run_threads() {
    "$threads" 8 "$1" 64M "$scripts/values.php" "$scripts/sizes.php" "$scripts/limit_text.php" \
        "$scripts/error.php" "$scripts/exit.php" "$scripts/end.php" "$scripts/fibers.php"
}
rounds=${ZTS_ROUNDS:-3}
check "eight threads, twice, as PHP is" run_threads "$rounds"
run_threads "$rounds" >"$work/stock.out" 2>&1
preloaded() {
    LD_PRELOAD=$drop_in run_threads "$rounds" >"$work/preloaded.out" 2>&1
    diff "$work/stock.out" "$work/preloaded.out"
}
check "the same with the drop-in preloaded" preloaded
linked_in() {
    LD_LIBRARY_PATH=$linked LD_PRELOAD=$linked/libphp.so run_threads "$rounds" \
        >"$work/linked.out" 2>&1
    diff "$work/stock.out" "$work/linked.out"
}
check "the same with the archive in libphp.so" linked_in
heaps() {
    TSRMALLOC_INFO=1 LD_PRELOAD=$drop_in run_threads 1 2>&1 |
        grep -q '(ZTS), 17 heaps, 113 request ends'
}
check "each thread had a heap, each request its end" heaps
handed_over() {
    LD_PRELOAD=$1 "$threads" --hand-over >"$work/handed" 2>&1 || { cat "$work/handed"; return 1; }
    # 150 MB were handed over three times; what start-up left is less than one.
    [ "$(sed 's/ bytes in use//' "$work/handed")" -lt 1000000 ] || { cat "$work/handed"; return 1; }
}
ends_stock() { "$threads" --hand-over 2>&1 | grep -q 'zend_mm_heap corrupted'; }
check "blocks that another thread frees go back, with the drop-in" handed_over "$drop_in"
check "and with the archive" handed_over "$linked/libphp.so"
check "the stock PHP ends there" ends_stock
recorded() {
    TSRMALLOC_RECORD=$work/threads.zmt.gz LD_PRELOAD=$drop_in "$threads" 8 1 64M \
        "$scripts/fibers.php" "$scripts/end.php" "$scripts/error.php" >/dev/null 2>&1
    [ "$(find "$work" -name 'threads*.zmt.gz' | wc -l)" -eq 16 ] || return 1
    for trace in "$work"/threads*.zmt.gz; do
        "$abs_top_builddir/tsrmalloc-cli" --verify "$trace" || return 1
    done
}
check "each thread is recorded, and replays" recorded

# ---- the tests of PHP that are about its memory manager ----

phpt() {
    (cd "$zts/src" && TEST_PHP_EXECUTABLE=$1 NO_INTERACTION=1 "$zts/stock/php" -n \
        run-tests.php -q -n --offline -j2 -W "$2" $(cat "$work/phpt") >"$2.log" 2>&1)
    sort "$2" | awk '{ print $1, $NF }' >"$2.sorted"
    # A worker of run-tests.php that dies takes its tests with it.
    [ "$(wc -l <"$2.sorted")" -eq "$(wc -l <"$work/phpt")" ] || { tail -n 5 "$2.log"; return 1; }
}
all_pass() { ! grep -vE '^(PASSED|SKIPPED) ' "$1.sorted"; }
(cd "$zts/src" && while read -r folder names; do
    for name in $names; do [ ! -f "$folder/$name.phpt" ] || echo "$folder/$name.phpt"; done
done) <"$abs_top_srcdir/tests/php/phpt_list" >"$work/phpt"
cat >"$work/preloaded_php" <<WRAPPER
#!/bin/sh
export LD_PRELOAD=$drop_in
exec $embed "\$@"
WRAPPER
cat >"$work/embedded_php" <<WRAPPER
#!/bin/sh
exec $embed "\$@"
WRAPPER
chmod +x "$work/preloaded_php" "$work/embedded_php"
check "PHP's tests run with the stock php" phpt "$zts/stock/php" "$work/stock"
check "and pass" all_pass "$work/stock"
check "and with the archive in php" phpt "$linked/php" "$work/linked_php"
check "with the same results" diff "$work/stock.sorted" "$work/linked_php.sorted"
check "they run embedded" phpt "$work/embedded_php" "$work/embedded"
check "and with the drop-in preloaded" phpt "$work/preloaded_php" "$work/preloaded"
check "with the same results as embedded" diff "$work/embedded.sorted" "$work/preloaded.sorted"
echo "$(wc -l <"$work/phpt") tests; stock:" "$(awk '{ print $1 }' "$work/stock" | sort |
    uniq -c | tr '\n' ' ')"

# ---- the scripts of the other tests ----

for test in abi basics limits options; do
    check "tests/php/$test.sh with this PHP" "$abs_top_srcdir/tests/php/$test.sh"
done
check_summary
