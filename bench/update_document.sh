#!/bin/sh
# update_document.sh: puts a run's results between the markers of docs/benchmarks.md, and its
# pictures beside it.
# usage: update_document.sh DOCUMENT DIRECTORY     (DIRECTORY as bench.sh leaves it)
set -eu

document=$1
directory=$2
[ -s "$directory/results.md" ] || { echo "$directory has no results: run make bench" >&2; exit 1; }
grep -q '^<!-- results: begin' "$document" || { echo "$document has no markers" >&2; exit 1; }

awk -v results="$directory/results.md" '
    /^<!-- results: end/ { inside = 0 }
    !inside { print }
    /^<!-- results: begin/ {
        inside = 1
        print ""
        while ((getline line < results) > 0) print line
        print ""
    }
' "$document" >"$document.new"
mv "$document.new" "$document"
for picture in "$directory"/*.svg; do
    [ ! -e "$picture" ] || cp "$picture" "$(dirname "$document")/benchmarks/"
done
