#!/bin/sh
# mutants: puts the defects of alloc.txt and tsrm.txt into a copy of the sources, one at a time, and
# shows that a test fails for each.
# usage: mutants.sh [--named] [NAME...]    in a build directory made by configure; NAME: only it
#
# The copy and its builds are in mutation/ there: `plain`, and `thread` with ThreadSanitizer for
# what only that can see. The tests that the table names run first; if they pass, the whole suite
# does, unless --named says that they are all that runs.
# Environment: MUTANT_TIMEOUT, seconds for one test program (120): a defect may make it hang.
set -eu

srcdir=$(cd "$(dirname "$0")/../.." && pwd)
work=$PWD/mutation
tables=$work/source/tests/mutation
has_suite=yes
[ "${1-}" != --named ] || { has_suite=no; shift; }
TEST_TIMEOUT=${MUTANT_TIMEOUT:-120}
export TEST_TIMEOUT

fail() {
    echo "mutants.sh: $*" >&2
    exit 1
}

# The copy is what the tables are read with, so that the sources may be worked on meanwhile.
table() {
    awk -v root="$work/source" "$@" -f "$tables/table.awk" "$tables/alloc.txt" "$tables/tsrm.txt"
}

# The sources without the folders that something was built in.
copy_sources() {
    rm -rf "$work"
    mkdir -p "$work/source"
    for item in "$srcdir"/*; do
        case ${item##*/} in build-aux) ;; build*) continue ;; esac
        [ -f "$item/config.status" ] || cp -R "$item" "$work/source/"
    done
    chmod -R u+w "$work/source"
}

# prepare BUILD: a build of the unchanged copy, in which every test that the table names passes.
prepare() {
    [ ! -d "$work/$1" ] || return 0
    mkdir "$work/$1"
    flags=--disable-static
    [ "$1" = plain ] || flags="$flags --enable-sanitize=$1"
    # shellcheck disable=SC2086
    (cd "$work/$1" && ../source/configure $flags CFLAGS='-g -O1' && make -s libtsrmalloc-core.la) \
        >"$work/$1.log" 2>&1 || fail "no build without a mutant: see $work/$1.log"
    all=$(awk -v build="$1" '$3 == build { for (i = 4; i <= NF; i++) print $i }' "$work/chosen" |
        sort -u)
    # shellcheck disable=SC2086
    passes "$1" $all || fail "a test fails without a mutant: see $work/$1.log"
}

# passes BUILD TEST...: do these programs pass, built from the copy as it is now? The first that does
# not is in $killer; that is empty if one cannot be built.
passes() {
    directory=$work/$1
    shift
    for killer in "$@"; do
        make -s -C "$directory" "$killer" >"$directory.log" 2>&1 || { killer=; return 1; }
        (cd "$directory" && "$work/source/tests/support/driver" --test-name "$killer" \
            --log-file mutant.log --trs-file mutant.trs -- "./$killer") >>"$directory.log"
        grep -q '^PASS' "$directory.log" || return 1
    done
}

suite_passes() {
    make -s -C "$work/$1" -j2 check >"$work/$1.log" 2>&1 && return
    killer=$(sed -n 's/^FAIL: \([^ ]*\) .*/\1/p' "$work/$1.log" | tr '\n' ' ')
    return 1
}

# judge NAME FILE BUILD TEST...: one line with what became of it; adds to the counts. A defect that
# cannot be built shows nothing.
judge() {
    name=$1 file=$2 build=$3
    shift 3
    prepare "$build"
    table -v name="$name" >"$work/mutated"
    cp "$work/source/$file" "$work/unchanged"
    cp "$work/mutated" "$work/source/$file"
    if ! passes "$build" "$@"; then
        [ -z "$killer" ] || named=$((named + 1))
    elif [ $has_suite = yes ] && ! suite_passes "$build"; then
        others=$((others + 1))
        killer="$killer(not $*)"
    else
        survivors="$survivors $name"
        killer='not killed'
    fi
    [ -n "$killer" ] || broken="$broken $name"
    echo "$name: ${killer:-cannot be built}"
    cp "$work/unchanged" "$work/source/$file"
}

copy_sources
table >"$work/list" || exit 1
named=0 others=0 survivors='' broken=''
while read -r name file build tests; do
    case " $* " in *" $name "* | "  ") echo "$name $file $build $tests" ;; esac
done <"$work/list" >"$work/chosen"
while read -r name file build tests; do
    # Word splitting is meant: one word a test.
    # shellcheck disable=SC2086
    judge "$name" "$file" "$build" $tests </dev/null
done <"$work/chosen"
[ -z "$broken" ] || echo "cannot be built:$broken"
[ -z "$survivors" ] || echo "survived:$survivors"
echo "$((named + others)) killed, $named of them by the test that the table names;" \
    "$(echo "$survivors" | wc -w) survived"
[ $((named + others)) -gt 0 ] && [ -z "$survivors$broken" ]
