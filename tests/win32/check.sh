#!/bin/sh
# check: the same program on Windows (wine) and on Linux, compared row by row; see docs/windows.md.
#     tests/win32/check.sh [DIRECTORY FOR BUILDS]      build-win32 if none is named
#
# Needs what the library needs, x86_64-w64-mingw32-gcc, and wine64; ./quickstart.sh check-win32
# installs them. The last line is the sum of the rows.
set -eu

source_dir=$(cd "$(dirname "$0")/../.." && pwd)
. "$source_dir/tests/support/check.sh"
builds=${1:-build-win32}
mkdir -p "$builds"
builds=$(cd "$builds" && pwd)

say() { echo "check-win32: $*"; }
fail() {
    echo "check-win32: $*" >&2
    exit 1
}

# ---- the builds ---------------------------------------------------------------------------------

host=x86_64-w64-mingw32
command -v $host-gcc >/dev/null 2>&1 ||
    fail "$host-gcc is missing; on Debian or Ubuntu: apt-get install gcc-mingw-w64-x86-64"

# Debian keeps wine64 out of PATH.
wine=
for place in wine64 /usr/lib/wine/wine64 wine; do
    wine=$(command -v "$place") && break
done
[ -n "$wine" ] || fail "wine64 is missing; on Debian or Ubuntu: apt-get install wine64"

# Concurrency Kit's headers are used alone: their directory is the host's /usr/include, and the
# host's C library must not be seen.
link_ck_headers() {
    header=$(echo '#include <ck_pr.h>' | ${CC:-cc} -M -x c - 2>/dev/null |
        tr ' ' '\n' | grep '/ck_pr\.h$' | head -n 1)
    [ -n "$header" ] || fail "ck_pr.h is missing; on Debian or Ubuntu: apt-get install libck-dev"
    from=$(cd "$(dirname "$header")" && pwd)
    mkdir -p "$builds/ck"
    for header in "$from"/ck_*.h "$from/gcc"; do
        ln -sfn "$header" "$builds/ck/"
    done
}

# build NAME TARGETS CONFIGURE_ARGUMENT...: in a directory of its own, configured once; make does
# that again when configure has changed. Builds for one system share what configure finds.
build() {
    directory=$builds/$1
    targets=$2
    shift 2
    mkdir -p "$directory"
    case " $* " in *" --host="*) cache=$builds/windows.cache ;; *) cache=$builds/linux.cache ;; esac
    if [ ! -f "$directory/Makefile" ]; then
        (cd "$directory" && "$source_dir/configure" --cache-file="$cache" --enable-werror "$@" >configure.log 2>&1) ||
            { tail -n 20 "$directory/configure.log" >&2; fail "configure $* failed"; }
    fi
    say "building in $directory"
    # shellcheck disable=SC2086
    make -s -C "$directory" -j"$(nproc 2>/dev/null || echo 2)" $targets \
        >"$directory/make.log" 2>&1 || { cat "$directory/make.log" >&2; fail "the build failed"; }
}

build_windows() {
    name=$1
    targets=$2
    shift 2
    (
        unset CC CFLAGS LDFLAGS LIBS
        CPPFLAGS="-isystem $builds/ck"
        export CPPFLAGS
        build "$name" "$targets" --host=$host "$@"
    )
}

link_ck_headers
build linux tests/win32/rows
build linux-nts tests/win32/rows --disable-zts
build_windows windows \
    "tests/win32/rows.exe tests/win32/rows_static.exe tests/win32/own.exe"
build_windows windows-nts \
    "tests/win32/rows_static.exe tests/win32/own.exe" --disable-zts --disable-shared

# ---- running ------------------------------------------------------------------------------------

WINEPREFIX=$builds/prefix
WINEARCH=win64
WINEDEBUG=-all
WINEDLLOVERRIDES="mscoree,mshtml="
WINEPATH=$builds/windows/.libs
export WINEPREFIX WINEARCH WINEDEBUG WINEDLLOVERRIDES WINEPATH
unset DISPLAY

work=$(mktemp -d)
# The server of our own prefix.
wineserver() {
    for server in "$(dirname "$wine")"/wineserver*; do
        "$server" "$1" >/dev/null 2>&1 && break
    done
}
end_wine() {
    wineserver -k
    rm -rf "$work"
}
trap end_wine EXIT
trap 'exit 1' HUP INT TERM

say "starting wine"
# It stays until the end: else Wine's own processes would start again within some of our programs' runs,
# and what they say (that one of them has crashed, now and then) would be among what ours say.
mkdir -p "$WINEPREFIX"
wineserver -p || fail "wineserver does not start"
"$wine" wineboot -i >"$work/wineboot.log" 2>&1 </dev/null || true

# run OUTPUT "VARIABLE=VALUE..." PROGRAM ARGUMENT...: stdout, stderr and status in one file, without
# what may differ: line ends, the path of a source file, addresses, how the system counts abort().
run() {
    output=$1
    variables=$2
    shift 2
    case $1 in *.exe) set -- "$wine" "$@" ;; esac
    status=0
    # shellcheck disable=SC2086
    env $variables timeout 300 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    if grep -q '^zend_mm_heap corrupted' "$work/err"; then
        sed -e '3,$d' -e 's/: address .*//' "$work/err" >"$work/err.short"
        mv "$work/err.short" "$work/err"
        case $status in 134 | 3) status=aborted ;; esac
    fi
    { cat "$work/out" "$work/err"; echo "status $status"; } |
        sed -e 's/\r$//' -e 's|^[^ ]*error\.c([0-9]*)|error.c|' \
            -e 's/^\[.*\]  Script/[time]  Script/' -e 's/Freeing 0x[0-9A-Fa-f]*/Freeing 0x/' >"$output"
}

# compare NAME REFERENCE OTHER: every line is a row.
compare() {
    same=0
    while IFS= read -r expected <&3; do
        IFS= read -r found <&4 || found="(nothing)"
        if [ "$expected" = "$found" ]; then
            same=$((same + 1))
        else
            check_failed=$((check_failed + 1))
            printf 'not ok - %s\n    expected: %s\n    found:    %s\n' "$1" "$expected" "$found"
        fi
    done 3<"$2" 4<"$3"
    check_passed=$((check_passed + same))
    check "$1: $same rows are the same, and there are no others" \
        test "$(wc -l <"$2")" -eq "$(wc -l <"$3")"
}

linux=$builds/linux/tests/win32/rows
dll=$builds/windows/tests/win32/.libs/rows.exe
static=$builds/windows/tests/win32/.libs/rows_static.exe
linux_nts=$builds/linux-nts/tests/win32/rows
windows_nts=$builds/windows-nts/tests/win32/rows_static.exe
unset USE_ZEND_ALLOC USE_TRACKED_ALLOC ZEND_MM_MEM_TYPE ZEND_MM_SEG_SIZE ZEND_MM_COMPACT \
    ZEND_MM_REMOTE_FREE ZEND_MM_DEBUG ZEND_MM_HARDENED

# ---- every row of the program -------------------------------------------------------------------

# compare_runs NAME LINUX_VARIABLES LINUX_PROGRAM OTHER_VARIABLES OTHER_PROGRAM
compare_runs() {
    say "$1"
    run "$work/expected" "$2" "$3"
    run "$work/found" "$4" "$5"
    check "$1: every case passes on Linux" grep -qx 'status 0' "$work/expected"
    compare "$1" "$work/expected" "$work/found"
}

compare_runs "Linux, mmap_anon like malloc" \
    ZEND_MM_MEM_TYPE=malloc "$linux" ZEND_MM_MEM_TYPE=mmap_anon "$linux"
compare_runs "Windows, DLL, win32 like Linux, malloc" \
    ZEND_MM_MEM_TYPE=malloc "$linux" ZEND_MM_MEM_TYPE=win32 "$dll"
compare_runs "Windows, static, win32 like Linux, malloc" \
    ZEND_MM_MEM_TYPE=malloc "$linux" ZEND_MM_MEM_TYPE=win32 "$static"
compare_runs "Windows, static, malloc like Linux, malloc" \
    ZEND_MM_MEM_TYPE=malloc "$linux" ZEND_MM_MEM_TYPE=malloc "$static"
compare_runs "Windows, without ZTS, win32 like Linux, malloc" \
    ZEND_MM_MEM_TYPE=malloc "$linux_nts" ZEND_MM_MEM_TYPE=win32 "$windows_nts"

# ---- settings, errors, misuse -------------------------------------------------------------------

# ends_alike "VARIABLE=VALUE..." MODE: how the program ends, the storages' names left out.
ends_alike() {
    run "$work/linux" "$1" "$linux" "$2"
    run "$work/windows" "$1" "$static" "$2"
    for file in "$work/linux" "$work/windows"; do
        grep -v -e "^    '[a-z0-9_]*'\$" -e '^    storage: ' "$file" >"$file.same"
    done
    compare "${1:+$1 }$2" "$work/linux.same" "$work/windows.same"
}

say "settings, errors, misuse"
for setting in ZEND_MM_MEM_TYPE=nonsense ZEND_MM_MEM_TYPE= ZEND_MM_MEM_TYPE=WIN32 \
    ZEND_MM_SEG_SIZE=3m ZEND_MM_SEG_SIZE=1m ZEND_MM_SEG_SIZE=0 ZEND_MM_SEG_SIZE=-4m \
    ZEND_MM_SEG_SIZE=big ZEND_MM_SEG_SIZE=0x400000 ZEND_MM_SEG_SIZE=16m ZEND_MM_SEG_SIZE=4194304 \
    ZEND_MM_COMPACT=0 ZEND_MM_COMPACT=1 ZEND_MM_COMPACT=1g \
    ZEND_MM_REMOTE_FREE=maybe ZEND_MM_REMOTE_FREE=panic \
    USE_ZEND_ALLOC=0 USE_ZEND_ALLOC=no USE_ZEND_ALLOC=1; do
    ends_alike "$setting" start
done
for mode in limit leave free-small-twice free-large-twice free-huge-twice free-foreign \
    free-interior; do
    ends_alike "" "$mode"
done

say "the debugging and the hardened mode"
debug=ZEND_MM_DEBUG=poison_alloc=0xbe,poison_free=0xeb,padding=16,check_freelists_on_shutdown=1
for setting in $debug ZEND_MM_DEBUG=leaks=1 ZEND_MM_HARDENED=1 "$debug ZEND_MM_HARDENED=1" \
    "USE_ZEND_ALLOC=0 USE_TRACKED_ALLOC=1"; do
    ends_alike "$setting" start
done
for setting in $debug ZEND_MM_HARDENED=1; do
    for mode in limit leave free-small-twice free-large-twice free-huge-twice free-foreign \
        free-interior free-twice-later write-after-free; do
        ends_alike "$setting" "$mode"
    done
done
for mode in write-behind write-before; do
    ends_alike "$debug" "$mode"
done
ends_alike ZEND_MM_DEBUG=leaks=1 leak
for setting in ZEND_MM_DEBUG=padding ZEND_MM_DEBUG=padding=12 ZEND_MM_DEBUG=unknown=1; do
    ends_alike "$setting" start
done
# All rows of the program, with blocks that are filled and padded. (In the hardened mode what a heap
# holds depends on chance: what is freed rests for a random while.)
compare_runs "Windows, static, ZEND_MM_DEBUG, win32 like Linux" \
    "ZEND_MM_MEM_TYPE=malloc $debug" "$linux" "ZEND_MM_MEM_TYPE=win32 $debug" "$static"

# ---- what is Windows' own -----------------------------------------------------------------------

# own NAME PROGRAM: a program that counts its cases itself.
own() {
    run "$work/found" "" "$2"
    grep -v -e '^ok ' -e ' passed, ' -e '^status 0$' "$work/found" || true
    check_passed=$((check_passed + $(grep -c '^ok ' "$work/found" || true)))
    check_failed=$((check_failed + $(grep -c '^not ok ' "$work/found" || true)))
    check "$1: every case of tests/win32/own passes" grep -qx 'status 0' "$work/found"
}
own "Windows" "$builds/windows/tests/win32/.libs/own.exe"
own "Windows, without ZTS" "$builds/windows-nts/tests/win32/own.exe"

run "$work/found" "" "$static" start
check "win32 is the default storage on Windows" grep -qx '    storage: win32' "$work/found"

run "$work/found" ZEND_MM_MEM_TYPE=mmap_anon "$static" start
cat >"$work/expected" <<'EXPECTED'
Wrong or unsupported zend_mm storage type 'mmap_anon'
  supported types:
    'win32'
    'malloc'
status 255
EXPECTED
compare "Windows has no mmap_anon, and says what it has" "$work/expected" "$work/found"

check_summary
