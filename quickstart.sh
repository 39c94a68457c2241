#!/bin/sh
# quickstart.sh: from a fresh clone to N threads with N heaps, in one command.
set -eu

# The shell that configure runs in, and libtool for each object: dash, where this is it, begins sooner
# than bash.
export CONFIG_SHELL="${CONFIG_SHELL-/bin/sh}"

usage() {
    cat <<'USAGE'
usage: ./quickstart.sh          install what is missing, build in build/, run tsrmalloc-cli
       ./quickstart.sh check    the same, then the tests instead of tsrmalloc-cli
       ./quickstart.sh bench    the same, then the benchmark, about a quarter of an hour
       ./quickstart.sh check-win32
                                build for Windows and Linux in build-win32/, compare what both do
       ./quickstart.sh --help

Run again, it does only what is left to do. Packages are installed on Debian and Ubuntu, by root or
with sudo; elsewhere it says what is needed.

Environment: CONFIGURE_FLAGS   handed to configure, for instance --disable-zts
             CC, CFLAGS        as configure takes them
USAGE
}

# Debian's names. What to look for where there is no dpkg is in missing_things.
packages="gcc libc6-dev make autoconf automake libtool pkg-config"
packages="$packages libck-dev libcriterion-dev zlib1g-dev liblua5.4-dev libacl1-dev"
# What check runs some programs under, and the PHP that it runs with the drop-in.
check_packages="valgrind libphp8.2-embed php8.2-dev php8.2-xml php8.2-mbstring"
check_packages="$check_packages composer phpunit php-twig dokuwiki"
check_packages="$check_packages libapache2-mod-php8.2 apache2-utils php8.2-opcache"
# The clients of tsrmalloc-fpm in its tests, and what reads its status page.
check_packages="$check_packages nginx-light lighttpd apache2-bin libfcgi-bin curl chromium jq"
check_packages="$check_packages libxml2-utils prometheus acl haproxy caddy spawn-fcgi"
# The programs that run on our heaps in tests/stress/third_party.sh.
check_packages="$check_packages redis-server redis-tools stress-ng xz-utils zstd lua5.4 python3"
# What bench measures against, and what draws its pictures. It runs without, and says so.
bench_packages="libphp8.2-embed libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 gnuplot-nox"
# make bench-fpm: the server to compare with, and the clients.
bench_packages="$bench_packages php8.2-fpm php8.2-opcache nginx-light wrk curl jq libfcgi-bin"
# The compiler for Windows, and what runs its programs.
win32_packages="gcc-mingw-w64-x86-64 wine64"

say() { echo "quickstart: $*"; }
fail() {
    echo "quickstart: $*" >&2
    exit 1
}

# missing_packages: those of the list that are not installed for this machine's own architecture.
missing_packages() {
    native=$(dpkg --print-architecture)
    for package in $packages; do
        dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$package" 2>/dev/null |
            grep -qxE "installed ($native|all)" || echo "$package"
    done
}

# missing_things: the same by looking for what the packages bring.
missing_things() {
    for tool in "${CC:-cc}" make autoconf automake libtoolize pkg-config; do
        command -v "$tool" >/dev/null 2>&1 || echo "$tool"
    done
    command -v "${CC:-cc}" >/dev/null 2>&1 || return 0
    for header in ck_pr.h criterion/criterion.h zlib.h; do
        echo "#include <$header>" | ${CC:-cc} -E -x c - >/dev/null 2>&1 || echo "$header"
    done
    pkg-config --exists lua5.4 2>/dev/null || pkg-config --exists 'lua >= 5.4' 2>/dev/null ||
        echo "Lua 5.4"
}

# Servers among the packages shall not start: the tests start their own.
policy=/usr/sbin/policy-rc.d
hold_services() {
    [ ! -e $policy ] || return 0
    trap release_services EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null && $as_root chmod 755 $policy
    held=yes
}
release_services() {
    [ -z "${held-}" ] || $as_root rm -f $policy
    held=
}

install_packages() {
    missing=$(missing_packages | tr '\n' ' ')
    if [ -z "$missing" ]; then
        say "all packages are installed"
        return
    fi
    say "installing: $missing"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            fail "neither root nor sudo. As root: apt-get install $missing"
        as_root=sudo
    fi
    hold_services
    # The lists are one word per package.
    # shellcheck disable=SC2086
    $as_root apt-get -q update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
            -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
            install --no-install-recommends $missing ||
        fail "apt-get could not install: $missing"
    release_services
}

name_packages() {
    missing=$(missing_things | tr '\n' ' ')
    [ -z "$missing" ] || fail "this is not Debian or Ubuntu, and these are missing: $missing
The Debian packages are: $packages
Install what your system calls them, then run this again."
    say "everything needed is there"
}

# make_configure: only when it is missing, or older than what it is made from.
make_configure() {
    changed=$(find configure.ac m4 -name '*.[am][c4]' -newer configure 2>/dev/null || true)
    if [ ! -f configure ] || [ ! -f build-aux/ltmain.sh ] || [ -n "$changed" ]; then
        say "making configure (autogen.sh)"
        ./autogen.sh >autogen.log 2>&1 || { cat autogen.log >&2; fail "autogen.sh failed"; }
    fi
}

# build: configure only when its result is missing, or for other flags.
build() {
    mkdir -p build
    flags="${CONFIGURE_FLAGS-} CC=${CC-} CFLAGS=${CFLAGS-}"
    if [ ! -f build/Makefile ] || [ "$flags" != "$(cat build/quickstart.flags 2>/dev/null)" ]; then
        say "configuring in build/ ${CONFIGURE_FLAGS-}"
        # shellcheck disable=SC2086
        (cd build && ../configure ${CONFIGURE_FLAGS-} >configure.log 2>&1) ||
            { tail -n 20 build/configure.log >&2; fail "configure failed"; }
        echo "$flags" >build/quickstart.flags
    fi
    say "building in build/"
    make -s -C build -j"$(nproc 2>/dev/null || echo 2)" || fail "the build failed"
}

case ${1-} in
    '') goal=run ;;
    check) goal=check; packages="$packages $check_packages" ;;
    bench) goal=bench; packages="$packages $bench_packages" ;;
    check-win32) goal=check-win32; packages="$packages $win32_packages" ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 64; }

cd "$(dirname "$0")"
if command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
    install_packages
else
    name_packages
fi
make_configure
if [ $goal = check-win32 ]; then
    exec tests/win32/check.sh build-win32
fi
build

trace=traces/dokuwiki-opcache.zmt.gz
if [ $goal = check ]; then
    say "running the tests"
    exec make --no-print-directory -C build -j"$(nproc 2>/dev/null || echo 2)" check
fi
if [ $goal = bench ]; then
    say "running the benchmark"
    exec make --no-print-directory -C build bench
fi
threads=4
case " ${CONFIGURE_FLAGS-} " in *" --disable-zts "*) threads=1 ;; esac
say "replaying $trace; every thread has a heap of its own:"
say "  build/tsrmalloc-cli -t $threads $trace"
exec build/tsrmalloc-cli -t "$threads" "$trace"
