#!/bin/bash
# tools: a byte too many and a block that is gone are reported by Valgrind's memcheck and by
# AddressSanitizer themselves; what is allowed is not. Runs program.c, which uses the public interface
# only, on the library of this build, which need not have been built with a sanitizer for that.
#
# Owns        nothing.
# Tests       itself

# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset ZEND_MM_REDZONES ASAN_OPTIONS LSAN_OPTIONS

if [ -z "${TSRMALLOC_SO-}" ]; then
    check_skip "tools report misuse of blocks" "configured with --disable-shared"
    check_summary
    exit
fi

LD_LIBRARY_PATH=$(dirname "$TSRMALLOC_SO")
export LD_LIBRARY_PATH
mkdir "$work/tsrmalloc"
ln -s "$abs_top_srcdir/tsrm/tsrm.h" "$abs_top_srcdir"/alloc/zend_*.h "$work/tsrmalloc"

# build OUTPUT FLAG...: program.c with the flags.
build() {
    local output=$1 kind=()
    shift
    [ "$TSRMALLOC_ZTS" = no ] || kind+=(-DZTS)
    [ "$TSRMALLOC_DEBUG" = no ] || kind+=(-DZEND_DEBUG=1)
    # CC may be several words.
    # shellcheck disable=SC2086
    $CC -g -O1 -fno-inline -Wall -Wextra -Werror "${kind[@]}" -I"$work" -I"$abs_top_srcdir" \
        "$abs_top_srcdir/tests/shadow/program.c" -o "$output" \
        -L"$LD_LIBRARY_PATH" -ltsrmalloc -pthread "$@"
}

# says CASE TEXT: in the last run, the part of the case has the text, an expression.
says() {
    awk -v begin="case $1" '/^case / { found = $0 == begin } found' "$work/output" >"$work/part"
    grep -qE "$2" "$work/part" && return
    echo "not said: $2"
    cat "$work/part"
    return 1
}

# is_silent COMMAND...: it ends with 0 and says nothing but which cases it runs. (Valgrind 3.19 says
# `--PID-- ...` and `###...` about clang's debug information.)
is_silent() {
    "$@" >"$work/output" 2>&1 && ! grep -vE '^(case |--[0-9]+-- |###|get_Form)' "$work/output" && return
    cat "$work/output"
    return 1
}

# checks_are_right COMMAND...: the heap's checks find what is there, and the tool sees nothing wrong.
checks_are_right() {
    "$@" check >"$work/output" 2>&1 && says check "the heap's checks are right" && return
    cat "$work/output"
    return 1
}

# fails COMMAND...: it ends with another status than 0; what it says is kept.
fails() {
    ! "$@" >"$work/output" 2>&1
}

# What program.c does, the kind of access, and memcheck's words about the address.
misuses=(
    "overrun_small|write|0 bytes after a block of size 13 "
    "overrun_full_slot|write|0 bytes after a block of size 96 "
    "overrun_read|read|0 bytes after a block of size 6 "
    "overrun_large|write|0 bytes after a block of size 10,001 "
    "overrun_huge|write|0 bytes after a block of size 3,000,001 "
    "overrun_after_resize|write|0 bytes after a block of size 50 "
    "overrun_aligned|write|0 bytes after a block of size 100 "
    "underrun|write|1 bytes before a block of size 40 "
    "use_after_free|read|0 bytes inside a block of size 24 free'd"
    "write_after_free|write|23 bytes inside a block of size 24 free'd"
    "use_after_free_and_reuse|read|8 bytes inside a block of size 24 free'd"
    "use_after_free_large|read|19,999 bytes inside a block of size 20,000 free'd"
    "use_after_free_huge|read|0 bytes inside a block of size 3,000,000 free'd"
    "use_after_resize|read|0 bytes inside a block of size 24 free'd"
    "use_after_request|read|0 bytes inside a block of size 24 free'd"
)

names=("${misuses[@]%%|*}")

# ---- memcheck -----------------------------------------------------------------------------------

memcheck_sees() {
    local program=$work/plain misuse name access about
    local memcheck=(valgrind -q --error-exitcode=9 "$program")
    check "the program for memcheck builds" build "$program" -gdwarf-4 -DZEND_MM_CONSTANT_SIZES=0
    # Valgrind 3.19 and the DWARF 5 of clang 14; CFLAGS="-g -O2 -gdwarf-4" helps.
    if "${memcheck[@]}" nothing_wrong 2>&1 | grep -q 'Possibly corrupted debuginfo file'; then
        check_skip "memcheck reports misuse of blocks" \
            "valgrind cannot read this compiler's debug information"
        return
    fi
    check "misuse ends the program with memcheck's status" \
        fails env ZEND_MM_DEBUG=leaks=1 "${memcheck[@]}" "${names[@]}" leak use_uninitialised
    for misuse in "${misuses[@]}"; do
        IFS='|' read -r name access about <<<"$misuse"
        check "memcheck reports $name" says "$name" "Invalid $access of size 1"
        check "memcheck says of $name where and in which block" says "$name" "is $about"
    done
    check "memcheck names the caller of efree" says use_after_free "by .*: use_after_free \(.*program.c"
    check "memcheck knows that a new block has no value" says use_uninitialised "uninitialised value"
    check "the heap's own leak report works under memcheck" says leak "Freeing 0x.* \(1234 bytes\)"
    check "memcheck has nothing to say about what is allowed" is_silent "${memcheck[@]}" nothing_wrong
    check "nor in the hardened mode" is_silent env ZEND_MM_HARDENED=1 "${memcheck[@]}" nothing_wrong
    check "nor about the heap's own checks, which are right" checks_are_right "${memcheck[@]}"
    check "with USE_ZEND_ALLOC=0 memcheck fails a program that leaks" \
        fails env USE_ZEND_ALLOC=0 valgrind -q --error-exitcode=9 --leak-check=full "$program" leak
    check "and says how much" says leak "1,234 bytes in 1 blocks are definitely lost"
    check "ZEND_MM_REDZONES=0 tells memcheck nothing" \
        is_silent env ZEND_MM_REDZONES=0 "${memcheck[@]}" use_after_free
}

# Valgrind cannot run a library that is built with a sanitizer.
if [ "$TSRMALLOC_SANITIZE" != no ]; then
    check_skip "memcheck reports misuse of blocks" "built with sanitizers"
elif ! grep -q '^#define HAVE_VALGRIND_MEMCHECK_H 1' "$abs_top_builddir/config.h"; then
    check_skip "memcheck reports misuse of blocks" "built without valgrind/memcheck.h"
elif ! command -v valgrind >/dev/null; then
    check_skip "memcheck reports misuse of blocks" "valgrind is not installed"
else
    memcheck_sees
fi

# ---- AddressSanitizer ---------------------------------------------------------------------------

address_sanitizer_sees() {
    local program=$1 misuse name access
    # All reports of one run, also those of one place in the program.
    local go_on=ASAN_OPTIONS=halt_on_error=0:suppress_equal_pcs=0
    env $go_on ZEND_MM_DEBUG=leaks=1 "$program" "${names[@]}" leak >"$work/output" 2>&1
    for misuse in "${misuses[@]}"; do
        IFS='|' read -r name access _ <<<"$misuse"
        check "AddressSanitizer reports $name" says "$name" "AddressSanitizer: use-after-poison"
        check "AddressSanitizer says that $name is a $access" says "$name" "^${access^^} of size 1 at"
    done
    check "the heap's own leak report works with AddressSanitizer" \
        says leak "Freeing 0x.* \(1234 bytes\)"
    check "a report ends the program" fails "$program" use_after_free
    check "AddressSanitizer has nothing to say about what is allowed" \
        is_silent "$program" nothing_wrong
    check "nor in the hardened mode" is_silent env ZEND_MM_HARDENED=1 "$program" nothing_wrong
    check "nor about the heap's own checks, which are right" checks_are_right "$program"
    check "with USE_ZEND_ALLOC=0 AddressSanitizer fails a program that leaks" \
        fails env USE_ZEND_ALLOC=0 "$program" leak
    check "and says how much" says leak "AddressSanitizer: 1234 byte\(s\) leaked in 1 allocation"
    check "ZEND_MM_REDZONES=0 tells AddressSanitizer nothing" \
        is_silent env ZEND_MM_REDZONES=0 "$program" use_after_free
}

# The flags of a build with AddressSanitizer are those of its programs, too.
flags=-fsanitize=address
case $TSRMALLOC_SANITIZE in *address*) flags=$SANITIZE_CFLAGS ;; esac
# shellcheck disable=SC2086
if build "$work/asan" $flags -fsanitize-recover=address 2>"$work/errors" && is_silent "$work/asan"; then
    address_sanitizer_sees "$work/asan"
else
    cat "$work/errors"
    check_skip "AddressSanitizer reports misuse of blocks" "$CC $flags makes no program that runs"
fi

check_summary
