#!/bin/sh
# status_formats: the pages of the sample in tests/fpm/status.c, read by the programs that such
# pages are for. What their clients sent is hostile.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
page() { "$abs_top_builddir/tests/fpm/status" "$@"; }

# needs PROGRAM SENTENCE: whether it is there; if not, the sentence is skipped.
needs() {
    command -v "$1" >/dev/null && return
    check_skip "$2" "$1 is not installed"
    return 1
}

json_is_read() {
    page json | jq -e '."accepted conn" == 1602 and (has("processes") | not)' &&
        page json full | jq -e '.processes | length == 2 and .[0]."heap limit" == 16777216' &&
        page json full | jq -e '.processes[1]."request uri" |
            startswith("/<script>alert(1)</script>?a='"'b'"'&c=\"d\"\\\u0001\r\n")'
}

xml_is_read() {
    page xml | xmllint --noout - &&
        page xml full >"$work/xml" &&
        [ "$(xmllint --xpath 'string(//process[1]/script)' "$work/xml")" = /srv/www/page.lua ] &&
        [ "$(xmllint --xpath 'string(//process[2]/user)' "$work/xml")" = '<b>' ]
}

# count XPATH: in the live page; xmllint does not know all of HTML 5.
count() { xmllint --html --recover --xpath "count($1)" "$work/html" 2>/dev/null; }

html_is_read() {
    page html | xmllint --noout --nonet - && page html full >"$work/html" &&
        [ "$(count //tbody/tr)" = 2 ] && [ "$(count //script)" = 1 ]
}

metrics_are_read() {
    page metrics | promtool check metrics && page openmetrics full | promtool check metrics
}

sentence="jq reads the json pages, hostile URIs included"
! needs jq "$sentence" || check "$sentence" json_is_read
sentence="xmllint reads the xml pages, hostile texts included"
! needs xmllint "$sentence" || check "$sentence" xml_is_read
sentence="xmllint reads the html pages: no element comes from a client"
! needs xmllint "$sentence" || check "$sentence" html_is_read
sentence="promtool has nothing to say about the metrics"
! needs promtool "$sentence" || check "$sentence" metrics_are_read
check_summary
