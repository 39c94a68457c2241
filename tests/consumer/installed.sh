#!/bin/sh
# installed: what `make install` delivers, seen from outside: programs built only from pkg-config
# flags, the exported symbols, the thread-local storage, and that `make uninstall` takes all away.
set -u
. "$abs_top_srcdir/tests/support/check.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

# The make that runs us must not lend its job server or its overrides to this one.
unset MAKEFLAGS MFLAGS MAKELEVEL TESTS
run_make() { "$MAKE" -C "$abs_top_builddir" DESTDIR="$root" "$@"; }

check "make install succeeds" run_make install
pc_file=$(find "$root" -name tsrmalloc.pc)
so_file=$(find "$root" -name libtsrmalloc.so)
if [ -z "$pc_file" ]; then
    check "tsrmalloc.pc is installed" false
    check_summary
    exit 1
fi

PKG_CONFIG_PATH=$(dirname "$pc_file")
PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_ALLOW_SYSTEM_CFLAGS \
    PKG_CONFIG_ALLOW_SYSTEM_LIBS
cflags=$("$PKG_CONFIG" --cflags tsrmalloc)
libs=$("$PKG_CONFIG" --libs tsrmalloc)
static_libs=$("$PKG_CONFIG" --static --libs tsrmalloc)
library_dir=$("$PKG_CONFIG" --variable=libdir tsrmalloc)
[ -d "$library_dir" ] || library_dir=$root$library_dir

# compile OUTPUT SOURCE FLAG...: a user's compile line; sanitizers must be the library's own.
# Every variable is a list of words.
# shellcheck disable=SC2086
compile() {
    output=$1
    source=$2
    shift 2
    $CC -Wall -Wextra -Werror ${SANITIZE_CFLAGS-} $cflags "$source" -o "$output" "$@"
}
run_installed() { LD_LIBRARY_PATH=$library_dir "$@"; }

has_zts_flag() { case " $cflags " in *" -DZTS "*) echo yes ;; *) echo no ;; esac; }
check "pkg-config gives -DZTS exactly when the library was built so" \
    test "$(has_zts_flag)" = "$TSRMALLOC_ZTS"

has_debug_flag() { case " $cflags " in *" -DZEND_DEBUG=1 "*) echo yes ;; *) echo no ;; esac; }
check "pkg-config gives -DZEND_DEBUG=1 exactly when the library was built with --enable-debug" \
    test "$(has_debug_flag)" = "$TSRMALLOC_DEBUG"

for header in tsrm.h zend_alloc.h zend_alloc_debug.h zend_file_line.h sapi.h; do
    printf '#include <tsrmalloc/%s>\nint main(void) { return 0; }\n' "$header" >"$work/alone.c"
    # shellcheck disable=SC2086
    check "<tsrmalloc/$header> compiles on its own" compile "$work/alone" "$work/alone.c" $libs
    if echo | $CC -x c++ -fsyntax-only - 2>/dev/null; then
        # shellcheck disable=SC2086
        check "<tsrmalloc/$header> compiles as C++" \
            $CC -x c++ -Wall -Wextra -Werror $cflags -fsyntax-only "$work/alone.c"
    else
        check_skip "<tsrmalloc/$header> compiles as C++" "$CC has no C++ compiler"
    fi
done

# ---- programs -----------------------------------------------------------------------------------

consumer=$abs_top_srcdir/tests/consumer/consumer.c
if [ -n "$so_file" ]; then
    # shellcheck disable=SC2086
    check "a consumer builds from pkg-config flags" compile "$work/consumer" "$consumer" $libs
    check "the consumer runs on the installed library" run_installed "$work/consumer"
    # The consumer leaves 100 bytes when it is asked to; the line is marked in its source.
    leak_line=$(grep -n 'leaked on purpose' "$consumer" | cut -d: -f1)
    leak_is_located() {
        run_installed env -u ZEND_MM_DEBUG "$work/consumer" leak 2>&1 |
            grep "^$consumer($leak_line) :  Freeing 0x[0-9a-f]* (100 bytes), script=-\$"
    }
    leak_is_silent() { [ -z "$(run_installed env -u ZEND_MM_DEBUG "$work/consumer" leak 2>&1)" ]; }
    if [ "$TSRMALLOC_DEBUG" = yes ]; then
        check "a consumer's leak is reported with the consumer's file and line" leak_is_located
    else
        check "a consumer's leak is not reported by a library that is no debug build" leak_is_silent
    fi
else
    check_skip "a consumer runs on the installed shared library" "configured with --disable-shared"
fi

if [ "$TSRMALLOC_SANITIZE" = no ] && [ -n "$(find "$root" -name libtsrmalloc.a)" ]; then
    # shellcheck disable=SC2086
    check "a consumer links statically" \
        compile "$work/static" "$consumer" -static $static_libs
    check "the static consumer runs" "$work/static"
else
    check_skip "a consumer links statically" "no static programs in this build"
fi

# The example is the first block of C in README.md; it must work as it stands.
sed -n '/^```c$/,/^```$/p' "$abs_top_srcdir/README.md" | sed '1d;/^```$/,$d' >"$work/example.c"
if [ "$TSRMALLOC_ZTS" = no ]; then
    check_skip "the README's example builds and runs" "it is a ZTS program, this build is NTS"
else
    # shellcheck disable=SC2086
    check "the README's example builds" compile "$work/example" "$work/example.c" $libs
    check "the README's example runs" run_installed "$work/example"
    check "the README's example is about 20 lines" test "$(wc -l <"$work/example.c")" -le 30
fi

check "the installed tsrmalloc-cli says its version" run_installed \
    "$(find "$root" -name tsrmalloc-cli)" -v

# ---- the shared library -------------------------------------------------------------------------

# declared: names with an export marker in the installed headers, macros expanded.
declared() {
    for header in tsrm.h zend_alloc.h sapi.h; do echo "#include <tsrmalloc/$header>"; done |
        $CC -E -P $cflags -x c - | tr '\n' ' ' |
        sed 's/__attribute__ *((visibility("default")))/\n@ /g' |
        sed -n 's/^@ \([^(;]*[^a-zA-Z0-9_]\)\{0,1\}\([a-zA-Z0-9_][a-zA-Z0-9_]*\) *[(;].*/\2/p' |
        sort -u
}
# AddressSanitizer adds one-definition-rule markers of its own.
exported() {
    nm -D --defined-only "$so_file" | awk '$NF !~ /^__odr_asan/ { print $NF }' | sort -u
}
same_names() {
    declared >"$work/declared"
    exported >"$work/exported"
    [ -s "$work/declared" ] && diff "$work/declared" "$work/exported"
}
tls_size() { readelf -lW "$so_file" | awk '$1 == "TLS" { print $6 }'; }
tls_fits() { size=$(tls_size); echo "TLS: ${size:-none}"; [ $((${size:-0})) -le 64 ]; }
tls_is_static() { ! readelf -rW "$so_file" | grep -E 'DTPMOD|DTPOFF|DTPREL|TLSDESC'; }
stays_loaded() { readelf -dW "$so_file" | grep NODELETE; }

if [ -n "$so_file" ]; then
    check "the library exports what its headers declare, and nothing else" same_names
    check "its thread-local storage is at most 64 bytes" tls_fits
    check "its thread-local storage is reached without a call" tls_is_static
    check "it stays loaded after dlclose" stays_loaded
else
    check_skip "the exported symbols are the API" "configured with --disable-shared"
fi

# ---- and away -----------------------------------------------------------------------------------

check "make uninstall succeeds" run_make uninstall
nothing_left() { left=$(find "$root" -type f -o -type l); echo "$left"; [ -z "$left" ]; }
check "make uninstall leaves no file behind" nothing_left

check_summary
