#!/bin/sh
# compat.sh: make check-fpm-compat. Runs those of php-fpm's own tests that execute no PHP script
# against tsrmalloc-fpm, unchanged. They come with Debian's source package and stay outside of this
# tree: PHP_SRC names an unpacked one, or it is fetched into the build directory with apt-get.
# Needs php8.2-cli. As root, like Debian's own php-fpm, 33 pass and 10 skip.
set -eu

tests="bug68381-log-level-warning bug68391-conf-include-order bug68420-ipv4-all-addresses
    bug68421-ipv6-access-log bug68423-multi-pool-all-pms bug68428-ipv6-allowed-clients
    bug68442-signal-reload bug68458-pm-no-start-server bug68591-conf-test-group
    bug68591-conf-test-listen-group bug68591-conf-test-listen-owner bug68591-conf-test-user
    bug77934-reload-process-control bug78323 bug80024-socket-reduced-inherit
    config-array-validation-php-value-key config-array-validation-suppress-path-key-2
    config-array-validation-suppress-path-key config-array-validation-suppress-path-starts-slash
    config-array gh8885-stderr-fd-reload-usr1 gh8885-stderr-fd-reload-usr2
    gh9754-daemonized-stderr-close log-invalid-port main-global-prefix pm-max-spawn-rate-config
    pm-max-spawn-rate-run pool-apparmor-basic pool-prefix proc-no-start-server proc-user-ignored
    setsofib socket-invalid-allowed-clients socket-ipv4-allowed-clients socket-ipv4-basic
    socket-ipv4-fallback socket-ipv6-any socket-ipv6-basic socket-uds-acl socket-uds-basic
    socket-uds-numeric-ugid-nonroot socket-uds-numeric-ugid status-ping"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "check-fpm-compat: $*" >&2
    exit 1
}

# The main suite's version: the one of the security suite is often gone from mirrors by the time.
fetch() {
    mkdir -p "$folder/lists/partial"
    echo "deb-src [signed-by=$keyring] http://deb.debian.org/debian bookworm main" \
        >"$folder/sources.list"
    (cd "$folder" &&
        set -- -q -o Dir::Etc::SourceList="$folder/sources.list" \
            -o Dir::Etc::SourceParts=/dev/null \
            -o Dir::State::Lists="$folder/lists" &&
        apt-get "$@" update &&
        apt-get "$@" source --download-only --tar-only php8.2 &&
        tar xJf php8.2_*.orig.tar.xz --wildcards '*/sapi/fpm/tests/*' '*/run-tests.php') ||
        fail "the source package php8.2 cannot be fetched; set PHP_SRC to an unpacked one"
}

folder=$PWD/fpm-compat
source=${PHP_SRC:-}
php=$(command -v php8.2 || command -v php) || fail "php8.2-cli is needed"
mkdir -p "$folder/bin/fpm" "$folder/bin/cli"
if [ -z "$source" ]; then
    [ -n "$(find "$folder" -maxdepth 1 -name 'php-8.*')" ] || fetch
    source=$(find "$folder" -maxdepth 1 -name 'php-8.*' | head -n 1)
fi
[ -f "$source/run-tests.php" ] || fail "there is no run-tests.php in '$source'"

# The tests look for fpm/php-fpm beside the folder of php.
ln -sf "$PWD/tsrmalloc-fpm" "$folder/bin/fpm/php-fpm"
ln -sf "$php" "$folder/bin/cli/php"
TEST_PHP_EXECUTABLE=$folder/bin/cli/php
export TEST_PHP_EXECUTABLE
[ "$(id -u)" -ne 0 ] || export TEST_FPM_RUN_AS_ROOT=1
files=
for name in $tests; do files="$files sapi/fpm/tests/$name.phpt"; done
cd "$source"
# The list is one word per file.
# shellcheck disable=SC2086
NO_INTERACTION=1 "$php" -n run-tests.php -q -p "$TEST_PHP_EXECUTABLE" -n -d expose_php=Off $files \
    >"$folder/log" 2>&1 || true
failed=$(sed -n 's/^Tests failed *: *\([0-9]*\).*/\1/p' "$folder/log")
skipped=$(sed -n 's/^Tests skipped *: *\([0-9]*\).*/\1/p' "$folder/log")
passed=$(sed -n 's/^Tests passed *: *\([0-9]*\).*/\1/p' "$folder/log")
grep -a 'FAIL' "$folder/log" | grep -ao 'sapi/fpm/tests/[^ ]*phpt' | sort -u || true
echo "${passed:-0} passed, ${failed:-1} failed, ${skipped:-0} skipped"
[ "${failed:-1}" -eq 0 ] && [ "${passed:-0}" -gt 0 ]
