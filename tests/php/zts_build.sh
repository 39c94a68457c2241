#!/bin/sh
# zts_build: builds a ZTS PHP from Debian's php8.2 source package, outside this tree, and keeps it.
# Prints the directory: src/ (the build), stock/ (libphp.so and php as PHP makes them). With --where it
# prints where that is or would be, and builds nothing.
#
# Environment: TSRMALLOC_CACHE (default: tsrmalloc/ in $XDG_CACHE_HOME or ~/.cache). TSRMALLOC_PHP_SOURCE:
# another PHP's source, as it is released (a .tar file, compressed or not), instead of Debian's; each has a
# build of its own. As root or with sudo it installs what the build needs. Of Debian's the newest version
# that the archive still gives is taken: a security update's source may be gone when the next one has come.
set -eu

source=${TSRMALLOC_PHP_SOURCE-}
name=php-zts
if [ -n "$source" ]; then
    name=$name-$(basename "$source" | sed 's/\(\.orig\)\{0,1\}\.tar.*//')
fi
cache=${TSRMALLOC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tsrmalloc}/$name
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo

if [ "${1-}" = --where ]; then
    echo "$cache"
    exit
fi
if [ -f "$cache/stock/complete" ]; then
    echo "$cache"
    exit
fi

say() { echo "zts_build: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

# A list of sources of its own: the system's stays as it is.
apt() {
    tool=$1
    shift
    "$tool" -q -o "Dir::Etc::SourceList=$cache/apt/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt/cache" \
        -o APT::Sandbox::User= "$@"
}

fetch_source() {
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/download"
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    cat >"$cache/apt/sources.list" <<LIST
deb-src [signed-by=$key] http://deb.debian.org/debian bookworm main
deb-src [signed-by=$key] http://deb.debian.org/debian-security bookworm-security main
LIST
    apt apt-get update >&2 || fail "no list of source packages"
    versions=$(apt apt-cache showsrc php8.2 | sed -n 's/^Version: //p' | sort -rV)
    for version in $versions; do
        say "fetching php8.2 $version"
        rm -f "$cache/download"/*       # what is left of a version that is gone
        if (cd "$cache/download" && apt apt-get source --download-only "php8.2=$version" >&2); then
            return
        fi
    done
    fail "none of the versions can be fetched: $versions"
}

install_tools() {
    missing=
    for package in dpkg-dev make gcc libc6-dev pkg-config re2c bison; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    # shellcheck disable=SC2086
    [ -z "$missing" ] || $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o Dpkg::Use-Pty=0 install --no-install-recommends $missing >&2
}

unpack() {
    rm -rf "$cache/src"
    if [ -n "$source" ]; then
        mkdir -p "$cache/src"
        tar -x -f "$source" -C "$cache/src" --strip-components=1
    else
        dpkg-source --no-check -x "$(find "$cache/download" -name '*.dsc' | sort -V | tail -n 1)" \
            "$cache/src"
    fi >"$cache/build.log" 2>&1 || fail "see $cache/build.log"
}

build() {
    say "building in $cache/src"
    # What no test needs (phpdbg, cgi, line numbers) is left out: it would take longer.
    (cd "$cache/src" && ./configure --disable-all --enable-zts --enable-embed=shared \
        --disable-phpdbg --disable-cgi CFLAGS=-O2 &&
        make -j"$(nproc)") >>"$cache/build.log" 2>&1 || fail "see $cache/build.log"
}

if [ -n "$source" ] && [ ! -f "$source" ]; then
    fail "TSRMALLOC_PHP_SOURCE: there is no file '$source'"
fi
install_tools
mkdir -p "$cache"
[ -n "$source" ] || [ -n "$(find "$cache/download" -name '*.dsc' 2>/dev/null)" ] || fetch_source
unpack
build
mkdir -p "$cache/stock"
cp "$cache/src/libs/libphp.so" "$cache/src/sapi/cli/php" "$cache/src/Zend/zend_alloc.o" \
    "$cache/stock/"
cp "$cache/src/Zend/.libs/zend_alloc.o" "$cache/stock/zend_alloc_pic.o"
touch "$cache/stock/complete"
echo "$cache"
