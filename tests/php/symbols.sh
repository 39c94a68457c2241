#!/bin/sh
# symbols: the drop-in exports PHP's memory manager, all of it, and nothing else.
set -u
. "$abs_top_srcdir/tests/support/check.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=$abs_top_builddir/.libs/libtsrmalloc-php.so
archive=$abs_top_builddir/libtsrmalloc-php.a
host=/usr/lib/libphp8.2.so

names() { awk 'NF == 3 { print $3 }' | sort; }
lacks() { ! grep -E "$1" "$2"; }

sed 's/#.*//' "$abs_top_srcdir/php/symbols" | tr -s ' ' '\n' | sed '/^$/d' | sort >"$work/list"
nm -D --defined-only "$library" | names >"$work/library"
nm -g --defined-only "$archive" | names >"$work/archive"

check "the library exports the list, and nothing else" diff "$work/list" "$work/library"
check "no name of TSRM or of a SAPI is exported" lacks '^(ts_|tsrm_|sapi_)' "$work/library"
printf '%s\n' zend_mm_globals_size tsrmalloc_php_report_begins tsrmalloc_php_report_ends |
    sort - "$work/list" >"$work/list_and_more"
check "the archive has beside what main.c and late.c need" \
    diff "$work/list_and_more" "$work/archive"
count_bins() { [ "$(grep -cE '^_e(malloc|free)_[0-9]+$' "$work/library")" -eq 60 ]; }
check "there are 60 functions of bins" count_bins

# zend_handle_delayed_oom() stays the host's: it works on the engine's state, and a heap's flag.
if [ -f "$host" ]; then
    nm -D --defined-only "$host" | names | grep -E -e '^_(safe_)?f?e(m|c|re)alloc' -e '^_efree' \
        -e '^_estrn?dup' -e '^__?(zend_mm|zend_mem|zend_[cmrs])' -e '^_safe_' \
        -e '^zend_(mm|memory)_' \
        -e '^zend_set_memory' -e '^is_zend_(mm|ptr)$' -e '_memory_manager$' -e '^zend_strndup$' \
        -e '^zend_alloc_in_memory' >"$work/host"
    comm -23 "$work/host" "$work/list" >"$work/more"
    check "every function of the installed PHP's memory manager is replaced" \
        diff /dev/null "$work/more"
else
    check_skip "every function of the installed PHP's memory manager is replaced" "no $host"
fi
check_summary
