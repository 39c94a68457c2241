#!/bin/sh
# update_document.sh: puts a run's results between the markers of docs/benchmarks.md, and its
# pictures beside it.
# usage: update_document.sh DOCUMENT DIRECTORY [NAME]     (DIRECTORY as bench.sh leaves it; NAME, of
# its file NAME.md and of the markers, is results)
set -eu

document=$1
directory=$2
name=${3-results}
[ -s "$directory/$name.md" ] || { echo "$directory has no $name.md: run make bench" >&2; exit 1; }
grep -q "^<!-- $name: begin" "$document" || { echo "$document has no markers" >&2; exit 1; }

awk -v results="$directory/$name.md" -v name="$name" '
    $0 ~ "^<!-- " name ": end" { inside = 0 }
    !inside { print }
    $0 ~ "^<!-- " name ": begin" {
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
