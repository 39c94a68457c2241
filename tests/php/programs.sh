#!/bin/sh
# programs: PHP programs from Debian's packages print the same with and without the drop-in.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

# program ARGUMENT...: $embed with the extensions. Durations and memory are not compared.
program() {
    # shellcheck disable=SC2046
    "$embed" $(extensions) -d memory_limit=512M -d date.timezone=UTC "$@" 2>&1 |
        sed -E 's/^Time: .*//; s/in [0-9.]+ seconds//'
}
is_same_program() {
    program "$@" >"$work/expected.out"
    [ -s "$work/expected.out" ] || return 1
    LD_PRELOAD=$drop_in program "$@" >"$work/out"
    diff "$work/expected.out" "$work/out"
}

# needs PACKAGE FILE SENTENCE: false, and the skip is printed, if FILE is not there.
needs() {
    [ -e "$2" ] && [ -n "$(extensions)" ] || { check_skip "$3" "$1 is not installed"; return 1; }
}

sentence="composer validates a project and makes its class loader"
if needs composer /usr/share/php/Composer "$sentence"; then
    COMPOSER_HOME=$work/composer COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_DISABLE_NETWORK=1
    export COMPOSER_HOME COMPOSER_ALLOW_SUPERUSER COMPOSER_DISABLE_NETWORK
    mkdir -p "$work/project" "$COMPOSER_HOME"
    ln -s /usr/share/php/Composer "$work/project/src"
    echo '{"name": "tsrmalloc/project", "description": "x", "license": "BSD-2-Clause",' \
        '"autoload": {"classmap": ["src/"]}}' >"$work/project/composer.json"
    check "$sentence: validate" is_same_program /usr/bin/composer --no-ansi -n \
        -d "$work/project" validate
    check "$sentence: dump-autoload" is_same_program /usr/bin/composer --no-ansi -n \
        -d "$work/project" dump-autoload -o
    check "it has made one" out "Generated optimized autoload files containing"
fi

sentence="phpunit runs tests of a library"
if needs phpunit /usr/bin/phpunit "$sentence"; then
    check "$sentence" is_same_program /usr/bin/phpunit --do-not-cache-result --testdox \
        --no-configuration "$scripts/DiffTest.php"
    check "they pass" out "OK ("
    check "phpunit runs a package's own tests, of another package" is_same_program \
        /usr/bin/phpunit --do-not-cache-result --testdox --no-configuration \
        "$scripts/PackagesTest.php"
    check "they pass" out "OK (14 tests"
fi

sentence="twig renders a page"
if needs php-twig /usr/share/php/Twig/autoload.php "$sentence"; then
    check "$sentence" is_same_program "$scripts/twig.php"
fi

sentence="dokuwiki renders pages"
if needs dokuwiki /usr/share/dokuwiki/doku.php "$sentence"; then
    wiki=$work/wiki
    make_wiki "$wiki"
    program "$scripts/dokuwiki.php" "$wiki" start >/dev/null        # fills its caches
    for page in wiki:syntax wiki:dokuwiki start wiki:welcome; do
        check "$sentence: $page" is_same_program "$scripts/dokuwiki.php" "$wiki" "$page"
        check "it is a page of the wiki: $page" out 'id="dokuwiki__content"'
    done
fi
check_summary
