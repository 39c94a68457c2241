#!/bin/sh
# coverage: builds everything anew for gcov, runs `make check`, and says which lines of alloc/ and
# tsrm/ no test has reached. It fails if a test does, if fewer than 95 % of the lines of either
# folder were reached, or if a line was not that docs/reliability.md does not name with a reason.
# usage: coverage.sh       in a build directory made by configure; Debian packages: gcc lcov
#
# Leaves coverage/report/index.html and coverage/unreached there.
# Environment: COVERAGE_JOBS, how many tests at once (2); TEST_TIMEOUT, seconds for one (900: what
# counts its lines is slow)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
srcdir=$(cd "$here/../.." && pwd)
work=$PWD/coverage
least=95
: "${TEST_TIMEOUT:=900}"
export TEST_TIMEOUT

fail() {
    echo "coverage: $*" >&2
    exit 1
}

for tool in gcc gcov lcov genhtml; do
    command -v $tool >/dev/null 2>&1 || fail "$tool is missing. On Debian: apt-get install gcc lcov"
done

# Two switches beside --coverage: threads count, so the counts are atomic; and fork() stays the C
# library's own, because gcc's would forget what the handlers of pthread_atfork() have done.
build() {
    flags='-g -O0 --coverage -fprofile-update=atomic -fprofile-abs-path'
    rm -rf "$work" && mkdir -p "$work/build" && cd "$work/build" &&
        gcc -O1 -fPIC -fvisibility=hidden -c "$here/exit.c" -o exit.o &&
        ar rc libcoverage_exit.a exit.o &&
        "$srcdir/configure" --disable-static CC=gcc CFLAGS="$flags -fno-builtin-fork" \
            LDFLAGS="-L$work/build -Wl,--wrap=abort,--wrap=_exit,--undefined=__wrap_abort \
                -Wl,--exclude-libs,libgcov.a" LIBS=-lcoverage_exit &&
        make -s -j"${COVERAGE_JOBS:-2}"
}

# unreached: FILE: FUNCTION: LINE NUMBER: TEXT of each line that no test reached.
unreached() {
    awk -v root="$srcdir/" '
        /^SF:/ { path = substr($0, 4); file = substr(path, length(root) + 1) }
        /^FN:/ { split(substr($0, 4), start, ","); begins[start[1]] = start[2] }
        /^DA:/ { split(substr($0, 4), count, ","); if (count[2] == 0) missed[count[1]] = 1 }
        /^end_of_record/ {
            for (number = 1; (getline text < path) > 0; number++) {
                if (number in begins) name = begins[number]
                sub(/^[ \t]+/, "", text)
                if (number in missed) print file ": " name ": " number ": " text
            }
            close(path)
            split("", missed)
            split("", begins)
        }' "$work/info"
}

# rate FOLDER: reached and all lines of its files, and whether that is enough.
rate() {
    awk -v prefix="SF:$srcdir/$1/" -v folder="$1" -v least=$least '
        /^SF:/ { wanted = index($0, prefix) == 1 }
        /^LH:/ && wanted { reached += substr($0, 4) }
        /^LF:/ && wanted { all += substr($0, 4) }
        END {
            printf "%s: %d of %d lines reached, %.1f %%\n", folder, reached, all,
                all == 0 ? 0 : reached * 100 / all
            exit all == 0 || reached * 100 < all * least
        }' "$work/info"
}

# The document names a line as `FILE: FUNCTION: TEXT`, so that it stays true when numbers move.
without_reason() {
    sed 's/^\([^:]*: [^:]*\): [0-9]*: /\1: /' "$work/unreached" | sort -u |
        grep -vxFf "$srcdir/docs/reliability.md"
}

# Lines that the document names and no file has any more.
without_line() {
    sed -n 's/^\(\(alloc\|tsrm\)\/[a-z0-9_]*\.[ch]\): \([a-z0-9_]*\): /\1 \3 /p' \
        "$srcdir/docs/reliability.md" |
        while read -r file name text; do
            sed 's/^[ \t]*//' "$srcdir/$file" 2>/dev/null | grep -qxF -e "$text" ||
                echo "$file: $name: $text"
        done
}

# report_lines SENTENCE COMMAND: what the command finds, under the sentence; true if it is nothing.
report_lines() {
    found=$("$2" || true)
    [ -n "$found" ] || return 0
    printf '%s\n%s\n' "$1" "$found"
    return 1
}

log=$PWD/coverage.log
echo "coverage: building and testing in coverage/build, see coverage.log"
(build) >"$log" 2>&1 || fail "no build: see coverage.log"
status=0
make -C "$work/build" -k -j"${COVERAGE_JOBS:-2}" check >>"$log" 2>&1 || {
    grep '^FAIL' "$log" || tail -n 20 "$log"
    status=1
}
lcov --capture --directory "$work/build" --output-file "$work/all" >>"$log" 2>&1 &&
    lcov --extract "$work/all" "$srcdir/alloc/*" "$srcdir/tsrm/*" --output-file "$work/info" \
        >>"$log" 2>&1 && genhtml --output-directory "$work/report" "$work/info" >>"$log" 2>&1 ||
    fail "lcov failed: see coverage.log"
unreached >"$work/unreached"
rate alloc || status=1
rate tsrm || status=1
report_lines "not reached, and not in docs/reliability.md:" without_reason || status=1
report_lines "in docs/reliability.md, but in no file:" without_line || status=1
echo "every line: coverage/report/index.html; those that were not reached: coverage/unreached"
exit $status
