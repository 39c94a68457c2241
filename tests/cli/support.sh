# support.sh: what the tests of tsrmalloc-cli share; to be sourced first.
#
#   run ARGUMENT...     runs the program; then $status, and the files $work/out and $work/err
#   out TEXT, err TEXT  true if that output has TEXT somewhere (a fixed string)
#   status_is N         true if the last run ended so

. "$abs_top_srcdir/tests/support/check.sh"

cli=$abs_top_builddir/tsrmalloc-cli
data=$abs_top_srcdir/tests/data
traces=$abs_top_srcdir/traces
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
    status=0
    "$cli" "$@" >"$work/out" 2>"$work/err" || status=$?
    # A debug build's limit errors say where the call is.
    [ "$TSRMALLOC_DEBUG" = no ] || sed -i 's/ at [^ ]*:[0-9]* (tried to/ (tried to/' "$work/err"
}

out() { grep -qF -e "$1" "$work/out" || { cat "$work/out" "$work/err"; return 1; }; }
err() { grep -qF -e "$1" "$work/err" || { cat "$work/out" "$work/err"; return 1; }; }
status_is() { [ "$status" -eq "$1" ] || { echo "status $status"; cat "$work/err"; return 1; }; }
nothing_on() { [ ! -s "$work/$1" ] || { cat "$work/$1"; return 1; }; }

if [ "$TSRMALLOC_ZTS" = yes ]; then many=8; else many=1; fi
