#!/bin/sh
# bench.sh: the whole benchmark: tables on stdout; JSON, Markdown and pictures in a directory.
# usage: bench.sh PROGRAM LIBRARY SRCDIR DIRECTORY [OPTION...]    (in the top build directory)
#
# The traces are those of SRCDIR/traces and, where it is there, of SRCDIR/../shared/traces.
set -eu

program=$1
library=$2
srcdir=$3
directory=$4
shift 4

if [ ! -e "$library" ]; then
    echo "make bench: needs the shared library: configure without --disable-shared" >&2
    exit 1
fi
mkdir -p "$directory"
pictures=
if command -v gnuplot >/dev/null 2>&1; then
    pictures=yes
else
    echo "make bench: no pictures: gnuplot is missing (Debian: apt-get install gnuplot-nox)" >&2
fi

echo "make bench: building the variants without checks"
variants=$(eval "'$srcdir/bench/variants.sh' '$srcdir' '$directory/variants' \
    $(./config.status --config)")
# `same` is the library itself once more: what it differs by is the error of the method.
# `hardened` is a mode of it, not a build.
# The variants are words without blanks, unless the build directory has some.
# shellcheck disable=SC2086
set -- --variant same="$library" $variants \
    --variant hardened="ZEND_MM_HARDENED=1:$library" "$@"

# Options come before traces; a trace that is in both places is measured once.
for trace in "$srcdir"/traces/*.zmt.gz "$srcdir"/../shared/traces/*.zmt.gz; do
    [ -e "$trace" ] || continue
    case $trace in
        "$srcdir"/traces/*) ;;
        *) [ ! -e "$srcdir/traces/${trace##*/}" ] || continue ;;
    esac
    set -- "$@" "$trace"
done
"$program" --library "$library" --json="$directory/results.json" \
    --markdown="$directory/results.md" ${pictures:+--svg "$directory"} "$@"
echo
echo "Also in $directory: results.json, results.md${pictures:+ and the pictures}"
