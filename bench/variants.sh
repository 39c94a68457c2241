#!/bin/sh
# variants.sh: builds the library again without the checks of its hot path, and without each alone;
# prints the options that make tsrmalloc-bench measure them.
# usage: variants.sh SRCDIR DIRECTORY [CONFIGURE_ARGUMENT...]      (those of the build at hand)
set -eu

srcdir=$(cd "$1" && pwd)
mkdir -p "$2"
directory=$(cd "$2" && pwd)
shift 2

# variant NAME CONFIGURE_ARGUMENT...: built once, then only brought up to date.
variant() {
    name=$1
    shift
    mkdir -p "$directory/$name"
    (
        cd "$directory/$name"
        [ -f Makefile ] || "$srcdir/configure" "$@" >configure.log
        make -s -j2 libtsrmalloc.la >make.log
    ) 2>"$directory/$name.err" || { cat "$directory/$name.err" >&2; exit 1; }
    printf ' --variant %s' "$name=$directory/$name/.libs/libtsrmalloc.so"
}

variant unchecked "$@" --disable-free-checks
variant no-slot-check "$@" CPPFLAGS=-DZEND_MM_CHECK_SLOT_START=0
variant no-double-free-check "$@" CPPFLAGS=-DZEND_MM_CHECK_DOUBLE_FREE=0
variant no-link-check "$@" CPPFLAGS=-DZEND_MM_CHECK_LINK=0
